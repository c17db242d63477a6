"""Engine: the interface of engines, and the functions that they share.

Legend: B lanes, T time, V vocabulary, H hidden, L layers.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.errors import ConfigError

Array = npt.NDArray[np.float32]
State = tuple[Any, ...]
"""The state of an engine between characters: (h,) or (h, c), each (L, B, H), and the keys and
values of attention. The arrays are of the engine's own kind, with lanes as the second axis.

A state is a value: an engine never changes one that it has returned, so it can be kept and resumed.
"""

CHARACTERS_AT_ONCE: Final = 512
"""The characters of all lanes together that one layer processes before the next layer runs: enough
that its weights are read from memory seldom."""


class Reader(Protocol):
    """A model that reads texts."""

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Read ids (B, T) after a state (None: before the first character).

        Returns the logits (B, T, V) of the character after each id, and the state after the last;
        for T = 0, the given state. Raises ConfigError for an id outside the vocabulary.
        """
        ...


class Engine(Reader, Protocol):
    """A model that reads and generates."""

    @property
    def precision(self) -> str:
        """The type of weights and states in products, float32 or int8.

        Logits in float32 are within 1e-5 of those of the training network, as far as the latter
        are neither large nor chaotic. Those in int8 differ in the second or third decimal, but are
        the same to the last bit on every machine.
        """
        ...

    @property
    def parallel(self) -> bool:
        """Whether several Lanes may step at the same time, each in a thread of its own."""
        ...

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """Return the state that `advance` returns, without computing logits.

        Memory does not grow with the text. Raises as `advance` does.
        """
        ...

    def lanes(self, count: int) -> "Lanes":
        """Return `count` lanes, each before the first character."""
        ...


class Lanes(Protocol):
    """B streams, the rows of a batch, that advance together by one character a step.

    Unlike a state, lanes are changed in place, so that a step allocates nothing.
    """

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Read one id in each lane (B,). Returns the logits (B, V) of the next characters.

        The logits are the lanes' own memory: the next step overwrites them. Raises ConfigError for
        an id outside the vocabulary, and reads nothing then.
        """
        ...

    def get(self, lane: int) -> State:
        """Return the state of a lane, as a value with B = 1."""
        ...

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        """Set a lane, or several, to a state with B = 1; None is before the first character."""
        ...

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        """Set lane i to the previous state of lane `lanes[i]`, for the first len(lanes) lanes."""
        ...


def id_array(ids: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return ids (B, T) as an array of integers. Raises ConfigError for anything else."""
    array = np.asarray(ids)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ConfigError(
            f"ids of type {array.dtype} in {array.ndim} dimensions: "
            "give whole numbers of shape (lanes, characters)"
        )
    return array


def check_ids(ids: npt.NDArray[Any], symbols: int) -> None:
    """Raise ConfigError unless all ids are in range(symbols)."""
    if ids.size == 0 or ids.view(f"u{ids.itemsize}").max() < symbols:  # negative ids are large
        return
    lowest = int(ids.min())
    wrong = lowest if lowest < 0 else int(ids.max())
    raise ConfigError(f"id {wrong}: the model's ids go from 0 to {symbols - 1}")


def chunks(
    ids: npt.NDArray[Any], lanes: int, *, characters: int | None = None
) -> Iterator[npt.NDArray[Any]]:
    """Cut ids (B, T) along T into chunks of `chunk_length` steps; the last one may be shorter."""
    length = chunk_length(lanes, characters=characters)
    for start in range(0, ids.shape[1], length):
        yield ids[:, start : start + length]


def chunk_length(lanes: int, *, characters: int | None = None) -> int:
    """Return the number of steps, at least one, in which all lanes together read `characters`.

    None stands for CHARACTERS_AT_ONCE.
    """
    characters = CHARACTERS_AT_ONCE if characters is None else characters
    return max(characters // max(lanes, 1), 1)
