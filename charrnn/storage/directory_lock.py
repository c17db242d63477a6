"""A lock on a folder: the process that holds it is the only one that writes there."""

import errno
import fcntl
import os
import time
import weakref
from pathlib import Path
from typing import Final

_TRIES: Final = 3
_PAUSE_SECONDS: Final = 0.005
"""How often a lock is tried again, and after how long."""


class DirectoryLock:
    """A lock on a folder, which ends with `release`, or with the process. A fork of the process
    does not hold it.

    It leaves nothing on the disk. Raises BlockingIOError when another process holds the lock, or
    deletes the folder meanwhile; OSError where the file system has no locks.
    """

    _descriptor: int | None = None

    def __init__(self, path: Path) -> None:
        self._process = os.getpid()
        self._descriptor = os.open(path, os.O_RDONLY)
        _held.add(self)
        try:
            _lock(self._descriptor)
            if not self.holds(path):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path))
        except BaseException:
            self.release()
            raise

    def holds(self, path: Path) -> bool:
        """Return whether the folder at the path is still the one that was locked."""
        assert self._descriptor is not None
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(path))
        except FileNotFoundError:
            return False

    @property
    def is_of_this_process(self) -> bool:
        """Return whether this process took the lock, and is not a fork of the one that did."""
        return self._process == os.getpid()

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    __del__ = release


def _lock(descriptor: int) -> None:
    """Take the lock. Raises BlockingIOError where another process holds it for longer than
    `is_locked` does."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(path: Path) -> bool | None:
    """Return whether a process holds the lock on a folder; None where that cannot be told.

    To find out, the lock is taken for some microseconds, together with all others who ask.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


_held: "weakref.WeakSet[DirectoryLock]" = weakref.WeakSet()


def _let_go() -> None:
    """Close the inherited locks in a forked process, so that they end with the process that took
    them."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_let_go)
