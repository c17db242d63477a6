"""What everything above asks of an engine.

Legend: B lanes, T time, V vocabulary, H hidden, L layers.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.errors import ConfigError

Array = npt.NDArray[np.float32]
State = tuple[Any, ...]
"""What an engine carries on: (h,) or (h, c), each (L, B, H), and what it remembers to look things
up
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

        Gives the logits (B, T, V) of the character after each, and the state after the last. Of no
        characters that is the state before them. Raises ConfigError for an id that is none of the
        model's.
        """
        ...


class Engine(Reader, Protocol):
    """A model that reads and writes."""

    @property
    def parallel(self) -> bool:
        """Whether several lanes may step at the same time, each in a thread of its own."""
        ...

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """The state that `advance` gives, without the logits: of a text of any length, it takes no
        more memory than of a short one. Raises as that does."""
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

        The logits are the lanes' own memory: the next step overwrites them. Raises ConfigError, and
        reads nothing, for an id that is none of the model's.
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
        """Makes lane i what lane `lanes[i]` was: all (B,) of them, or the first so many."""
        ...


def id_array(ids: npt.ArrayLike) -> npt.NDArray[Any]:
    """Ids (B, T) as an array of whole numbers. Raises ConfigError for anything else."""
    array = np.asarray(ids)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ConfigError(
            f"ids of the type {array.dtype} in {array.ndim} dimensions: "
            "an engine reads whole numbers (lanes, characters)"
        )
    return array


def check_ids(ids: npt.NDArray[Any], symbols: int) -> None:
    """Raises ConfigError unless all of the ids are the model's."""
    if ids.size == 0 or ids.view(f"u{ids.itemsize}").max() < symbols:  # below 0 is large there
        return
    lowest = int(ids.min())
    wrong = lowest if lowest < 0 else int(ids.max())
    raise ConfigError(f"id {wrong}: the model's ids go from 0 to {symbols - 1}")
