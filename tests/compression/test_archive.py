"""The format: what is written is read, and what is not so written is refused early."""

import io
import tracemalloc

import pytest

from charrnn.compression.archive import (
    BLOCK,
    MAGIC,
    MOST_IDS,
    MOST_OTHERS,
    ArchiveReader,
    Block,
    Header,
    block_bytes,
    end_bytes,
    number_bytes,
)
from charrnn.errors import CorpusError

BLOCKS = [Block(5, 0, b"abc"), Block(0, 7, b""), Block(MOST_IDS, MOST_OTHERS, bytes(1000))]
CONTENT = bytes(range(32))
HEADERS = [Header(), Header(bytes(16)), Header(bytes(16), bytes(8))]


def archive(header: Header = HEADERS[0]) -> bytes:
    return header.to_bytes() + b"".join(map(block_bytes, BLOCKS)) + end_bytes(CONTENT)


def read(content: bytes) -> tuple[Header, list[Block], bytes]:
    reader = ArchiveReader(io.BytesIO(content), "name")
    blocks = list(reader.blocks())
    assert reader.read == len(content)
    return reader.header, blocks, reader.content


@pytest.mark.parametrize("header", HEADERS)
def test_what_is_written_is_read(header: Header) -> None:
    assert read(archive(header)) == (header, BLOCKS, CONTENT[:16])


def test_a_pipe_gives_less_than_is_asked_for() -> None:
    class Pipe(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 1))

    assert list(ArchiveReader(Pipe(archive()), "name").blocks()) == BLOCKS


@pytest.mark.parametrize("content", [b"", b"a text", MAGIC[:3], b"\x1f\x8b\x08" + bytes(30)])
def test_what_is_no_archive(content: bytes) -> None:
    with pytest.raises(CorpusError, match="name: it is not an archive of charrnn compress"):
        ArchiveReader(io.BytesIO(content), "name")


def test_an_archive_of_another_version() -> None:
    content = bytearray(archive())
    content[len(MAGIC)] = 2
    with pytest.raises(CorpusError, match="of version 2"):
        read(bytes(content))


@pytest.mark.parametrize("header", HEADERS)
def test_every_beginning_and_every_changed_bit_is_refused(header: Header) -> None:
    whole = archive(header)
    for end in range(len(whole)):
        with pytest.raises(CorpusError):
            read(whole[:end])
    accepted = []
    for place in range(8 * len(whole)):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        try:
            read(bytes(content))
        except CorpusError:
            continue
        accepted.append(place // 8)
    # Of the last 16 bytes, the SHA-256 of the content, only who decompresses knows.
    assert set(accepted) == set(range(len(whole) - 16, len(whole)))
    with pytest.raises(CorpusError, match="something follows its end"):
        read(whole + b"\0")


def sized(*numbers: int) -> bytes:
    return Header().to_bytes() + b"".join(map(number_bytes, numbers))


@pytest.mark.parametrize(
    "content",
    [
        sized(1 << 60),
        sized(MOST_IDS + 1),
        sized(1, 1 << 60),
        sized(1, MOST_OTHERS + 1),
        sized(1, 0, 1 << 60),
        sized(1, 0, 1000),
        Header().to_bytes() + b"\xff" * 1000,
        Header().to_bytes() + b"\x81\x00\x00\x01",
    ],
)
def test_a_size_that_cannot_be_is_refused(content: bytes) -> None:
    with pytest.raises(CorpusError, match="a size in it"):
        read(content)


def test_a_size_takes_no_memory_until_its_bytes_are_there() -> None:
    content = sized(BLOCK, MOST_OTHERS, 8 * BLOCK) + bytes(100)
    tracemalloc.start()
    try:
        with pytest.raises(CorpusError, match="it ends too early"):
            read(content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
