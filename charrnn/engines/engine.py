"""Engine: the interface that sampling and scoring run on, and what its implementations share.

Legend: B lanes, T time, V vocabulary, H hidden, L layers.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.errors import ConfigError

Array = npt.NDArray[np.float32]
State = tuple[Any, ...]
"""What an engine carries from character to character: (h,) or (h, c), each (L, B, H), and what
attention remembers; arrays of the engine's own kind, lanes always the second axis.

A state is a value: no engine changes one that it has returned, so any can be kept and resumed from.
"""

CHARACTERS_AT_ONCE: Final = 512
"""Characters, of all lanes together, that pass through one layer before any passes through the
next: enough that weights are read seldom."""


class Reader(Protocol):
    """A model that reads texts."""

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Reads ids (B, T) after a state (None: before the first character).

        Returns the logits (B, T, V) of the character after each, and the state after the last;
        after no characters, the state before them. Raises ConfigError for an id outside the
        model's.
        """
        ...


class Engine(Reader, Protocol):
    """A model that reads and writes."""

    @property
    def parallel(self) -> bool:
        """Whether several Lanes may step at the same time, each in a thread of its own."""
        ...

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """Returns the state that `advance` returns, without the logits, in memory that does not
        grow with the text. Raises the same."""
        ...

    def lanes(self, count: int) -> "Lanes":
        """Returns `count` lanes, each before the first character."""
        ...


class Lanes(Protocol):
    """B streams, the rows of a batch, that all advance by one character with every step.

    Unlike a state, lanes are changed in place, so that a step allocates nothing.
    """

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Reads one id in each lane (B,); returns the logits (B, V) of the character after it.

        The logits are the lanes' own memory: the next step overwrites them. Raises ConfigError, and
        reads nothing, for an id outside the model's.
        """
        ...

    def get(self, lane: int) -> State:
        """Returns the state of a lane, as a value with B = 1."""
        ...

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        """Sets a lane, or several, to a state with B = 1; None is before the first character."""
        ...

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        """Sets lane i to the state that lane `lanes[i]` had, for all B lanes or the first of
        them."""
        ...


def id_array(ids: npt.ArrayLike) -> npt.NDArray[Any]:
    """Returns ids (B, T) as an array of integers. Raises ConfigError for anything else."""
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
    """Raises ConfigError unless all ids are in range(symbols)."""
    if ids.size == 0 or ids.view(f"u{ids.itemsize}").max() < symbols:  # negative ids are large
        return
    lowest = int(ids.min())
    wrong = lowest if lowest < 0 else int(ids.max())
    raise ConfigError(f"id {wrong}: the model's ids go from 0 to {symbols - 1}")


def chunks(
    ids: npt.NDArray[Any], lanes: int, *, characters: int | None = None
) -> Iterator[npt.NDArray[Any]]:
    """Cuts ids (B, T) along T into chunks of `chunk_length` steps; the last one may be shorter."""
    length = chunk_length(lanes, characters=characters)
    for start in range(0, ids.shape[1], length):
        yield ids[:, start : start + length]


def chunk_length(lanes: int, *, characters: int | None = None) -> int:
    """The steps, at least one, in which that many lanes together read so many characters;
    CHARACTERS_AT_ONCE where None is given."""
    characters = CHARACTERS_AT_ONCE if characters is None else characters
    return max(characters // max(lanes, 1), 1)
