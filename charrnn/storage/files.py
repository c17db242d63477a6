"""Durable, atomic writes: after a crash, a file or folder is whole and new, or whole and old.

The order is always the same: write beside the target, fsync the content, rename over the target,
fsync the folder that holds it. Everything gets the mode that the user's umask gives.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from charrnn.errors import StorageError

TEMPORARY_PREFIX = ".partial-"
"""What the names of unfinished files and folders begin with; they may be deleted at any time."""

_REPLACED_PREFIX = ".replaced-"
"""What the name of a folder begins with while another takes its place."""


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
    temporary, replaced = _temporary(path), path.with_name(f"{_REPLACED_PREFIX}{path.name}")
    with _writing(path):
        _settle(replaced)
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            for name, content in files.items():
                _write(temporary / name, content)
            _sync_directory(temporary)
            if path.is_dir() and not path.is_symlink():
                os.replace(path, replaced)  # for no folder is renamed over one that is not empty
            os.replace(temporary, path)
            _sync_directory(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            _settle(replaced)


def point(link: Path, target: str) -> None:
    """Makes `link` a symbolic link to its sibling `target`, atomically. Raises StorageError."""
    temporary = _temporary(link)
    with _writing(link):
        temporary.unlink(missing_ok=True)
        try:
            os.symlink(target, temporary)
            os.replace(temporary, link)
            _sync_directory(link.parent)
        finally:
            temporary.unlink(missing_ok=True)


def remove_directory(path: Path) -> None:
    """Deletes a folder so that no half of it ever stands under its name. Raises StorageError."""
    with _writing(path):
        condemned = _temporary(path).with_name(f"{TEMPORARY_PREFIX}old-{path.name}")
        shutil.rmtree(condemned, ignore_errors=True)
        os.replace(path, condemned)
        shutil.rmtree(condemned)


def remove_litter(directory: Path) -> None:
    """Deletes what a crash left unfinished in a folder, and puts back what it left replaced."""
    for path in directory.glob(f"{_REPLACED_PREFIX}*"):
        _settle(path)
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
            content = f"{line}\n".encode()
            if os.write(descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}")


def _settle(replaced: Path) -> None:
    """Deletes a folder that was replaced, or puts it back where nothing took its place."""
    path = replaced.with_name(replaced.name.removeprefix(_REPLACED_PREFIX))
    if os.path.lexists(path):
        shutil.rmtree(replaced, ignore_errors=True)
    elif replaced.is_dir():
        os.replace(replaced, path)


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
