"""The schedule of a training: its last step, the learning rate of each step, and the steps after
which it is evaluated and saved.

    Schedule = TrainingConfig, as planned  +  the Revisions that a time budget made necessary

It is a pure function of those two and the step. Who trains a plan with the revisions that another
training has recorded gets the same bytes.
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
"""More than a training of a day has at worst."""


@dataclass(frozen=True, kw_only=True)
class TimeBudget:
    """The time that a training may take, and what the plan was made with.

    Attributes:
        seconds: of a person's clock, from the probe to the last save.
        step_seconds, evaluation_seconds, save_seconds: what a training step, an evaluation with
            its sample, and a checkpoint take by the probe.
        most_steps: the steps after which more are of no use, however much time is left.
        fixed_evaluations, fixed_saves: whether a person chose how often it is evaluated and saved.
    """

    seconds: float = field(metadata=limits(above=0))
    step_seconds: float = field(metadata=limits(above=0))
    evaluation_seconds: float = field(metadata=limits(least=0))
    save_seconds: float = field(metadata=limits(least=0))
    most_steps: int = field(metadata=limits(least=1, most=LARGEST))
    fixed_evaluations: bool
    fixed_saves: bool

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A change of the plan on the way, which holds for all steps after `step`.

    Attributes:
        step: steps taken when it was decided.
        steps: the new total.
        evaluate_every, checkpoint_every: steps from one evaluation, and one checkpoint, to the
            next.
        characters_per_second: of training steps, as they were measured.
        planned_characters_per_second: with which the total was planned that it replaces.
    """

    step: int = field(metadata=limits(least=1, most=LARGEST))
    steps: int = field(metadata=limits(least=1, most=LARGEST))
    evaluate_every: int = field(metadata=limits(least=1, most=LARGEST))
    checkpoint_every: int = field(metadata=limits(least=1, most=LARGEST))
    characters_per_second: float = field(metadata=limits(least=0))
    planned_characters_per_second: float = field(metadata=limits(least=0))

    def __post_init__(self) -> None:
        check(self)
        if self.steps <= self.step:
            raise ConfigError(f"steps {self.steps}: a step must follow step {self.step}")


@dataclass(frozen=True)
class _Every:
    """Every so many steps, counted from one of them."""

    steps: int
    origin: int = 0

    def __contains__(self, step: int) -> bool:
        return (step - self.origin) % self.steps == 0

    def count(self, after: int, through: int) -> int:
        """How many there are in after + 1, ..., through."""
        return (through - self.origin) // self.steps - (after - self.origin) // self.steps

    def last(self, step: int) -> int:
        """The last one up to a step."""
        return step - (step - self.origin) % self.steps

    def changed(self, steps: int, at: int) -> "_Every":
        """Every so many from the last one on; the same where their number does not change."""
        return self if steps == self.steps else _Every(steps, self.last(at))


@dataclass(frozen=True)
class _Stretch:
    """The steps from one revision to the next.

    Attributes:
        begins: steps taken before.
        planned: where the plan was then, in steps of the plan.
        pace: steps of the plan that each step covers; None where they are the same.
        evaluations, saves: the steps after which there is one.
    """

    begins: int
    planned: float
    pace: float | None
    evaluations: _Every
    saves: _Every

    def planned_step(self, step: int) -> float:
        return step if self.pace is None else self.planned + (step - self.begins) * self.pace


@dataclass(frozen=True)
class Schedule:
    """When a training ends and what its learning rate is, as planned and revised.

    A revision changes how fast the training goes through the plan: what is left of the learning
    rate's warm-up and cosine is spread over the steps that are left. The learning rate makes no
    jump, and reaches its floor at the new end.

    Raises ConfigError where a revision does not follow from those before it.
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
        """The step that the training ends with."""
        return self.revisions[-1].steps if self.revisions else self.config.steps

    def revised(self, revision: Revision) -> "Schedule":
        """The schedule with one more revision."""
        return replace(self, revisions=(*self.revisions, revision))

    def revisions_until(self, step: int) -> tuple[Revision, ...]:
        """Those that were decided when so many steps were taken, or before."""
        return tuple(each for each in self.revisions if each.step <= step)

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of step 0, 1, 2, ...; see `TrainingConfig.learning_rate_at`."""
        return self.config.learning_rate_at(self.planned_step(step))

    def planned_step(self, step: int) -> float:
        """The step of the plan whose learning rate a step has."""
        return self._stretch_after(step).planned_step(step)

    def evaluation_due(self, step: int) -> bool:
        """Whether the network is evaluated after so many steps."""
        return step == self.steps or step in self._stretch_of(step).evaluations

    def save_due(self, step: int) -> bool:
        """Whether a checkpoint is saved after so many steps, whatever an evaluation gives."""
        return step == self.steps or step in self._stretch_of(step).saves

    def evaluate_every(self, step: int) -> int:
        """How many steps there are from one evaluation to the next, after so many."""
        return self._stretch_after(step).evaluations.steps

    def last_evaluation_due(self, step: int) -> int:
        """The last multiple of `evaluate_every`, as it was counted, up to a step; 0 at first."""
        return self._stretch_after(step).evaluations.last(step)

    def checkpoint_every(self, step: int) -> int:
        """How many steps there are from one checkpoint to the next, after so many."""
        return self._stretch_after(step).saves.steps

    def evaluations(self, after: int, through: int) -> int:
        """How many evaluations are due after the steps after + 1, ..., through; the one at the
        end, where it is out of turn, left out."""
        ends = [*self._begins[1:], max(through, self._begins[-1])]
        parts = zip(self._stretches, ends, strict=True)
        return sum(
            stretch.evaluations.count(max(after, stretch.begins), min(through, end))
            for stretch, end in parts
            if max(after, stretch.begins) < min(through, end)
        )

    def _stretch_after(self, step: int) -> _Stretch:
        """The stretch that begins with a step, or that it lies in."""
        return self._stretches[bisect_right(self._begins, step) - 1]

    def _stretch_of(self, step: int) -> _Stretch:
        """The stretch that ends with a step, or that it lies in."""
        return self._stretches[max(bisect_right(self._begins, step - 1) - 1, 0)]

    @cached_property
    def _begins(self) -> list[int]:
        return [each.begins for each in self._stretches]

    @cached_property
    def _stretches(self) -> list[_Stretch]:
        return list(_stretches(self.config, self.revisions))


def _stretches(config: TrainingConfig, revisions: Iterable[Revision]) -> Iterator[_Stretch]:
    stretch = _Stretch(0, 0.0, None, _Every(config.evaluate_every), _Every(config.checkpoint_every))
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
        )
        yield stretch
