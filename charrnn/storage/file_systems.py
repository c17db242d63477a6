"""Warnings about what a file system does not support."""

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
"""The errors of a lock on a file system without locks."""

_warned: set[tuple[int, str]] = set()
"""The warnings already given: the number of the file system, and what it lacks."""


def warn_of_lack(error: OSError, folder: Path, lacking: str, left: str) -> None:
    """Warn once about what the file system of a folder lacks, and what follows from it."""
    try:
        key = (os.stat(folder).st_dev, lacking)
    except OSError:
        return  # it is gone, which another call reports
    if key not in _warned:
        _warned.add(key)
        reason = error.strerror or error
        message = f"{folder}: this file system has no {lacking} ({reason}); {left}"
        warnings.warn(message, CharRNNWarning, stacklevel=2)
