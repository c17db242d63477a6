"""The reports of a training: Progress for its caller, lines for metrics.jsonl."""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from charrnn.errors import ConfigError
from charrnn.storage.metrics_file import LONGEST_SAMPLE, REVISION, SAMPLE
from charrnn.storage.run import Run
from charrnn.training.checkpoint import TrainingState
from charrnn.training.learner import StepResult
from charrnn.training.schedule import Revision, Schedule
from charrnn.wording import thousands

NOTABLE: Final = 0.05
"""A revision names the speed as its reason where it changed by more than this share."""

LOG_EVERY: Final = 10
"""Steps between two training lines of metrics.jsonl."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A report of a training after each step.

    Attributes:
        step, steps: the steps taken, and planned (as revised so far).
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
        revision: a sentence on the revision of the plan, if it was revised after this step.
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
    revision: str | None = None


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

    def log_step(
        self, state: TrainingState, result: StepResult, epoch: int, schedule: Schedule
    ) -> TrainingState:
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
                "steps": schedule.steps_at(state.step - 1),
            }
        )
        return replace(state, nats=0.0, measured=0)

    def progress(
        self, state: TrainingState, result: StepResult, epoch: int, schedule: Schedule
    ) -> Progress:
        """Return the report of a step; `state` is the one after it."""
        return Progress(
            step=state.step,
            steps=schedule.steps,
            epoch=epoch,
            characters=state.characters,
            seconds=state.seconds,
            train_nats=result.nats,
            learning_rate=result.learning_rate,
            gradient_norm=result.gradient_norm,
            characters_per_second=self.characters_per_second or state.characters / state.seconds,
            best_nats=state.best_nats,
        )

    def log_untrained(self, sample: str) -> None:
        """Write a sample of the network before its first step."""
        if sample:
            self._run.log({"step": 0, "seconds": 0.0, SAMPLE: sample[:LONGEST_SAMPLE]})

    def log_evaluation(
        self, state: TrainingState, nats: float, measures: Mapping[str, float], sample: str
    ) -> None:
        """Write the line of an evaluation: the validation loss in nats, the measures of the task,
        and a sample."""
        self._run.log(
            {
                "step": state.step,
                "seconds": round(state.seconds, 3),
                "validation_nats": nats,
                "validation_bits": nats / math.log(2),
                **measures,
                SAMPLE: sample[:LONGEST_SAMPLE],
            }
        )

    def log_revision(self, state: TrainingState, revision: Revision, schedule: Schedule) -> None:
        """Record a revision of the plan, the first after those of the schedule. When it returns,
        the line is on the disk."""
        self._run.log(
            {
                "step": revision.step,
                "seconds": round(state.seconds, 3),
                REVISION: len(schedule.revisions) + 1,
                "steps_before": schedule.steps,
                **{key: value for key, value in asdict(revision).items() if key != "step"},
            },
            durable=True,
        )


def recorded_revisions(run: Run, schedule: Schedule, step: int) -> Schedule:
    """Return the schedule with the revisions that metrics.jsonl records after a step. A resumed
    training replays them. Lines that do not fit are ignored."""
    names = {each.name for each in fields(Revision)}
    for line in run.measurements():
        if REVISION in line and line["step"] > step:
            values: dict[str, Any] = {key: line[key] for key in names & line.keys()}
            with contextlib.suppress(ConfigError, TypeError):
                schedule = schedule.revised(Revision(**values))
    return schedule


def describe_revision(
    revision: Revision, steps_before: int, budget_seconds: float, unit: str
) -> str:
    """Return a sentence that says why the plan was revised, and how."""
    speed, planned = revision.characters_per_second, revision.planned_characters_per_second
    if speed < planned * (1 - NOTABLE) or speed > planned * (1 + NOTABLE):
        how = "slower" if speed < planned else "faster"
        reason = (
            f"the machine is {how} than planned "
            f"({thousands(speed)} instead of {thousands(planned)} {unit}s/s)"
        )
    elif revision.steps < steps_before:
        reason = "evaluations, saves or a pause took longer than planned"
    else:
        reason = "evaluations and saves take less time than planned"
    return (
        f"step {revision.step:,}: {reason}; training ends at step {revision.steps:,} instead of "
        f"{steps_before:,} to keep the budget of {budget_seconds:g} s"
    )
