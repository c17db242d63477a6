"""Compressing and decompressing in memory, and reading what an archive needs."""

import contextlib
import io
import warnings
from pathlib import Path

from charrnn.compression import files
from charrnn.compression.archive import ArchiveReader
from charrnn.compression.input import Input
from charrnn.compression.predictor import Known, read_known
from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.errors import CharRNNWarning
from charrnn.storage.model_directory import Model


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
        reader = ArchiveReader(file, file.name)
        known = read_known(model, training_text=reader.header.text is not None)
        return b"".join(files.decompress(reader, known))


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


def _input_of(content: bytes | Path) -> Input:
    """Open the file at a path, or bytes as a file. Raises CorpusError."""
    if isinstance(content, Path):
        return Input.at(content)
    return Input(io.BytesIO(content), "the archive")
