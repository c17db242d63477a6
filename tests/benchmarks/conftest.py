"""Lines such as benchmarks.quality writes."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def make_record() -> Callable[..., dict[str, Any]]:
    """A run that never was, of some loss."""

    def make(nats: float, **changes: Any) -> dict[str, Any]:
        record = {
            "corpus": "fables",
            "sha256": "0123456789abcdef",
            "lines": False,
            "budget": "600steps",
            "recipe": "chosen",
            "flags": "",
            "seed": 0,
            "characters": 27_214,
            "n_gram_nats": 1.55,
            "steps": 600,
            "best_step": 300,
            "characters_read": 920_000,
            "hidden_size": 128,
            "nats": nats,
            "curve": [[230_000, nats + 0.5], [460_000, nats], [920_000, nats + 0.1]],
        }
        return record | changes

    return make
