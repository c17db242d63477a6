"""Standard input, as bytes."""

import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from charrnn.errors import CorpusError

NAME: Final = "standard input"

_CHUNK_BYTES: Final = 1 << 20

_ARRIVED_BYTES: Final = 1 << 16
"""The most bytes that a pipe of Linux holds."""


def read_standard_input() -> bytes:
    """Read all of standard input. Raises CorpusError where it is closed or cannot be read."""
    return b"".join(standard_input_chunks())


def standard_input_chunks() -> Iterator[bytes]:
    """Yield standard input in chunks. Raises CorpusError where it is closed or cannot be read."""
    return _each(lambda stream: stream.read(_CHUNK_BYTES))


def standard_input_arrivals() -> Iterator[bytes]:
    """Yield standard input in chunks, each as soon as something arrives: what a pipe has at the
    moment. Raises CorpusError where it is closed or cannot be read."""
    return _each(lambda stream: stream.read1(_ARRIVED_BYTES))  # type: ignore[attr-defined]


def standard_input_lines() -> Iterator[bytes]:
    """Yield the lines of standard input, each as soon as it arrives. Raises CorpusError where it is
    closed or cannot be read."""
    return _each(lambda stream: stream.readline())


def _each(read: Callable[[BinaryIO], bytes | None]) -> Iterator[bytes]:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise CorpusError(f"{NAME} is closed; name a file, or pipe text in")
    while True:
        try:
            chunk = read(stream)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CorpusError(f"{NAME}: {reason}; name a file, or pipe text in") from error
        if chunk is None:
            raise CorpusError(f"{NAME} does not wait for text (it is non-blocking); name a file")
        if not chunk:
            return
        yield chunk
