"""Pacer: keeps a training within its time budget when the machine becomes slower or faster.

It measures how long steps, evaluations and saves take, predicts when the training will end, and
revises the plan when that is too late or too early. A decision is a Revision; Schedule says what
follows from it. Without a time budget nothing is measured and nothing revised.

Steps are measured in windows of a fortieth of the budget. The plan is revised when the prediction
misses the budget by more than a tolerance (3 to 8 % when late, 5 to 10 % when early, less the
nearer the end is) in several windows in a row (2 when late, 3 when early) and in the mean of the
last 8. Near the end one window is enough, as there is no time to wait for more. A long pause in one
step (a closed lid, Ctrl-Z) is lost time, but does not count as a slow step.
"""

import contextlib
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from charrnn.forks import forked
from charrnn.training.parallel.rank import usable_threads_each
from charrnn.training.recipe import CHECKPOINT_SECONDS, EVALUATION_SHARE, EVALUATIONS
from charrnn.training.schedule import MOST_REVISIONS, Revision, Schedule, TimeBudget
from charrnn.training.thread_tuning import ThreadTuner

WINDOW_SHARE: Final = 0.025
SHORTEST_WINDOW: Final = 0.25
LONGEST_WINDOW: Final = 60.0
"""The length of a window as a share of the budget, and its limits in seconds."""

LATE: Final = 0.03
EARLY: Final = 0.05
AT_FIRST: Final = 0.05
"""The tolerances for an end that is too late or too early, as shares of the budget. At the start
they are larger by AT_FIRST: a speed that wavers does not revise the plan, and there is time to make
up for it later."""

LATE_WINDOWS: Final = 2
EARLY_WINDOWS: Final = 3
"""The windows in a row that must agree. A neighbour that comes costs time; one that goes does not,
so more evidence is asked for."""

REMEMBERED: Final = 8
"""The windows whose mean must agree as well, so that noise does not revise the plan."""

CHANGED: Final = 0.15
"""When the last windows differ from the mean by more than this share, the speed has changed; the
windows before them are then forgotten."""

LEAST_LEFT: Final = 0.02
"""The least share of the budget that a revision leaves for the learning rate to fall to its floor,
even when the budget is spent."""

TRIAL_SHARE: Final = 0.25
"""The length of a trial of another number of threads, as a share of a window."""

PAUSE_SECONDS: Final = 1.0
PAUSE_RATIO: Final = 10.0
"""A step that takes longer than PAUSE_SECONDS, and PAUSE_RATIO times as long as usual, was
interrupted by a pause."""


def wall_clock() -> float:
    """Return the seconds of a clock that also counts the time in which the machine sleeps, and that
    does not change with the date."""
    # On Linux CLOCK_MONOTONIC stands still while the machine sleeps; on a Mac it goes on.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(frozen=True)
class _Speed:
    """The seconds that some steps took, and the characters that they learned from."""

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
    """Measures a training and decides when its plan is revised.

    Args:
        budget: the time budget; None where there is none.
        spent_seconds: how much of the budget was spent before `begin`.
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
        self._tuner: ThreadTuner | None = None
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
        """Start the clock. `characters` is how many characters were learned from before."""
        self._characters = characters
        if self.budget is not None:
            self._began = self._last = wall_clock()

    @property
    def spent_seconds(self) -> float:
        """The seconds of the budget that are spent."""
        return self._spent_before + (0.0 if self._began is None else wall_clock() - self._began)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Measure the evaluation in this context."""
        with self._measured() as took:
            yield
        self._evaluations.extend((seconds, self._usual) for seconds in took)

    @contextlib.contextmanager
    def working_aside(self) -> Iterator[None]:
        """Measure work in this context that is done once: it is no part of a step."""
        with self._measured():
            yield

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Measure the save in this context."""
        with self._measured() as took:
            yield
        self._saves.extend(took)

    @contextlib.contextmanager
    def _measured(self) -> Iterator[list[float]]:
        """Measure what is done in this context, which is no part of a step; the list has its
        seconds afterwards."""
        took: list[float] = []
        if self._began is None:
            yield took
            return
        began = wall_clock()
        yield took
        took.append(wall_clock() - began)
        self._elsewhere += took[0]

    def after_step(self, step: int, characters: int, schedule: Schedule) -> Revision | None:
        """Measure the step that was just taken; return a revision where one is necessary.

        Args:
            step: the steps taken, including this one.
            characters: how many characters were learned from so far.
            schedule: the schedule of the training so far.
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
        in_trial = self._tuner is not None and self._tuner.in_trial
        length = self._window_seconds * (TRIAL_SHARE if in_trial else 1)
        # Before the last step there is the last opportunity to revise the plan.
        if self._window.seconds < length and step != schedule.steps - 1:
            return None
        window, self._window = self._window, _Speed()
        if not in_trial:
            self._windows.append(window)
        full = len(schedule.revisions) >= MOST_REVISIONS
        revised_until = schedule.revisions[-1].step if schedule.revisions else 0
        if step <= revised_until or step >= schedule.steps or full:
            return None  # a resumed training replays its recorded revisions
        if (changed := self._tuned(step, schedule, window)) is not None:
            return changed
        return None if in_trial else self._revision(step, schedule)

    def _tuned(self, step: int, schedule: Schedule, window: _Speed) -> Revision | None:
        """Return a revision to another number of threads, where that is tried or decided."""
        assert self.budget is not None
        threads = schedule.threads_at(step)
        if self._tuner is None:
            most = 1 if forked() else min(self.budget.most_threads, usable_threads_each())
            self._tuner = ThreadTuner(threads, most, self.budget.step_seconds)
        tried = self._tuner.in_trial
        if not tried and self._is_near_the_end:
            return None
        chosen = self._tuner.after_window(window.step_seconds)
        if tried and chosen == threads:  # it was faster: what was measured before does not count
            self._windows.clear()
            self._windows.append(window)
            self._late_in_a_row = self._early_in_a_row = 0
        if chosen == threads:
            return None
        return Revision(
            step=step,
            steps=schedule.steps,
            evaluate_every=schedule.evaluate_every(step),
            checkpoint_every=schedule.checkpoint_every(step),
            threads=chosen,
            characters_per_second=round(window.characters_per_second),
            planned_characters_per_second=self._planned_speed(schedule, window),
        )

    @property
    def _is_near_the_end(self) -> bool:
        assert self.budget is not None
        return self.budget.seconds - self.spent_seconds < EARLY_WINDOWS * self._window_seconds

    def _planned_speed(self, schedule: Schedule, speed: _Speed) -> float:
        """Return the characters per second that the plan has counted on."""
        assert self.budget is not None
        steps, speed_planned = schedule.config.steps, None
        for revision in schedule.revisions:
            if revision.steps != steps:  # others change only the number of threads
                steps, speed_planned = revision.steps, revision.characters_per_second
        if speed_planned is not None:
            return speed_planned
        return round(speed.characters / speed.steps / self.budget.step_seconds)

    def _is_pause(self, seconds: float) -> bool:
        """Return whether a step was interrupted by a pause. The second of two long steps in a row
        is a slow one."""
        usual = self._windows[-1].step_seconds if self._windows else self._usual
        long = seconds > max(PAUSE_SECONDS, PAUSE_RATIO * usual)
        self._pausing = long and not self._pausing
        return self._pausing

    def _revision(self, step: int, schedule: Schedule) -> Revision | None:
        """Return a revision where the windows show that one is necessary."""
        assert self.budget is not None
        windows = list(self._windows)
        last, mean = windows[-1], _mean(windows)
        self._usual = last.step_seconds
        seconds = self.budget.seconds
        left = seconds - self.spent_seconds
        tolerated = AT_FIRST * max(left, 0.0)
        late, early = LATE * seconds + tolerated, EARLY * seconds + tolerated
        missed = self._missed(step, schedule, last)
        self._late_in_a_row = self._late_in_a_row + 1 if missed > late else 0
        self._early_in_a_row = self._early_in_a_row + 1 if missed < -early else 0
        missed_by_mean = self._missed(step, schedule, mean)

        soon = EARLY_WINDOWS * self._window_seconds  # no time to wait for another window
        late_at_the_end = missed > late and left < soon
        early_at_the_end = missed < -early and left + missed < soon
        if late_at_the_end or early_at_the_end:
            # One slow window may be a moment's bad luck, and the mistake could not be undone.
            recent = _mean(windows[-LATE_WINDOWS:])
            faster = last if last.step_seconds < recent.step_seconds else recent
            revision = self._replanned(step, schedule, faster)
        elif self._late_in_a_row >= LATE_WINDOWS and missed_by_mean > late:
            revision = self._replanned(step, schedule, self._speed(LATE_WINDOWS))
        elif self._early_in_a_row >= EARLY_WINDOWS and missed_by_mean < -early:
            revision = self._replanned(step, schedule, self._speed(EARLY_WINDOWS))
        else:
            return None
        change = revision.steps - schedule.steps
        if (change >= 0) if missed > 0 else (change <= 0):
            return None
        self._late_in_a_row = self._early_in_a_row = 0
        return revision

    def _speed(self, recent: int) -> _Speed:
        """Return the speed to plan with: the mean, or the speed of the last windows where it has
        changed."""
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
        """Return the seconds of an evaluation and of a save at a given speed."""
        evaluation = min(seconds * step_seconds / then for seconds, then in self._evaluations)
        return evaluation, min(self._saves)

    def _missed(self, step: int, schedule: Schedule, speed: _Speed) -> float:
        """Return by how many seconds the training would end too late at a given speed."""
        assert self.budget is not None
        evaluation, save = self._pause_seconds(speed.step_seconds)
        # An evaluation after this very step has not begun.
        evaluations = schedule.evaluations(step - 1, schedule.steps - 1) + 1
        saves = max(evaluations, (schedule.steps - step) // schedule.checkpoint_every(step))
        rest = (schedule.steps - step) * speed.step_seconds
        rest += evaluations * evaluation + saves * save
        return self.spent_seconds + rest - self.budget.seconds

    def _replanned(self, step: int, schedule: Schedule, speed: _Speed) -> Revision:
        """Return the revision to the steps that fit into the time left, of which evaluations keep
        their share."""
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
        # Two steps at least: after the first of them, the plan can be revised once more.
        total = step + max(int(steps), int(LEAST_LEFT * budget.seconds / each), 2)
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
            threads=schedule.threads_at(step),
            planned_characters_per_second=self._planned_speed(schedule, speed),
        )
