"""The format of an archive (.crnn), and how it is read when it may come from anyone.

    archive = magic, version, flags, [model], [training text], CRC-32, block, ..., end
    block   = ids, others, size, CRC-32, code
    end     = 0, 0, content

The magic has four bytes, version and flags one each. `model` and `content` are the first 16 bytes
of a SHA-256: of the model, and of the whole file that was compressed. `training text` is the first
8 bytes of the SHA-256 of the ids that the memory had learned before. CRC-32 has four bytes, the
lowest first; the first one is of all bytes before it, that of a block of the block's numbers and
code. `ids`, `others` and `size` are whole numbers in the bytes of LEB128, seven bits each, the
lowest first: the ids in the block, the bytes of characters that the model does not know (see
alphabet.py), and the bytes of the code, which holds both.

Nothing says how long the whole is: it is written and read in one go, and through pipes. A number is
checked before memory is taken for it, and a code before it is decoded.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from charrnn.errors import CorpusError

MAGIC: Final = b"\xc7RNN"
VERSION: Final = 1
"""The version of the format, and of the memory's numbers."""

BLOCK: Final = 1 << 18
"""The bytes of the content that make a block."""

MODEL_DIGEST: Final = 16
TEXT_DIGEST: Final = 8
CONTENT_DIGEST: Final = 16

_HAS_MODEL: Final = 1
_HAS_TEXT: Final = 2

MOST_IDS: Final = BLOCK + 4
"""The most ids in a block: up to three bytes before it may have been the beginning of a
character."""

MOST_OTHERS: Final = 4 * BLOCK
"""The most bytes of a block's unknown characters, with their places."""

_MOST_DECISIONS: Final = 18
"""The most decisions of an id, in the largest vocabulary."""

_BYTES_OF_A_DECISION: Final = 3

_PART: Final = 1 << 20
"""The most bytes that are read at once: an archive that ends early takes no more memory."""


class Source(Protocol):
    """A binary file or pipe that is read."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        ...


class Block(NamedTuple):
    """A part of the content, compressed."""

    ids: int
    others: int
    code: bytes


@dataclass(frozen=True)
class Header:
    """What an archive was made with.

    Attributes:
        model: the first bytes of the SHA-256 of the model; None without a model.
        text: the first bytes of the SHA-256 of the ids that the memory had learned; None for none.
    """

    model: bytes | None = None
    text: bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the beginning of an archive."""
        flags = _HAS_MODEL * (self.model is not None) | _HAS_TEXT * (self.text is not None)
        fields = MAGIC + bytes([VERSION, flags]) + (self.model or b"") + (self.text or b"")
        return fields + _checksum(fields)


def block_bytes(block: Block) -> bytes:
    """Return a block of an archive."""
    numbers = b"".join(map(number_bytes, (block.ids, block.others, len(block.code))))
    return numbers + _checksum(numbers, block.code) + block.code


def end_bytes(content: bytes) -> bytes:
    """Return the end of an archive, given the SHA-256 of the content."""
    return number_bytes(0) * 2 + content[:CONTENT_DIGEST]


class ArchiveReader:
    """A reader of an archive that may come from anyone.

    Args:
        source: the file or pipe, at its beginning.
        name: its name, for messages.

    Attributes:
        name: the same.
        header: what the archive was made with.
        read: how many bytes were read.
        content: the first bytes of the SHA-256 of the content, once all blocks are read.

    Raises CorpusError for what is no archive, as all methods do for one that is damaged.
    """

    def __init__(self, source: Source, name: str) -> None:
        self._source, self.name = source, name
        self.read = 0
        self.content = b""
        self.header = self._read_header()

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in order, each as soon as its checksum is right."""
        while True:
            ids, first = self._number(MOST_IDS)
            others, second = self._number(MOST_OTHERS)
            if ids == others == 0:
                break
            largest = (ids * _MOST_DECISIONS + others * 8) * _BYTES_OF_A_DECISION + 8
            size, third = self._number(largest)
            checksum = self._exactly(4)
            code = self._exactly(size)
            if checksum != _checksum(first, second, third, code):
                raise self.damaged("a checksum is wrong")
            yield Block(ids, others, code)
        self.content = self._exactly(CONTENT_DIGEST)
        if self._source.read(1):
            raise self.damaged("something follows its end")

    def damaged(self, why: str) -> CorpusError:
        """Return the error for an archive that is not as it was written."""
        return CorpusError(f"{self.name}: damaged, or not whole: {why}")

    def _read_header(self) -> Header:
        beginning = self._some(len(MAGIC) + 2)
        if beginning[: len(MAGIC)] != MAGIC:
            raise CorpusError(f"{self.name}: it is not an archive of charrnn compress")
        if len(beginning) < len(MAGIC) + 2:
            raise self.damaged("it ends too early")
        version, flags = beginning[len(MAGIC) :]
        if version != VERSION:
            raise CorpusError(
                f"{self.name}: an archive of version {version}, of which this charrnn knows "
                f"{VERSION}; use the charrnn that wrote it"
            )
        if flags not in (0, _HAS_MODEL, _HAS_MODEL | _HAS_TEXT):
            raise self.damaged("its header is wrong")
        model = self._exactly(MODEL_DIGEST) if flags & _HAS_MODEL else None
        text = self._exactly(TEXT_DIGEST) if flags & _HAS_TEXT else None
        if self._exactly(4) != _checksum(beginning, model or b"", text or b""):
            raise self.damaged("the checksum of its header is wrong")
        return Header(model, text)

    def _number(self, largest: int) -> tuple[int, bytes]:
        """Return a whole number up to `largest`, and its bytes."""
        value, read = 0, b""
        while True:
            byte = self._exactly(1)
            value |= (byte[0] & 127) << 7 * len(read)
            read += byte
            if value > largest or len(read) > 5:
                raise self.damaged("a size in it is too large")
            if byte[0] < 128:
                break
        if len(read) > 1 and read[-1] == 0:
            raise self.damaged("a size in it has too many digits")
        return value, read

    def _exactly(self, size: int) -> bytes:
        found = self._some(size)
        if len(found) < size:
            raise self.damaged("it ends too early")
        return found

    def _some(self, size: int) -> bytes:
        """Return the next bytes, fewer only at the end."""
        found = bytearray()
        while len(found) < size and (part := self._source.read(min(size - len(found), _PART))):
            found += part
        self.read += len(found)
        return bytes(found)


def number_bytes(value: int) -> bytes:
    """Return a whole number in the bytes of LEB128."""
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def _checksum(*parts: bytes) -> bytes:
    """Return the CRC-32 of parts that follow each other."""
    value = 0
    for each in parts:
        value = zlib.crc32(each, value)
    return value.to_bytes(4, "little")
