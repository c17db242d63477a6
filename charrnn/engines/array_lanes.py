"""ArrayLanes: the base class of Lanes whose states are NumPy arrays.

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
        states: h, or h and c, each (L, B or more, H or more), padded with zeros.
        hidden_size: H.
        memory: the keys and values of attention; None without attention.
    """

    def __init__(
        self, states: tuple[Array, ...], hidden_size: int, memory: AttentionLanes | None
    ) -> None:
        self._states, self._memory = states, memory
        self._hidden_size = hidden_size

    @property
    def attended(self) -> Array | None:
        """The attention weights (B, W) of the last step, from the oldest of W states to the newest.

        The array is the lanes' own memory. None for a network without attention.
        """
        return self._memory.attended if self._memory is not None else None

    def get(self, lane: int) -> State:
        """Return the state of a lane, as a value."""
        return self._get(slice(lane, lane + 1))

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        """Set a lane, or several, to a state; see Lanes."""
        self._put(np.atleast_1d(np.asarray(lane, dtype=np.intp)), state)

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        """Set lane i to the previous state of lane `lanes[i]`."""
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
