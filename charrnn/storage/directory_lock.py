"""A claim on a folder: whoever has it is the only one to write there."""

import errno
import fcntl
import os
from pathlib import Path


class DirectoryLock:
    """A claim on a folder, which ends with `release` or with the process, however that ends.

    It leaves nothing on the disk. Raises BlockingIOError when another holds one, or deletes the
    folder meanwhile; OSError where the file system has no locks.
    """

    _descriptor: int | None = None

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self.holds(path):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path))
        except BaseException:
            self.release()
            raise

    def holds(self, path: Path) -> bool:
        """Whether the folder at the path is still the one that was claimed."""
        assert self._descriptor is not None
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Ends the claim."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    __del__ = release
