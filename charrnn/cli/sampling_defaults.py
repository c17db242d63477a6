"""What sample and repl decide where the command line leaves it open."""

import secrets
from dataclasses import replace
from typing import Any

from charrnn.generation.config import SamplingConfig


def decided(config: SamplingConfig, context: Any, *, trained_on_lines: bool) -> SamplingConfig:
    """How to sample: where it was not given, with another seed each time, and in lines where the
    model was trained on such."""
    given = context.params
    lines = trained_on_lines if given.get("lines") is None else config.lines
    seed = secrets.randbelow(2**32) if given["seed"] is None else config.seed
    return replace(config, lines=lines, seed=seed)
