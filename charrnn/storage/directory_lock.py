"""A lock on a folder: the process that holds it is the only one that writes there."""

import errno
import fcntl
import os
import weakref
from pathlib import Path


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
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


_held: "weakref.WeakSet[DirectoryLock]" = weakref.WeakSet()


def _let_go() -> None:
    """Close the inherited locks in a forked process, so that they end with the process that took
    them."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_let_go)
