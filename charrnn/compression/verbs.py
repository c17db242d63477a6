"""Compressing and decompressing in memory, and reading what an archive needs."""

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from charrnn.compression import files
from charrnn.compression.predictor import Known, read_known
from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.errors import CharRNNWarning, CorpusError
from charrnn.storage.model_directory import Model


_PIECE: Final = 1 << 16


def compress(
    model: str | Path | Model | None, content: bytes | str | Path, *, training_text: bool = True
) -> bytes:
    """Return the archive of some content; see `charrnn.compress`."""
    known = find_for_compressing(model, training_text=training_text)
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogateescape")
    with contextlib.closing(_input_of(content)) as file:
        return b"".join(files.compress(file.pieces(), known))


def decompress(model: str | Path | Model | None, archive: bytes | Path) -> bytes:
    """Return the content of an archive; see `charrnn.decompress`."""
    with contextlib.closing(_input_of(archive)) as file:
        found = files.decompress(
            file, file.name, lambda needed: read_known(model, training_text=needed)
        )
        return b"".join(found)


def find_for_compressing(
    model: str | Path | Model | None,
    *,
    training_text: bool = True,
    progress: ReadingProgress = no_progress,
) -> Known:
    """Read a model, and its training text where that is possible; warn where it should be possible
    and is not.

    `progress` is called while the text is read, see ReadingProgress. Raises ModelError.
    """
    known = read_known(model, training_text=training_text, progress=progress)
    if known.problem and not isinstance(model, Model):
        warnings.warn(
            f"the training text does not help, as it cannot be read: {known.problem}",
            CharRNNWarning,
            stacklevel=2,
        )
    return known


class Input:
    """A file or pipe that is read. All methods raise CorpusError where that fails.

    Args:
        file: the file.
        name: its name, for messages.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self.name = file, name

    @classmethod
    def at(cls, path: Path) -> "Input":
        """Open a file."""
        try:
            return cls(open(path, "rb"), str(path))
        except OSError as error:
            raise _unreadable(str(path), error) from error

    @property
    def size(self) -> int | None:
        """The size of a file in bytes; None for a pipe or device."""
        status = os.fstat(self._file.fileno())
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        try:
            return self._file.read(size)
        except OSError as error:
            raise _unreadable(self.name, error) from error

    def pieces(self) -> Iterator[bytes]:
        """Yield all that follows, in pieces."""
        while piece := self.read(_PIECE):
            yield piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _input_of(content: bytes | Path) -> Input:
    """Open the file at a path, or bytes as a file. Raises CorpusError."""
    if isinstance(content, Path):
        return Input.at(content)
    return Input(io.BytesIO(content), "the archive")


def _unreadable(name: str, error: OSError) -> CorpusError:
    return CorpusError(f"{name}: cannot be read: {error.strerror or error}")
