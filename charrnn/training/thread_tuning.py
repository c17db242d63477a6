"""ThreadTuner: changes the number of threads of a training when other programs need the cores.

Threads wait for each other many times in a step. Where another program keeps one of them from
running, all of them wait, and one thread alone is often faster than two. Whether it is depends on
what else runs, so it is tried now and then, and at once when steps become slower: a trial takes
part of a window, and the faster number is kept. The neighbour may have been there when the plan was
made, so that a plan's speed is no proof that the machine is free.
"""

from collections import deque
from typing import Final

SLOW: Final = 1.25
"""A step is slow when it takes so many times as long as the fastest before on as many threads."""

SLOW_WINDOWS: Final = 2
"""Slow windows in a row before another number is tried at once."""

FASTER: Final = 0.9
"""Another number of threads is kept when a step takes less than this share of the time before."""

PATIENCE: Final = 4
LONGEST_PATIENCE: Final = 64
"""Windows from one trial to the next; twice as many after each trial without success."""


class ThreadTuner:
    """Decides on how many threads a training goes on, window by window.

    Args:
        threads: the number of threads as planned.
        most: the most threads; with 1, nothing is tried.
        step_seconds: how long a step was planned to take.

    Attributes:
        threads: the current number.
        in_trial: whether this number is being tried.
    """

    def __init__(self, threads: int, most: int, step_seconds: float) -> None:
        self.threads, self._most = threads, most
        self._fastest = step_seconds  # of a step on this number of threads
        self._recent: deque[float] = deque(maxlen=SLOW_WINDOWS)
        self._before: int | None = None  # the number before the trial
        self._wait, self._patience = PATIENCE, PATIENCE

    @property
    def in_trial(self) -> bool:
        return self._before is not None

    def after_window(self, step_seconds: float) -> int:
        """Return the number of threads for the next window.

        Args:
            step_seconds: how long a step took in the last window, or in the trial.
        """
        if self._most == 1:
            return self.threads
        if self._before is not None:
            return self._end_trial(self._before, step_seconds)
        self._recent.append(step_seconds)
        self._wait -= 1
        self._fastest = min(self._fastest, step_seconds)
        if self._wait <= 0 or self._is_slow():
            fewer, more = max(1, self.threads // 2), min(self._most, self.threads * 2)
            return self._begin_trial(fewer if self.threads == self._most else more)
        return self.threads

    def _is_slow(self) -> bool:
        enough = len(self._recent) == SLOW_WINDOWS and self.threads == self._most
        return enough and min(self._recent) > SLOW * self._fastest

    def _begin_trial(self, threads: int) -> int:
        self._before, self.threads = self.threads, threads
        return threads

    def _end_trial(self, before: int, step_seconds: float) -> int:
        self._before = None
        usual = sum(self._recent) / len(self._recent)
        if step_seconds < FASTER * usual:
            self._patience = PATIENCE
            self._recent.clear()
            self._recent.append(step_seconds)
            self._fastest = step_seconds
        else:
            self.threads = before
            self._patience = min(2 * self._patience, LONGEST_PATIENCE)
            self._fastest = usual  # as long as it stays so slow, that is no reason for a trial
        self._wait = self._patience
        return self.threads
