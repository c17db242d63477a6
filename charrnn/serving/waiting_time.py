"""WaitingTime: how long it takes until there is room for more texts."""

import time
from collections import deque
from typing import Final

_REMEMBERED: Final = 128
"""The number of ends of texts from which their rate is computed."""

_SHORTEST: Final = 0.1
_LONGEST: Final = 60.0
_UNKNOWN: Final = 1.0
"""Seconds: the least, the most, and what is said before two texts have ended."""


class WaitingTime:
    """The rate at which texts end, and what follows for those that wait."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=_REMEMBERED)

    def ended(self) -> None:
        """Take account of a text that has ended."""
        self._ends.append(time.monotonic())

    def until_ended(self, count: int) -> float:
        """Return the seconds until `count` more texts have ended, if they end as often as the last
        ones: from 0.1 to 60."""
        if len(self._ends) < 2:
            return _UNKNOWN
        seconds = max(time.monotonic() - self._ends[0], 1e-6) / len(self._ends)
        return min(max(count * seconds, _SHORTEST), _LONGEST)
