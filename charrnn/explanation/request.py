"""ExplainRequest: which model and text to explain, and how."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from charrnn.explanation.config import ExplainConfig
from charrnn.storage.model_directory import Model


def _no_stage(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class ExplainRequest:
    """A model and a text to explain.

    Attributes:
        model: the model.
        directory: its directory, which may say where its training text is; None for a model in
            memory.
        text: the text; None: the beginning of what was held out of the training text.
        source: where the text comes from, in words.
        config: how much to explain.
        stage: called with what is computed next, in words. What it raises ends the explanation.
        longest: the most characters that are read; large networks read less.
        most_activities: the most activities of units, of all characters together, that are in
            memory at once. They take some twenty bytes each.
        longest_training: the most ids of a training text in which copies are looked for.
        unreadable: what is said where the training text cannot be read; None: why, with its path.
    """

    model: Model
    directory: Path | None = None
    text: str | None = None
    source: str = "a text"
    config: ExplainConfig = field(default_factory=ExplainConfig)
    stage: Callable[[str], None] = _no_stage
    longest: int = 1_000_000
    most_activities: int = 30_000_000
    longest_training: int = 50_000_000
    unreadable: str | None = None
