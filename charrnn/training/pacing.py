"""Pacer: keeps a training within its time budget, however fast the machine is on the way.

It measures how long steps, evaluations and saves take, foretells when the training will end, and
revises the plan when that is too late or too early. What it decides is a Revision; what follows
from one is the Schedule's. Without a time budget it measures nothing and revises nothing.

    window        a fortieth of the budget; its steps give one measurement of the speed
    late          the end will come more than 3 to 5 % of the budget too late: by two windows in a
                  row, and by the mean of the last eight
    early         the same by three windows in a row, and more than 5 % too early

A long pause in a single step (a closed lid, Ctrl-Z) is lost time, and no measurement of the speed.
"""

import contextlib
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from charrnn.training.recipe import CHECKPOINT_SECONDS, EVALUATION_SHARE, EVALUATIONS
from charrnn.training.schedule import MOST_REVISIONS, Revision, Schedule, TimeBudget

WINDOW_SHARE: Final = 0.025
SHORTEST_WINDOW: Final = 0.25
LONGEST_WINDOW: Final = 60.0
"""How much of the budget a window takes, and its limits in seconds."""

LATE: Final = 0.03
LATE_AT_FIRST: Final = 0.05
"""How much of the budget a training may end too late before its plan is revised: less and less,
as less and less time is left to make up for it."""

EARLY: Final = 0.05
"""How much of the budget a training may end too early, where it is not at its most steps."""

LATE_WINDOWS: Final = 2
EARLY_WINDOWS: Final = 3
"""How many windows in a row must say so. A neighbour that comes costs time, one that goes does
not."""

REMEMBERED: Final = 8
"""Windows whose mean must say so as well, so that noise revises nothing."""

CHANGED: Final = 0.15
"""How much the last windows differ from the mean where the speed has changed for good; the windows
before them are then forgotten."""

LEAST_LEFT: Final = 0.02
"""How much of the budget is left for the learning rate to come down in, even where all of it is
spent."""

PAUSE_SECONDS: Final = 1.0
PAUSE_RATIO: Final = 10.0
"""A step that takes longer than this, and so many times as long as usual, was a pause."""


def wall_clock() -> float:
    """Seconds as a person's clock counts them: also while the machine sleeps, and whatever the
    date is set to."""
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.clock_gettime(time.CLOCK_MONOTONIC)  # counts a Mac's sleep, time.monotonic does not


@dataclass(frozen=True)
class _Speed:
    """What steps took: seconds, steps, characters."""

    seconds: float = 0.0
    steps: int = 0
    characters: int = 0

    def __add__(self, other: "_Speed") -> "_Speed":
        return _Speed(
            self.seconds + other.seconds,
            self.steps + other.steps,
            self.characters + other.characters,
        )

    @property
    def step_seconds(self) -> float:
        return max(self.seconds, 1e-9) / self.steps  # a clock may stand still

    @property
    def characters_per_second(self) -> float:
        return self.characters / max(self.seconds, 1e-9)


def _mean(windows: "list[_Speed]") -> _Speed:
    return sum(windows, _Speed())


class Pacer:
    """Measures a training as it goes, and decides when its plan is revised.

    Args:
        budget: the time it may take; None where it has no time budget.
        spent_seconds: of the budget, before `begin`.
    """

    def __init__(self, budget: TimeBudget | None, spent_seconds: float = 0.0) -> None:
        self.budget = budget
        self._spent_before = spent_seconds
        self._began: float | None = None
        self._last = 0.0  # when the last step ended
        self._characters = 0  # learned from by then
        self._elsewhere = 0.0  # seconds of evaluations and saves since then
        self._window = _Speed()
        self._windows: deque[_Speed] = deque(maxlen=REMEMBERED)
        self._late_in_a_row = self._early_in_a_row = 0
        self._pausing = False
        # Of two evaluations or saves the shorter one counts: in the other there may be a pause.
        self._evaluations: deque[tuple[float, float]] = deque(maxlen=2)  # and a step's seconds then
        self._saves: deque[float] = deque(maxlen=2)
        self._usual = math.inf  # seconds of a step
        if budget is not None:
            self._usual = budget.step_seconds
            self._window_seconds = min(
                max(WINDOW_SHARE * budget.seconds, SHORTEST_WINDOW), LONGEST_WINDOW
            )
            self._evaluations.append((budget.evaluation_seconds, budget.step_seconds))
            self._saves.append(budget.save_seconds)

    def begin(self, characters: int = 0) -> None:
        """Starts the clock, where there is a time budget; so many characters were learned from
        before."""
        self._characters = characters
        if self.budget is not None:
            self._began = self._last = wall_clock()

    @property
    def spent_seconds(self) -> float:
        """How much of the budget is spent."""
        return self._spent_before + (0.0 if self._began is None else wall_clock() - self._began)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Measures an evaluation."""
        with self._measured() as took:
            yield
        self._evaluations.extend((seconds, self._usual) for seconds in took)

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Measures a save."""
        with self._measured() as took:
            yield
        self._saves.extend(took)

    @contextlib.contextmanager
    def _measured(self) -> Iterator[list[float]]:
        """Counts what is done in here as no part of a step; gives its seconds afterwards."""
        took: list[float] = []
        if self._began is None:
            yield took
            return
        began = wall_clock()
        yield took
        took.append(wall_clock() - began)
        self._elsewhere += took[0]

    def after_step(self, step: int, characters: int, schedule: Schedule) -> Revision | None:
        """Measures the step that was just taken; gives what is to be revised, if anything.

        Args:
            step: steps taken, this one included.
            characters: learned from so far.
            schedule: of the training as yet.
        """
        if self.budget is None or self._began is None:
            return None
        now = wall_clock()
        took = max(now - self._last - self._elsewhere, 0.0)
        learned = characters - self._characters
        self._last, self._elsewhere, self._characters = now, 0.0, characters
        if self._is_pause(took):
            return None
        self._window += _Speed(took, 1, learned)
        if self._window.seconds < self._window_seconds:
            return None
        self._windows.append(self._window)
        self._window = _Speed()
        full = len(schedule.revisions) >= MOST_REVISIONS
        revised_until = schedule.revisions[-1].step if schedule.revisions else 0
        if step <= revised_until or step >= schedule.steps or full:
            return None  # what was recorded before is replayed
        return self._revision(step, schedule)

    def _is_pause(self, seconds: float) -> bool:
        """Whether the process was stopped in a step; two in a row are no pauses, but slow."""
        usual = self._windows[-1].step_seconds if self._windows else self._usual
        long = seconds > max(PAUSE_SECONDS, PAUSE_RATIO * usual)
        self._pausing = long and not self._pausing
        return self._pausing

    def _revision(self, step: int, schedule: Schedule) -> Revision | None:
        """The revision that the windows ask for, if they do."""
        assert self.budget is not None
        windows = list(self._windows)
        last, mean = windows[-1], _mean(windows)
        self._usual = last.step_seconds
        seconds = self.budget.seconds
        left = seconds - self.spent_seconds
        late = LATE * seconds + (LATE_AT_FIRST - LATE) * max(left, 0.0)
        early = EARLY * seconds
        missed = self._missed(step, schedule, last)
        self._late_in_a_row = self._late_in_a_row + 1 if missed > late else 0
        self._early_in_a_row = self._early_in_a_row + 1 if missed < -early else 0
        missed_by_mean = self._missed(step, schedule, mean)

        soon = EARLY_WINDOWS * self._window_seconds  # no time to wait for another window
        late_at_the_end = self._late_in_a_row > 0 and left < soon
        early_at_the_end = self._early_in_a_row > 0 and left + missed < soon
        if late_at_the_end or early_at_the_end:
            revision = self._replanned(step, schedule, last)
        elif self._late_in_a_row >= LATE_WINDOWS and missed_by_mean > late:
            revision = self._replanned(step, schedule, self._speed(LATE_WINDOWS))
        elif self._early_in_a_row >= EARLY_WINDOWS and missed_by_mean < -early:
            revision = self._replanned(step, schedule, self._speed(EARLY_WINDOWS))
        else:
            return None
        change = revision.steps - schedule.steps
        if (change >= 0) if self._late_in_a_row else (change <= 0):
            return None
        self._late_in_a_row = self._early_in_a_row = 0
        return revision

    def _speed(self, recent: int) -> _Speed:
        """The speed to plan with: the mean, or that of the last windows where it has changed."""
        windows = list(self._windows)
        now, mean = _mean(windows[-recent:]), _mean(windows)
        if abs(now.step_seconds / mean.step_seconds - 1) < CHANGED:
            return mean
        self._windows.clear()
        self._windows.extend(windows[-recent:])
        # The first of them may have begun before the speed changed.
        first, last = windows[-recent], windows[-1]
        return now if abs(first.step_seconds / last.step_seconds - 1) < CHANGED else last

    def _pause_seconds(self, step_seconds: float) -> tuple[float, float]:
        """What an evaluation and a save take, while a step takes so long."""
        evaluation = min(seconds * step_seconds / then for seconds, then in self._evaluations)
        return evaluation, min(self._saves)

    def _missed(self, step: int, schedule: Schedule, speed: _Speed) -> float:
        """By how many seconds the training would end too late at this speed."""
        assert self.budget is not None
        evaluation, save = self._pause_seconds(speed.step_seconds)
        # An evaluation after this very step has not begun.
        evaluations = schedule.evaluations(step - 1, schedule.steps - 1) + 1
        saves = max(evaluations, (schedule.steps - step) // schedule.checkpoint_every(step))
        rest = (schedule.steps - step) * speed.step_seconds
        rest += evaluations * evaluation + saves * save
        return self.spent_seconds + rest - self.budget.seconds

    def _replanned(self, step: int, schedule: Schedule, speed: _Speed) -> Revision:
        """The steps that fit into the time that is left, with an evaluation's usual share of it."""
        budget = self.budget
        assert budget is not None
        each = speed.step_seconds
        evaluation, save = self._pause_seconds(each)
        pause = evaluation + save
        left = budget.seconds - self.spent_seconds
        if schedule.evaluation_due(step):
            left -= pause
        evaluations = 1
        evaluate_every = schedule.evaluate_every(step)
        if budget.fixed_evaluations:
            with_pauses = each + pause / evaluate_every
        else:
            share = EVALUATION_SHARE * max(left, 0.0)
            most = math.ceil(EVALUATIONS * max(left, 0.0) / budget.seconds)
            evaluations = max(min(int(share / max(pause, 1e-9)), most), 1)
            with_pauses = each
        checkpoint_every = schedule.checkpoint_every(step)
        if not budget.fixed_saves:
            checkpoint_every = math.ceil(CHECKPOINT_SECONDS / each)
        steps = (left - evaluations * pause) / with_pauses
        if budget.fixed_saves or checkpoint_every < steps / evaluations:
            steps *= each / (each + save / checkpoint_every)
        total = step + max(int(steps), int(LEAST_LEFT * budget.seconds / each), 1)
        total = max(min(total, budget.most_steps), step + 1)
        if not budget.fixed_evaluations:
            since = schedule.last_evaluation_due(step)
            evaluate_every = math.ceil((total - since) / evaluations)
        if not budget.fixed_saves:
            checkpoint_every = min(evaluate_every, checkpoint_every)
        return Revision(
            step=step,
            steps=total,
            evaluate_every=evaluate_every,
            checkpoint_every=checkpoint_every,
            characters_per_second=round(speed.characters_per_second),
            planned_characters_per_second=round(
                schedule.revisions[-1].characters_per_second
                if schedule.revisions
                else speed.characters / speed.steps / budget.step_seconds
            ),
        )
