"""KeptStates: states of the model along a text, to return to without reading the text again."""

from collections.abc import Iterator
from typing import Final

from charrnn.engines import State

RECENT: Final = 4096
"""The number of ids at the end of a text whose states are all kept, unless states are large."""

SPACING: Final = 64
"""The distance in ids between earlier states: returning to an id there reads 63 ids at most. It is
doubled, again and again, for very long texts and large states."""

KEPT_BYTES: Final = 128 << 20
"""The memory limit for the states at the end, and again for the earlier ones."""


class KeptStates:
    """States of a model along a text, by the number of ids before each. Iterating yields these
    numbers."""

    def __init__(self) -> None:
        self._states: dict[int, State] = {}
        self._thinned = 0  # before this number of ids, only every `_spacing`-th state is kept
        self._spacing = SPACING

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[int]:
        return iter(self._states)

    def nearest(self, length: int) -> tuple[int, State | None]:
        """Return the last kept state after at most `length` ids, and the number of ids before it.

        The state after 0 ids is None.
        """
        while length and length not in self._states:
            length -= 1
        return length, self._states.get(length)

    def keep(self, length: int, state: State) -> None:
        """Keep the state at the end of a text of `length` ids, and drop states that are not
        kept."""
        self._states[length] = state
        size = sum(getattr(part, "nbytes", 0) for part in state)  # arrays of the engine's own kind
        most = max(KEPT_BYTES // max(size, 1), 1)
        recent = min(RECENT, most)
        while self._thinned < length - recent:
            if self._thinned % self._spacing:
                self._states.pop(self._thinned, None)
            self._thinned += 1
        while len(self._states) > recent + most and self._spacing < length:
            self._spacing *= 2
            for after in [each for each in self._states if each < self._thinned]:
                if after % self._spacing:
                    del self._states[after]

    def truncate(self, length: int, end: int) -> None:
        """Drop the states after more than `length` ids of a text of `end` ids."""
        for after in range(length + 1, end + 2):
            self._states.pop(after, None)
        self._thinned = min(self._thinned, length)


def blocks(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a range of ids, each of which ends where a state is to be kept."""
    while begin < end:
        stop = min(begin - begin % SPACING + SPACING, end)
        yield begin, stop
        begin = stop
