"""The reports of a training: Progress for its caller, lines for metrics.jsonl."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from charrnn.storage.run import Run
from charrnn.training.checkpoint import TrainingState
from charrnn.training.learner import StepResult

LOG_EVERY: Final = 10
"""Steps between two training lines of metrics.jsonl."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A report of a training after each step.

    Attributes:
        step, steps: the steps taken, and planned.
        epoch: the current epoch, from 0.
        characters: how many characters were learned from so far.
        seconds: the time spent training.
        train_nats: nats per character of this step's text, before the step.
        learning_rate, gradient_norm: those of this step.
        characters_per_second: the speed between the last two training lines of metrics.jsonl.
        validation_nats: nats per character of the held-out text, if this step was evaluated.
        best_nats: the best evaluation so far.
        sample: a text that the network generated, if this step was evaluated.
        checkpoint: the folder of the checkpoint, if this step was saved.
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
    """The writer of a training's lines in metrics.jsonl.

    Args:
        run: the run of the training.
        state: the state in which the training begins or is resumed.

    Attributes:
        characters_per_second: the speed between the last two training lines; 0 before the first.
    """

    def __init__(self, run: Run, state: TrainingState) -> None:
        self._run = run
        self._last = state
        self.characters_per_second = 0.0

    def log_step(self, state: TrainingState, result: StepResult, epoch: int) -> TrainingState:
        """Write a line when it is due; return the state, whose sums then restart."""
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
        """Write the line of an evaluation: the validation loss in nats, and the measures of the
        task."""
        self._run.log(
            {
                "step": state.step,
                "seconds": round(state.seconds, 3),
                "validation_nats": nats,
                "validation_bits": nats / math.log(2),
                **measures,
            }
        )
