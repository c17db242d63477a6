"""A model directory as one file, a zip: its three files, not compressed, the weights last.

The bytes depend on the model alone: no times, no compression, which differs between versions of
zlib. A zip that comes from anyone is read as strictly as a directory. How large each file may be
follows from what was read before it, and is checked before anything is decompressed.
"""

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from charrnn.errors import ConfigError, ModelError
from charrnn.storage.files import make_directory, write_directory
from charrnn.storage.model_directory import (
    CONFIG,
    TENSORS,
    TOKENIZER,
    Model,
    model_files,
    read_model,
)
from charrnn.storage.run import RUNS
from charrnn.storage.untrusted_files import open_file

_FILES: Final = (CONFIG, TOKENIZER, TENSORS)

_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold."""

_UNIX: Final = 3
_MODE: Final = (stat.S_IFREG | 0o644) << 16

_LARGEST_ZIP: Final = (1 << 32) - (1 << 16)
"""The most bytes of a zip without the extension ZIP64."""

_LARGEST_DIRECTORY: Final = 1 << 12
"""The most bytes of the list of files at the end of a zip."""

_LARGEST_RATIO: Final = 100
"""How many times as large as its part of the zip a file may be: weights hardly compress, the other
files tenfold."""

_END: Final = struct.Struct("<4s4H2LH")
_END_SIGNATURE: Final = b"PK\x05\x06"
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000

_LONGEST_NAME: Final = 200


def model_zip(model: Model) -> bytes:
    """Return the bytes of a zip with a model. Raises ModelError for one of more than 4 GB."""
    files = model_files(model)
    if sum(map(len, files.values())) > _LARGEST_ZIP - _LARGEST_DIRECTORY:
        raise ModelError("a model of more than 4 GB does not fit into a zip; copy its directory")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name in _FILES:
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.create_system, entry.external_attr = _UNIX, _MODE
            archive.writestr(entry, files[name])
    return content.getvalue()


def read_model_zip(path: Path) -> Model:
    """Read a model from a zip that may come from anyone; nothing is written.

    Raises ModelError when anything but the three files of a model is in it, and for whatever
    `read_model` refuses.
    """
    with _reading(path), open_file(_followed(path)) as (file, size):
        _check_end(path, file, size)
        with zipfile.ZipFile(file) as archive:
            entries = _checked_entries(path, archive)

            def read(inside: Path, largest: int) -> bytearray:
                return _read_entry(archive, entries[inside.name], inside, largest)

            return read_model(path, read=read)


def import_model(path: Path, name: str | None = None) -> Path:
    """Read a model from a zip, and write it as a model directory; return that, `checkpoints/NAME`.

    Args:
        path: the zip.
        name: the new name; None: that of the file.

    Raises ConfigError where the name is taken or is not a plain name, ModelError as
    `read_model_zip` does, StorageError. Nothing is written before all was read and checked.
    """
    directory = RUNS / _checked_name(path.stem if name is None else name)
    _check_free(directory)
    model = read_model_zip(path)
    make_directory(RUNS)
    _check_free(directory)
    write_directory(directory, model_files(model))
    return directory


def _checked_name(name: str) -> str:
    """Return a name for a model. Raises ConfigError."""
    is_plain = Path(name).name == name and not name.startswith(".") and name.isprintable()
    if not is_plain or not 0 < len(os.fsencode(name)) <= _LONGEST_NAME:
        raise ConfigError(f"name {name!a:.100} is not a plain name; give one with --name")
    return name


def _check_free(directory: Path) -> None:
    if os.path.lexists(directory):
        raise ConfigError(f"{directory} is there already; give another name with --name")


def _followed(path: Path) -> Path:
    """Return the path behind links: the person who names a zip may name a link to it."""
    try:
        return path.resolve(strict=True)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Convert what zipfile raises to a ModelError."""
    try:
        yield
    except (
        *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
        *(EOFError, OSError, RuntimeError, ValueError, OverflowError),
    ) as error:
        raise ModelError(f"{path}: damaged, or no zip: {error}") from error


def _check_end(path: Path, file: BinaryIO, size: int) -> None:
    """Raise ModelError unless a file ends as a zip of a few files does, with nothing behind it.

    zipfile reads the whole list of files, which could be gigabytes.
    """
    if size > _LARGEST_ZIP:
        raise ModelError(f"{path}: too large to be a model")
    if size < _END.size:
        raise ModelError(f"{path}: not a zip")
    file.seek(size - _END.size)
    signature, *numbers = _END.unpack(file.read(_END.size))
    disk, first_disk, here, count, length, begin, comment = numbers
    if signature != _END_SIGNATURE or comment:
        raise ModelError(f"{path}: not a zip, or something follows it")
    if disk or first_disk or not here == count == len(_FILES):
        raise ModelError(f"{path}: expected a zip of {len(_FILES)} files, found {count:,}")
    if length > _LARGEST_DIRECTORY or begin + length + _END.size != size:
        raise ModelError(f"{path}: damaged: its list of files is not where it should be")


def _checked_entries(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the entries of a zip by name, which are the files of a model. Raises ModelError."""
    entries = {}
    for entry in archive.infolist():
        name = entry.orig_filename
        if name not in _FILES or entry.filename != name:
            raise ModelError(f"{path}: {name!a:.100} is no file of a model")
        if name in entries:
            raise ModelError(f"{path}: {name} is in it twice")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ModelError(f"{path}: {name} is a link or a folder in it, not a file")
        if entry.flag_bits & _ENCRYPTED:
            raise ModelError(f"{path}: {name} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ModelError(f"{path}: {name} is compressed in another way than deflate")
        if entry.file_size > _LARGEST_RATIO * entry.compress_size:
            raise ModelError(f"{path}: {name} becomes more than {_LARGEST_RATIO} times as large")
        entries[name] = entry
    for name in _FILES:
        if name not in entries:
            raise ModelError(f"{path}: {name} is missing in it")
    return entries


def _read_entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, largest: int
) -> bytearray:
    """Return the content of an entry, of at most `largest` bytes. Raises ModelError."""
    if entry.file_size > largest:
        raise ModelError(f"{path}: too large to be what its name says")
    try:
        content = bytearray(entry.file_size)
    except MemoryError as error:
        raise ModelError(f"{path}: too large for this machine's memory") from error
    view, end = memoryview(content), 0
    with archive.open(entry) as file:
        assert isinstance(file, zipfile.ZipExtFile)
        while count := file.readinto(view[end:]):
            end += count
        if end < len(content) or file.read(1):
            raise ModelError(f"{path}: damaged: it has another size than the zip says")
    return content
