"""Durable and atomic writing of files and folders.

After a crash, a file or folder is whole and new, or whole and old. The order is always the same:
write beside the target, fsync the content, rename over the target, fsync the folder that holds it.
Modes follow the user's umask.

A file system may not support links (FAT), fsync of folders (some network file systems) or renaming
a folder of a lower layer (OverlayFS). The same is then done in another way, or not at all, and one
warning says what that costs.
"""

import contextlib
import errno
import os
import shutil
import stat
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from charrnn.errors import CharRNNWarning, StorageError
from charrnn.storage.directory_lock import DirectoryLock
from charrnn.storage.file_systems import NO_LOCKS, UNSUPPORTED, warn_of_lack

TEMPORARY_PREFIX: Final = ".partial-"
"""The prefix of the names of unfinished files and folders, which may be deleted at any time."""

REPLACED_PREFIX: Final = ".replaced-"
"""The prefix of the name of a folder while another replaces it."""


def before_change(operation: str, path: Path) -> None:
    """Do nothing; called before each change to the disk.

    Tests replace this function, to make a disk fill up, fail, or hang at any change. `operation` is
    mkdir, create, write, fsync, rename, link or remove.
    """


def write_file(path: Path, content: bytes | Iterable[bytes], *, size: int | None = None) -> None:
    """Write a file, or replace it. Raises StorageError.

    The content may come in chunks; `size` is then their total number of bytes, where it is known,
    for the error message of a full disk.
    """
    check_replaceable(path)
    temporary = _temporary(path)
    chunks, size = ([content], len(content)) if isinstance(content, bytes) else (content, size)
    with _writing(path, size):
        temporary.unlink(missing_ok=True)
        try:
            write_chunks(temporary, chunks)
            _rename(temporary, path)
            _sync_directory(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def check_replaceable(path: Path) -> None:
    """Raise StorageError for a device or pipe, such as /dev/null, which a file would replace."""
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        # /dev/stdout is a link into /proc/, also where stdout is a file.
        opened = path.is_symlink() and os.readlink(path).startswith("/proc/")
        if opened or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            message = "it is a device or pipe, which a file would replace; name a file"
            raise StorageError(f"{path}: cannot be written: {message}")


def write_directory(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of these files, in this order, or replace one. A name may begin with that of a
    folder inside, such as `model/config.json`.

    Raises StorageError.
    """
    with new_directory(path, sum(map(len, files.values()))) as temporary:
        inside = {temporary / name for name in map(os.path.dirname, files) if name}
        for folder in inside:
            before_change("mkdir", folder)
            folder.mkdir()
        for name, content in files.items():
            write_chunks(temporary / name, [content])
        for folder in inside:
            _sync_directory(folder)


@contextlib.contextmanager
def new_directory(path: Path, size: int) -> Iterator[Path]:
    """Make a new folder, which the block fills with about `size` bytes by `write_chunks`. When the
    block ends, it replaces the existing folder; when the block raises, nothing has changed.

    Raises StorageError.
    """
    temporary, replaced = _temporary(path), path.with_name(f"{REPLACED_PREFIX}{path.name}")
    with _writing(path, size):
        _settle(replaced)
        _clear(temporary)
        try:
            before_change("mkdir", temporary)
            temporary.mkdir()
            yield temporary
            _sync_directory(temporary)
            if path.is_dir() and not path.is_symlink():
                _rename(path, replaced)  # a folder cannot be renamed over one that is not empty
            _rename(temporary, path)
            _sync_directory(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            _settle(replaced)


@contextlib.contextmanager
def added_directory(path: Path, size: int) -> Iterator[Path]:
    """Make a new folder as `new_directory` does, but replace nothing.

    Raises StorageError, also where something has its name, or another process makes it.
    """
    temporary = _temporary(path)
    with _writing(path, size):
        if temporary.is_dir() and (before := _lock_if_possible(temporary)):
            before.release()  # otherwise another process fills it
        _clear(temporary)
        before_change("mkdir", temporary)
        temporary.mkdir()
        lock = _lock_if_possible(temporary)
        try:
            yield temporary
            _sync_directory(temporary)
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            _rename(temporary, path)
            _sync_directory(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            if lock is not None:
                lock.release()


def write_chunks(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file inside a `new_directory`, in chunks, since it may be larger than memory.

    Raises OSError, which `new_directory` converts to a StorageError.
    """
    before_change("create", path)
    with open(path, "xb") as file:
        for chunk in chunks:
            before_change("write", path)
            file.write(chunk)
        file.flush()
        _sync(file.fileno(), path)


def resolve_replaced(path: Path) -> Path:
    """Return the path of a folder: its own or, after a crash while it was being replaced, the
    temporary name that it was renamed to."""
    replaced = path.with_name(f"{REPLACED_PREFIX}{path.name}")
    return replaced if replaced.is_dir() and not path.exists() else path


def make_directory(path: Path) -> None:
    """Make a folder, and its parents where they are missing. Raises StorageError."""
    with _writing(path):
        missing = [each for each in (path, *path.parents) if not each.exists()]
        for each in reversed(missing):
            before_change("mkdir", each)
            each.mkdir(exist_ok=True)
            _sync_directory(each.parent)


def point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target` beside it, atomically; on a file system without
    links, a file that holds the target's name. Raises StorageError."""
    temporary = _temporary(link)
    with _writing(link):
        temporary.unlink(missing_ok=True)
        try:
            before_change("link", temporary)
            try:
                os.symlink(target, temporary)
            except OSError as error:
                if error.errno not in UNSUPPORTED:
                    raise
                write_file(link, f"{target}\n".encode())
                warn_of_lack(
                    error,
                    link.parent,
                    "symbolic links",
                    "best and last are small files that name a checkpoint, and as safe",
                )
                return
            _rename(temporary, link)
            _sync_directory(link.parent)
        finally:
            temporary.unlink(missing_ok=True)


def remove_directory(path: Path) -> None:
    """Delete a folder: it is renamed first, so that it is never there in part. Raises StorageError.

    Files that cannot be deleted because another program has them open are left under a hidden name,
    with a warning.
    """
    with _writing(path):
        condemned = path.with_name(f"{TEMPORARY_PREFIX}old-{path.name}")
        _discard(condemned)
        while os.path.lexists(condemned):
            condemned = condemned.with_name(f"{condemned.name}~")
        _rename(path, condemned)
        try:
            _sync_directory(path.parent)
        finally:
            _discard(condemned)


def set_aside(path: Path, elsewhere: Path) -> None:
    """Rename a folder, and delete what had that name. Raises StorageError."""
    with _writing(path):
        _clear(elsewhere)
        _rename(path, elsewhere)
        _sync_directory(path.parent)


def recover(directory: Path) -> None:
    """Delete the unfinished files and folders that a crash left in a folder, and rename back the
    folders that were being replaced.

    Warns about those that cannot be deleted. Raises StorageError.
    """
    with _writing(directory):
        for path in directory.glob(f"{REPLACED_PREFIX}*"):
            before_change("rename", path)
            _settle(path)
        for path in directory.glob(f"{TEMPORARY_PREFIX}*"):
            _discard(path)


def append_line(path: Path, line: str) -> None:
    """Append a line to a file in one write, all of it or nothing. Raises StorageError."""
    content = f"{line}\n".encode()
    with _writing(path, len(content)):
        before_change("create", path)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            before_change("write", path)
            if os.write(descriptor, content) < len(content):
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)


def sync_file(path: Path) -> None:
    """Flush a file to the disk, with the lines that were appended. Raises StorageError."""
    with _writing(path), open(path, "rb") as file:
        _sync(file.fileno(), path)


def _lock_if_possible(directory: Path) -> DirectoryLock | None:
    """Return a lock on a folder; None where the file system has no locks. Raises BlockingIOError
    where another process holds it."""
    try:
        return DirectoryLock(directory)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None


def _temporary(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}")


def _clear(path: Path) -> None:
    """Delete the file or folder at a path, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _discard(path: Path) -> None:
    """Delete a file or folder on which nothing depends; warn where that fails."""
    if not os.path.lexists(path):
        return
    try:
        before_change("remove", path)
        _clear(path)
    except OSError as error:
        message = f"{path}: it cannot be deleted ({error.strerror or error}); it is left there"
        warnings.warn(message, CharRNNWarning, stacklevel=2)


def _settle(replaced: Path) -> None:
    """Delete a folder that was replaced, or rename it back where nothing took its place."""
    path = replaced.parent / replaced.name.removeprefix(REPLACED_PREFIX)
    if os.path.lexists(path):
        _discard(replaced)
    elif os.path.lexists(replaced):
        os.replace(replaced, path)


def _rename(source: Path, target: Path) -> None:
    before_change("rename", target)
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno == errno.EXDEV and source.is_dir() and not source.is_symlink():
            shutil.copytree(source, target, symlinks=True)
            shutil.rmtree(source)
        elif error.errno in UNSUPPORTED | {errno.EEXIST} and _can_make_room(target):
            _rename_in_two_steps(source, target)
        else:
            raise


def _can_make_room(target: Path) -> bool:
    """Return whether a target exists and is not a folder, so that it can be renamed."""
    return os.path.lexists(target) and not (target.is_dir() and not target.is_symlink())


def _rename_in_two_steps(source: Path, target: Path) -> None:
    """Rename on a file system that cannot rename over a file. After a crash in between, `recover`
    renames the old one back."""
    replaced = target.with_name(f"{REPLACED_PREFIX}{target.name}")
    _clear(replaced)
    os.rename(target, replaced)
    try:
        os.rename(source, target)
    finally:
        _settle(replaced)


def _sync(descriptor: int, path: Path) -> None:
    before_change("fsync", path)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warn_of_lack(
            error,
            path.parent,
            "fsync of files",
            "what is saved outlives charrnn, but a power cut may damage the newest checkpoints",
        )


def _sync_directory(path: Path) -> None:
    before_change("fsync", path)
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warn_of_lack(
            error,
            path,
            "fsync of folders",
            "what is saved outlives charrnn, but a power cut may lose the newest checkpoints",
        )


@contextlib.contextmanager
def _writing(path: Path, size: int | None = None) -> Iterator[None]:
    """Convert an OSError to a StorageError that says what was being written, and how much."""
    try:
        yield
    except OSError as error:
        need = "" if size is None else f"; it needs {_amount(size)}"
        if error.errno == errno.ENOSPC:
            with contextlib.suppress(OSError):
                disk = os.statvfs(path.parent)
                need += f"; {_amount(disk.f_bavail * disk.f_frsize)} are free"
        reason = error.strerror or error
        raise StorageError(f"{path}: cannot be written: {reason}{need}") from error


def _amount(size: int) -> str:
    """Return a number of bytes with its unit, such as 1.5 MB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
