"""The schedule of a training: its last step, the learning rate of each step, and the steps after
which it is evaluated and saved.

    Schedule = TrainingConfig (the plan) + Revisions (changes that a time budget made necessary)

A Schedule is a pure function of these two and the step. A training that is resumed, or repeated
with the recorded revisions, therefore ends with the same bytes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from charrnn.errors import ConfigError
from charrnn.option_declaration import LARGEST, check, limits
from charrnn.training.config import TrainingConfig

MOST_REVISIONS: Final = 1000
"""The most revisions of a training, more than the worst day has."""


@dataclass(frozen=True, kw_only=True)
class TimeBudget:
    """The time budget of a training, and the measurements that its plan was made from.

    Attributes:
        seconds: the budget, by a person's clock, from the probe to the last save.
        step_seconds, evaluation_seconds, save_seconds: what a training step, an evaluation with
            its sample, and a checkpoint were expected to take.
        most_steps: the most steps of the training, however much time is left.
        most_threads: the most threads of the CPU that may be tried; 1: the number never changes.
        fixed_evaluations, fixed_saves: whether --evaluate-every and --checkpoint-every were given.
    """

    seconds: float = field(metadata=limits(above=0))
    step_seconds: float = field(metadata=limits(above=0))
    evaluation_seconds: float = field(metadata=limits(least=0))
    save_seconds: float = field(metadata=limits(least=0))
    most_steps: int = field(metadata=limits(least=1, most=LARGEST))
    most_threads: int = field(metadata=limits(least=1, most=1024))
    fixed_evaluations: bool
    fixed_saves: bool

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A change of the plan during the training, which holds for all steps after `step`.

    Attributes:
        step: the steps taken when it was decided.
        steps: the new total of steps.
        evaluate_every, checkpoint_every: the new intervals, in steps.
        threads: the number of threads, on which the last bits of sums may depend.
        characters_per_second: the measured speed of training.
        planned_characters_per_second: the speed that the plan had counted on until then.
    """

    step: int = field(metadata=limits(least=1, most=LARGEST))
    steps: int = field(metadata=limits(least=1, most=LARGEST))
    evaluate_every: int = field(metadata=limits(least=1, most=LARGEST))
    checkpoint_every: int = field(metadata=limits(least=1, most=LARGEST))
    threads: int = field(metadata=limits(least=1, most=1024))
    characters_per_second: float = field(metadata=limits(least=0))
    planned_characters_per_second: float = field(metadata=limits(least=0))

    def __post_init__(self) -> None:
        check(self)
        if self.steps <= self.step:
            raise ConfigError(f"steps {self.steps}: a step must follow step {self.step}")


@dataclass(frozen=True)
class _Every:
    """Every `steps` steps, counted from `origin`."""

    steps: int
    origin: int = 0

    def __contains__(self, step: int) -> bool:
        return (step - self.origin) % self.steps == 0

    def count(self, after: int, through: int) -> int:
        """Return how many there are in after + 1, ..., through."""
        return (through - self.origin) // self.steps - (after - self.origin) // self.steps

    def last(self, step: int) -> int:
        """Return the last one up to a step."""
        return step - (step - self.origin) % self.steps

    def changed(self, steps: int, at: int) -> "_Every":
        """Return the same with another interval, counted from the last one up to step `at`."""
        return self if steps == self.steps else _Every(steps, self.last(at))


@dataclass(frozen=True)
class _Stretch:
    """The steps from one revision to the next.

    Attributes:
        begins: the steps taken before.
        planned: the step of the plan that it begins at.
        pace: how many steps of the plan each step covers; None: it is the plan itself.
        evaluations, saves: the steps after which the training is evaluated, and saved.
        threads: the number of threads of the CPU.
    """

    begins: int
    planned: float
    pace: float | None
    evaluations: _Every
    saves: _Every
    threads: int

    def planned_step(self, step: int) -> float:
        return step if self.pace is None else self.planned + (step - self.begins) * self.pace


@dataclass(frozen=True)
class Schedule:
    """The plan of a training with its revisions.

    A revision changes the pace at which the training goes through the plan: the rest of the
    learning rate's warm-up and cosine is spread over the remaining steps. So the learning rate is
    continuous, and reaches its floor at the new end.

    Raises ConfigError when a revision does not follow from those before it.
    """

    config: TrainingConfig
    revisions: tuple[Revision, ...] = ()

    def __post_init__(self) -> None:
        if len(self.revisions) > MOST_REVISIONS:
            raise ConfigError(
                f"{len(self.revisions):,} revisions: choose {MOST_REVISIONS:,} or less"
            )
        step, steps = 0, self.config.steps
        for revision in self.revisions:
            if not step < revision.step < steps:
                raise ConfigError(f"revision at step {revision.step}: no step of the plan so far")
            step, steps = revision.step, revision.steps

    @property
    def steps(self) -> int:
        """The last step of the training."""
        return self.revisions[-1].steps if self.revisions else self.config.steps

    def steps_at(self, step: int) -> int:
        """Return the last step of the training as planned after a step: later revisions, which a
        resumed training knows, do not count."""
        revisions = self.revisions_until(step)
        return revisions[-1].steps if revisions else self.config.steps

    def revised(self, revision: Revision) -> "Schedule":
        """Return the schedule with one more revision."""
        return replace(self, revisions=(*self.revisions, revision))

    def revisions_until(self, step: int) -> tuple[Revision, ...]:
        """Return the revisions that were decided up to a step."""
        return tuple(each for each in self.revisions if each.step <= step)

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of step 0, 1, 2, ...; see `TrainingConfig.learning_rate_at`."""
        return self.config.learning_rate_at(self.planned_step(step))

    def planned_step(self, step: int) -> float:
        """Return the step of the plan, not always a whole number, that a step corresponds to."""
        return self._stretch_after(step).planned_step(step)

    def evaluation_due(self, step: int) -> bool:
        """Return whether the network is evaluated after a step."""
        return step == self.steps or step in self._stretch_of(step).evaluations

    def save_due(self, step: int) -> bool:
        """Return whether a checkpoint is saved after a step, whatever an evaluation shows."""
        return step == self.steps or step in self._stretch_of(step).saves

    def evaluate_every(self, step: int) -> int:
        """Return the interval of the evaluations after a step, in steps."""
        return self._stretch_after(step).evaluations.steps

    def last_evaluation_due(self, step: int) -> int:
        """Return the last step up to this one that intervals of evaluations are counted from."""
        return self._stretch_after(step).evaluations.last(step)

    def checkpoint_every(self, step: int) -> int:
        """Return the interval of the checkpoints after a step, in steps."""
        return self._stretch_after(step).saves.steps

    def threads_at(self, step: int) -> int:
        """Return the number of threads of step 0, 1, 2, ..., and of an evaluation before it."""
        return self._stretch_after(step).threads

    def evaluations(self, after: int, through: int) -> int:
        """Return how many evaluations are due after the steps after + 1, ..., through, without the
        one at the end where it is no multiple of the interval."""
        ends = [*self._begins[1:], max(through, self._begins[-1])]
        parts = zip(self._stretches, ends, strict=True)
        return sum(
            stretch.evaluations.count(max(after, stretch.begins), min(through, end))
            for stretch, end in parts
            if max(after, stretch.begins) < min(through, end)
        )

    def _stretch_after(self, step: int) -> _Stretch:
        """Return the stretch that the steps after this one lie in."""
        return self._stretches[bisect_right(self._begins, step) - 1]

    def _stretch_of(self, step: int) -> _Stretch:
        """Return the stretch that this step was taken in."""
        return self._stretches[max(bisect_right(self._begins, step - 1) - 1, 0)]

    @cached_property
    def _begins(self) -> list[int]:
        return [each.begins for each in self._stretches]

    @cached_property
    def _stretches(self) -> list[_Stretch]:
        return list(_stretches(self.config, self.revisions))


def _stretches(config: TrainingConfig, revisions: Iterable[Revision]) -> Iterator[_Stretch]:
    stretch = _Stretch(
        begins=0,
        planned=0.0,
        pace=None,
        evaluations=_Every(config.evaluate_every),
        saves=_Every(config.checkpoint_every),
        threads=config.threads,
    )
    yield stretch
    for revision in revisions:
        step = revision.step
        planned = stretch.planned_step(step)
        stretch = _Stretch(
            begins=step,
            planned=planned,
            pace=(config.steps - planned) / (revision.steps - step),
            evaluations=stretch.evaluations.changed(revision.evaluate_every, step),
            saves=stretch.saves.changed(revision.checkpoint_every, step),
            threads=revision.threads,
        )
        yield stretch
