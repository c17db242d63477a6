"""Pending: the queue of samples to be made, from which several threads take."""

import threading
from collections.abc import Iterator
from itertools import islice
from typing import Final

from charrnn.generation.request import Sample

_MOST_AHEAD: Final = 1 << 16
"""The number of samples that may be begun after one that has not ended yet."""

PAUSE: Final = 0.02
"""Seconds a thread waits before it checks again whether it may begin samples."""

Numbered = tuple[int, int]  # the position in the output, the sample's index
Result = tuple[int, Sample]  # the position in the output, the sample


class Pending:
    """The queue of samples to be made, from which several threads take.

    It limits the finished samples that wait for one before them: while a very long text is being
    written, no more samples are begun.

    Attributes:
        closed: set when no more samples are wanted.
        given: the number of samples yielded so far.
        exhausted: whether the queue is empty for good.
    """

    def __init__(self, samples: Iterator[Numbered]) -> None:
        self._samples = samples
        self._lock = threading.Lock()
        self._taken = 0
        self.closed = threading.Event()
        self.given = 0
        self.exhausted = False

    def take(self, count: int) -> list[Numbered]:
        """Return the next `count` samples to begin; fewer if there are no more, or too many
        wait."""
        with self._lock:
            wanted = min(count, self.given + _MOST_AHEAD - self._taken)
            taken = list(islice(self._samples, max(wanted, 0)))
            self._taken += len(taken)
            self.exhausted = self.exhausted or len(taken) < wanted
            return taken
