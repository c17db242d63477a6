"""Durable, atomic writes: after a crash, a file or folder is whole and new, or whole and old.

The order is always the same: write beside the target, fsync the content, rename over the target,
fsync the folder that holds it. Everything gets the mode that the user's umask gives.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from charrnn.errors import StorageError

TEMPORARY_PREFIX = ".partial-"
"""What the names of unfinished files and folders begin with; they may be deleted at any time."""


def write_file(path: Path, content: bytes) -> None:
    """Replaces a file, or makes it. Raises StorageError."""
    temporary = _temporary(path)
    with _writing(path):
        try:
            _write(temporary, content)
            os.replace(temporary, path)
            _sync_directory(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_directory(path: Path, files: Mapping[str, bytes]) -> None:
    """Makes a folder of these files, replacing one that is there. Raises StorageError."""
    temporary = _temporary(path)
    with _writing(path):
        try:
            temporary.mkdir()
            for name, content in files.items():
                _write(temporary / name, content)
            _sync_directory(temporary)
            if path.exists():  # a folder cannot be renamed over one that is not empty
                remove_directory(path)
            os.replace(temporary, path)
            _sync_directory(path.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def point(link: Path, target: str) -> None:
    """Makes `link` a symbolic link to its sibling `target`, atomically. Raises StorageError."""
    temporary = _temporary(link)
    with _writing(link):
        temporary.unlink(missing_ok=True)
        os.symlink(target, temporary)
        os.replace(temporary, link)
        _sync_directory(link.parent)


def remove_directory(path: Path) -> None:
    """Deletes a folder so that no half of it ever stands under its name. Raises StorageError."""
    with _writing(path):
        condemned = _temporary(path).with_name(f"{TEMPORARY_PREFIX}old-{path.name}")
        shutil.rmtree(condemned, ignore_errors=True)
        os.replace(path, condemned)
        shutil.rmtree(condemned)


def remove_litter(directory: Path) -> None:
    """Deletes what a crash left unfinished in a folder."""
    for path in directory.glob(f"{TEMPORARY_PREFIX}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Adds a line to a file, in one write. Raises StorageError."""
    with _writing(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}")


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error
