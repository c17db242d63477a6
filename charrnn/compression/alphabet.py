"""Alphabets: any bytes as the ids that a model knows, and beside them what it does not know.

A model of bytes, and a memory without a model, read the bytes themselves. A model of characters
reads the characters that it knows. The others, and bytes that are not UTF-8, are left out of the
ids. Beside them stand, for each run of such characters, three parts: how many known characters come
before it, how many bytes the run has, and these bytes. Both numbers are in the bytes of LEB128.

Legend: N characters.
"""

import codecs
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.compression.archive import BLOCK, number_bytes
from charrnn.data.tokenizer import CharTokenizer, Tokenizer, code_points

Ids = npt.NDArray[np.int32]

_UTF_8: Final = "utf-8", "surrogateescape"


class Part(NamedTuple):
    """A part of the content.

    Attributes:
        ids: (N,) what the model knows.
        others: what it does not know, as above.
        size: the bytes of the content.
        characters: its characters, of which a byte that is not UTF-8 is one.
    """

    ids: Ids
    others: bytes
    size: int
    characters: int


class Alphabet(Protocol):
    """A way to write bytes as ids."""

    @property
    def size(self) -> int:
        """How many ids there are."""
        ...

    def part(self, text: str) -> Part:
        """Return the ids of some characters, and what has none."""
        ...

    def content(self, ids: Ids, others: bytes) -> bytes:
        """Return the bytes of a part; the inverse of `part`. Raises ValueError where there is no
        such part."""
        ...


class Bytes:
    """The alphabet of the 256 bytes."""

    size = 256

    def part(self, text: str) -> Part:
        """Return the bytes of some characters."""
        content = text.encode(*_UTF_8)
        ids = np.frombuffer(content, dtype=np.uint8).astype(np.int32)
        return Part(ids, b"", len(content), len(text))

    def content(self, ids: Ids, others: bytes) -> bytes:
        """Return the bytes of a part."""
        if others:
            raise ValueError("bytes beside all bytes")
        return ids.astype(np.uint8).tobytes()


class Characters:
    """The alphabet of a model's characters."""

    def __init__(self, tokenizer: CharTokenizer) -> None:
        self._tokenizer = tokenizer
        points = code_points("".join(tokenizer.characters))
        self._table = np.full(int(points.max()) + 2, -1, dtype=np.int32)
        self._table[points] = np.arange(len(points), dtype=np.int32)

    @property
    def size(self) -> int:
        """How many characters the model knows."""
        return self._tokenizer.vocabulary_size

    def part(self, text: str) -> Part:
        """Return the ids of some characters, and the characters that have none."""
        ids = np.take(self._table, code_points(text), mode="clip")
        known = ids >= 0
        size = len(text.encode(*_UTF_8))
        if known.all():
            return Part(ids, b"", size, len(text))
        others, end = bytearray(), 0
        edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]])))
        for begin, after in edges.reshape(-1, 2).tolist():
            run = text[begin:after].encode(*_UTF_8)
            others += number_bytes(begin - end) + number_bytes(len(run)) + run
            end = after
        return Part(ids[known], bytes(others), size, len(text))

    def content(self, ids: Ids, others: bytes) -> bytes:
        """Return the bytes of a part."""
        if ids.size and int(ids.max()) >= self.size:
            raise ValueError("an id that no character has")
        found, place, begin = [], 0, 0
        while place < len(others):
            gap, place = _number(others, place)
            size, place = _number(others, place)
            if gap > len(ids) - begin or size > len(others) - place:
                raise ValueError("characters beyond the end")
            found += [self._known(ids[begin : begin + gap]), others[place : place + size]]
            begin, place = begin + gap, place + size
        return b"".join([*found, self._known(ids[begin:])])

    def _known(self, ids: Ids) -> bytes:
        return self._tokenizer.decode(ids).encode()


def alphabet_of(tokenizer: Tokenizer | None) -> Alphabet:
    """Return the alphabet of a model; None is that of no model."""
    return Characters(tokenizer) if isinstance(tokenizer, CharTokenizer) else Bytes()


def parts(alphabet: Alphabet, content: Iterator[bytes]) -> Iterator[Part]:
    """Yield the parts of some content, none of them empty, that comes in pieces of any size."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for block in _blocks(content):
        if text := decoder.decode(block):
            yield alphabet.part(text)
    if text := decoder.decode(b"", final=True):
        yield alphabet.part(text)


def _blocks(content: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same content in pieces of BLOCK bytes; the last one may be shorter."""
    waiting = bytearray()
    for piece in content:
        for begin in range(0, len(piece), BLOCK):
            waiting += piece[begin : begin + BLOCK]
            if len(waiting) >= BLOCK:
                yield bytes(waiting[:BLOCK])
                del waiting[:BLOCK]
    if waiting:
        yield bytes(waiting)


def _number(content: bytes, place: int) -> tuple[int, int]:
    """Return the whole number at a place, and the place behind it. Raises ValueError."""
    value = shift = 0
    while True:
        if place >= len(content) or shift > 28:
            raise ValueError("a number without an end")
        byte = content[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
