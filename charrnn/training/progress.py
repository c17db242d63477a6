"""What a training reports: Progress to its caller, lines to metrics.jsonl."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from charrnn.storage.run import Run
from charrnn.training.checkpoint import TrainingState
from charrnn.training.learner import StepResult

LOG_EVERY: Final = 10
"""Steps to a training line of metrics.jsonl."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a training reports after each step.

    Attributes:
        step, steps: taken, and planned.
        epoch: the epoch it is in, from 0.
        characters: learned from so far.
        seconds: spent training.
        train_nats: nats per character of this step's text, before it was learned.
        learning_rate, gradient_norm: of this step.
        characters_per_second: since the last line of metrics.jsonl.
        validation_nats: of the held-out text, when it was evaluated after this step.
        best_nats: the best evaluation so far.
        sample: text the network made, when it was evaluated after this step.
        checkpoint: where the training was saved, when it was saved after this step.
    """

    step: int
    steps: int
    epoch: int
    characters: int
    seconds: float
    train_nats: float
    learning_rate: float
    gradient_norm: float
    characters_per_second: float
    validation_nats: float | None = None
    best_nats: float | None = None
    sample: str | None = None
    checkpoint: Path | None = None


class MetricsLog:
    """The lines that a training writes to metrics.jsonl.

    Args:
        run: whose they are.
        state: where the training begins or is resumed.

    Attributes:
        characters_per_second: between the last two training lines; 0 before the first.
    """

    def __init__(self, run: Run, state: TrainingState) -> None:
        self._run = run
        self._last = state
        self.characters_per_second = 0.0

    def log_step(self, state: TrainingState, result: StepResult, epoch: int) -> TrainingState:
        """Writes a line when it is due; returns the state, in which it begins to sum up anew."""
        if state.step % LOG_EVERY:
            return state
        characters = state.characters - self._last.characters
        # A clock may stand still, and a run from a stranger may be a billion years old.
        self.characters_per_second = characters / max(state.seconds - self._last.seconds, 1e-9)
        self._last = state
        self._run.log(
            {
                "step": state.step,
                "characters": state.characters,
                "epoch": epoch,
                "seconds": round(state.seconds, 3),
                "train_nats": state.nats / state.measured,
                "learning_rate": result.learning_rate,
                "gradient_norm": result.gradient_norm,
                "characters_per_second": round(self.characters_per_second),
            }
        )
        return replace(state, nats=0.0, measured=0)

    def log_evaluation(
        self, state: TrainingState, nats: float, measures: Mapping[str, float]
    ) -> None:
        """Writes the line of an evaluation: the validation loss in nats, and the task's own
        measures."""
        self._run.log(
            {
                "step": state.step,
                "seconds": round(state.seconds, 3),
                "validation_nats": nats,
                "validation_bits": nats / math.log(2),
                **measures,
            }
        )
