"""KeptStates: states of the model along a text, to go back to without reading it again."""

from collections.abc import Iterator
from typing import Final

from charrnn.engines import State

RECENT: Final = 4096
"""Of so many ids at the end, every state is kept, unless states are large."""

SPACING: Final = 64
"""Before those, the state after every so many: going back there reads 63 again at most. Of a very
long text, or where states are large, after every so many times 2, 4, 8, ..."""

KEPT_BYTES: Final = 128 << 20
"""What the states at the end may take, and those before them."""


class KeptStates:
    """States of a model along a text, each by the number of ids before it; iterating gives these
    numbers."""

    def __init__(self) -> None:
        self._states: dict[int, State] = {}
        self._thinned = 0  # up to so many ids, only every `_spacing`-th state is kept
        self._spacing = SPACING

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[int]:
        return iter(self._states)

    def nearest(self, length: int) -> tuple[int, State | None]:
        """The last state after so many ids at most, and after how many it is; after 0, None."""
        while length and length not in self._states:
            length -= 1
        return length, self._states.get(length)

    def keep(self, length: int, state: State) -> None:
        """Keeps the state after so many ids, which is the end of the text, and drops others."""
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
        """Drops the states after more ids than `length`, of a text of `end` ids."""
        for after in range(length + 1, end + 2):
            self._states.pop(after, None)
        self._thinned = min(self._thinned, length)
