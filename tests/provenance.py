"""Where the models of tests come from."""

from typing import Any

from charrnn.storage.model_directory import Provenance


def make_provenance(**changes: Any) -> Provenance:
    """The Provenance of a model that nobody has trained, but for what is changed."""
    untrained: dict[str, Any] = {
        "corpus": "none",
        "sha256": "0" * 64,
        "corpus_bytes": 0,
        "corpus_characters": 0,
        "validation_fraction": 0.1,
        "lines": False,
        "step": 0,
        "characters": 0,
        "seconds": 0.0,
        "seed": 0,
        "validation_nats": None,
    }
    return Provenance(**(untrained | changes))
