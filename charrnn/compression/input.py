"""Input: a file or pipe that is compressed or decompressed."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from charrnn.data.standard_input import NAME
from charrnn.errors import CorpusError

_PIECE: Final = 1 << 16


class Input:
    """A file or pipe that is read. All methods raise CorpusError where that fails.

    Args:
        file: the file.
        name: its name, for messages.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self.name = file, name

    @classmethod
    def at(cls, path: str | Path) -> "Input":
        """Open a file; - is standard input."""
        if str(path) == "-":
            if sys.stdin is None:
                raise CorpusError(f"{NAME} is closed; name a file")
            return cls(sys.stdin.buffer, NAME)
        try:
            return cls(open(path, "rb"), str(path))
        except (OSError, ValueError) as error:
            raise _unreadable(str(path), error) from error

    @property
    def size(self) -> int | None:
        """The size of a file in bytes; None for a pipe or device."""
        try:
            status = os.fstat(self._file.fileno())
        except OSError:  # bytes in memory
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        try:
            found: bytes | None = self._file.read(size)
        except (OSError, ValueError) as error:
            raise _unreadable(self.name, error) from error
        if found is None:
            raise CorpusError(
                f"{self.name} does not wait for data (it is non-blocking); name a file"
            )
        return found

    def pieces(self) -> Iterator[bytes]:
        """Yield all that follows, in pieces."""
        while piece := self.read(_PIECE):
            yield piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _unreadable(name: str, error: Exception) -> CorpusError:
    return CorpusError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}")
