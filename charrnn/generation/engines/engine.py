"""What everything above asks of an engine.

Legend: B lanes, T time, V vocabulary, H hidden, L layers.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
State = tuple[Any, ...]
"""What an engine carries on: (h,) or (h, c), each (L, B, H), and what it remembers to look things up
in, lanes always the second axis: arrays of its own kind.

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
