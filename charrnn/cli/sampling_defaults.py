"""Defaults of sample and repl that depend on the model or on chance."""

import secrets
from dataclasses import replace
from typing import Any

from charrnn.generation.config import SamplingConfig


def decided(config: SamplingConfig, context: Any, *, trained_on_lines: bool) -> SamplingConfig:
    """Return the configuration with a random seed and the model's line mode if not given."""
    given = context.params
    lines = trained_on_lines if given.get("lines") is None else config.lines
    seed = secrets.randbelow(2**32) if given["seed"] is None else config.seed
    return replace(config, lines=lines, seed=seed)
