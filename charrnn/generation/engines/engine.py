"""What everything above asks of an engine.

Legend: B lanes, T time, V vocabulary, H hidden, L layers.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
State = tuple[Any, ...]
"""What an engine carries on, (h,) or (h, c), each (L, B, H): arrays of its own kind.

A state is a value: no engine changes one that it has given, so any can be kept and gone back to.
"""


class Reader(Protocol):
    """A model that reads."""

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Reads ids (B, T) after a state (None: before the first character).

        Gives the logits (B, T, V) of the character after each, and the state after the last.
        """
        ...


class Engine(Reader, Protocol):
    """A model that reads and writes."""

    @property
    def parallel(self) -> bool:
        """Whether several lanes may step at the same time, each in a thread of its own."""
        ...

    def lanes(self, count: int) -> "Lanes":
        """So many lanes, each before the first character."""
        ...


class Lanes(Protocol):
    """B streams side by side, all a character further with every step.

    The opposite of a state: it is changed in place, so that a step allocates nothing.
    """

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Reads one id in each lane (B,); gives the logits (B, V) of the character after it.

        The logits are the lanes' own memory: the next step overwrites them.
        """
        ...

    def get(self, lane: int) -> State:
        """The state of a lane, as a value with B = 1."""
        ...

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        """Goes on in a lane, or in several, from a state with B = 1; None is before the first
        character."""
        ...

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        """Makes lane i what lane `lanes[i]` was, for all (B,) of them."""
        ...


class ArrayLanes:
    """What Lanes whose states are NumPy arrays have in common.

    Args:
        states: h, or h and c, each (L, B or more, H or more): filled up with zeros.
        hidden_size: H.
    """

    def __init__(self, states: tuple[Array, ...], hidden_size: int) -> None:
        self._states = states
        self._hidden_size = hidden_size

    def get(self, lane: int) -> State:
        """The state of a lane, as a value."""
        size = self._hidden_size
        return tuple(part[:, lane : lane + 1, :size].copy() for part in self._states)

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        """Goes on in a lane, or in several, from a state."""
        places = np.atleast_1d(np.asarray(lane, dtype=np.intp))
        for number, part in enumerate(self._states):
            part[:, places, : self._hidden_size] = 0 if state is None else state[number]

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        """Makes lane i what lane `lanes[i]` was."""
        for part in self._states:
            part[:, : len(lanes)] = part[:, lanes]
