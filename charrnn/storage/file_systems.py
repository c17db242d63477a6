"""Warnings of what a file system lacks."""

import errno
import os
import warnings
from pathlib import Path
from typing import Final

from charrnn.errors import CharRNNWarning

UNSUPPORTED: Final = frozenset(
    {
        *(errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP),
        *(errno.ENOTTY, errno.EBADF, errno.EISDIR),
    }
)
"""The errors of a system call that a file system does not support."""

NO_LOCKS: Final = UNSUPPORTED - {errno.EACCES} | {errno.ENOLCK}
"""The errors of a lock on a file system that has none."""

_warned: set[tuple[int, str]] = set()
"""The warnings that were given: the number of the file system, and what it lacks."""


def warn_of_lack(error: OSError, folder: Path, lacking: str, left: str) -> None:
    """Warns once of what the file system of a folder lacks, and says what follows from it."""
    try:
        key = (os.stat(folder).st_dev, lacking)
    except OSError:
        return  # it is gone, which is the error of another call
    if key not in _warned:
        _warned.add(key)
        reason = error.strerror or error
        message = f"{folder}: this file system has no {lacking} ({reason}); {left}"
        warnings.warn(message, CharRNNWarning, stacklevel=2)
