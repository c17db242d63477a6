"""What a file system may lack, and how a person is told of it."""

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
"""What a system call may fail with where a file system lacks what it asks for."""

NO_LOCKS: Final = UNSUPPORTED - {errno.EACCES} | {errno.ENOLCK}
"""The same of a lock."""

_told: set[tuple[int, str]] = set()
"""Which file systems (by their number) lack what, as a warning has said already."""


def tell_lack(error: OSError, folder: Path, lacking: str, left: str) -> None:
    """Warns, once, of what the file system of a folder cannot do, and says what is left."""
    try:
        key = (os.stat(folder).st_dev, lacking)
    except OSError:
        return  # it is gone, and whoever wanted it will hear of that
    if key not in _told:
        _told.add(key)
        reason = error.strerror or error
        message = f"{folder}: this file system has no {lacking} ({reason}); {left}"
        warnings.warn(message, CharRNNWarning, stacklevel=2)
