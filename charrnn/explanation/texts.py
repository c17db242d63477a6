"""ReadText: a text as a model reads it, ready to be read in lanes.

A text is one stream, as everywhere. A long one is read in equal lanes side by side, which takes a
fraction of the time; each lane begins with WARM_UP ids that come before it and are not counted, so
that its state is as after the whole beginning of the text (within what a network remembers).

Legend: N characters, M ids (more than N for a byte model), B lanes, T time, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from charrnn.array_types import Float64Array, Int64Array
from charrnn.data.tokenizer import ByteTokenizer, Ids, Tokenizer
from charrnn.engines import Reader, State
from charrnn.engines.engine import Array
from charrnn.generation.draw import check_finite

WARM_UP: Final = 512
LANES: Final = 32
_SHORTEST_LANE: Final = 2048
"""A lane has at least so many ids, or there are fewer lanes."""

LARGEST_OUTPUTS: Final = 1 << 21
"""The most numbers that an engine returns at once."""


@dataclass(frozen=True)
class ReadText:
    """A text and its ids.

    Attributes:
        text: N characters.
        ids: (M,).
        beginning: the id that is read before the first.
        is_bytes: whether ids are bytes of UTF-8, of which a character may have several.
    """

    text: str
    ids: Ids
    beginning: int
    is_bytes: bool

    @classmethod
    def of(cls, text: str, tokenizer: Tokenizer, beginning: int) -> "ReadText":
        """Encode a text. Raises UnknownCharacterError."""
        return cls(text, tokenizer.encode(text), beginning, tokenizer.kind == ByteTokenizer.kind)

    @cached_property
    def inputs(self) -> Int64Array:
        """The ids (M,) that are read before each id."""
        return np.concatenate([[self.beginning], self.ids[:-1].astype(np.int64)])

    @cached_property
    def starts(self) -> Int64Array:
        """The place (N,) of each character's first id."""
        if not self.is_bytes:
            return np.arange(len(self.text), dtype=np.int64)
        sizes = [len(each.encode("utf-8", "surrogateescape")) for each in self.text]
        return np.cumsum([0, *sizes[:-1]], dtype=np.int64)

    @cached_property
    def ends(self) -> Int64Array:
        """The place (N,) of each character's last id."""
        return np.append(self.starts[1:], len(self.ids)) - 1

    def per_character(self, of_ids: Float64Array) -> Float64Array:
        """Return the sums (N,) of numbers (M,) over the ids of each character."""
        return np.add.reduceat(of_ids, self.starts) if self.is_bytes else of_ids

    @property
    def lanes(self) -> int:
        """How many lanes the text is read in."""
        return min(max(len(self.ids) // _SHORTEST_LANE, 1), LANES)


@dataclass(frozen=True)
class Part:
    """Outputs of an engine for some ids of a text.

    Attributes:
        positions: (B, T) the places in the text of the ids that were read, or are predicted.
        valid: (B, T) whether there is such an id; past the text's end, there is none.
        outputs: (B, T, V).
    """

    positions: Int64Array
    valid: np.typing.NDArray[np.bool_]
    outputs: Array


def read_in_lanes(engine: Reader, inputs: Int64Array, lanes: int) -> Iterator[Part]:
    """Read ids (M,), at least one, in lanes; yield the outputs after each.

    Raises ModelError when the model's numbers overflow.
    """
    count = len(inputs)
    length = -(-count // lanes)
    begins = np.arange(lanes, dtype=np.int64) * length
    state = _warm_state(engine, inputs, begins) if lanes > 1 else None
    chunk = max(min(LARGEST_OUTPUTS // (engine.vocabulary_size * lanes), 512), 1)
    for begin in range(0, length, chunk):
        steps = np.arange(begin, min(begin + chunk, length))
        positions = begins[:, None] + steps
        valid = positions < count
        outputs, state = engine.advance(inputs[np.minimum(positions, count - 1)], state)
        check_finite(outputs)
        yield Part(positions, valid, outputs)


def _warm_state(engine: Reader, inputs: Int64Array, begins: Int64Array) -> State:
    """Return the state of lanes that begin at these places, the first of them at 0."""
    length = min(WARM_UP, int(begins[1]))
    before = np.minimum(begins[1:, None] - length + np.arange(length), len(inputs) - 1)
    warm = engine.advance(inputs[before], None)[1]
    return tuple(np.concatenate([np.zeros_like(part[:, :1]), part], axis=1) for part in warm)
