"""ArrayLanes: what Lanes whose states are NumPy arrays have in common.

Legend: B lanes, H hidden, L layers.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from charrnn.engines.attention import AttentionLanes
from charrnn.engines.engine import Array, State


class ArrayLanes:
    """Lanes whose states are NumPy arrays.

    Args:
        states: h, or h and c, each (L, B or more, H or more): filled up with zeros.
        hidden_size: H.
        memory: what is looked up; None for nothing.
    """

    def __init__(
        self, states: tuple[Array, ...], hidden_size: int, memory: AttentionLanes | None
    ) -> None:
        self._states, self._memory = states, memory
        self._hidden_size = hidden_size

    @property
    def attended(self) -> Array | None:
        """(B, W): how much of each of the last W states the last step looked up, the oldest first,
        the newest being its own. The lanes' own memory; None of a network without attention."""
        return self._memory.attended if self._memory is not None else None

    def get(self, lane: int) -> State:
        """The state of a lane, as a value."""
        return self._get(slice(lane, lane + 1))

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        """Goes on in a lane, or in several, from a state."""
        self._put(np.atleast_1d(np.asarray(lane, dtype=np.intp)), state)

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        """Makes lane i what lane `lanes[i]` was."""
        for part in self._states:
            part[:, : len(lanes)] = part[:, lanes]
        if self._memory is not None:
            self._memory.take(lanes)

    def _get(self, lanes: slice) -> State:
        size = self._hidden_size
        parts = tuple(part[:, lanes, :size].copy() for part in self._states)
        return parts if self._memory is None else (*parts, *self._memory.get(lanes))

    def _put(self, places: npt.NDArray[np.intp] | slice, state: State | None) -> None:
        for number, part in enumerate(self._states):
            part[:, places, : self._hidden_size] = 0 if state is None else state[number]
        if self._memory is not None:
            self._memory.put(places, None if state is None else state[len(self._states) :])
