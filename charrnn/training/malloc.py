"""The C library's memory settings during a training."""

import contextlib
import ctypes
from collections.abc import Iterator
from typing import Any, Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_MMAP_MAX: Final = -4
"""Constants of glibc's malloc.h."""

_users = 0


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Make the process keep the memory it frees for the next step, which needs the same again.

    By default, glibc returns large arrays to the system. Every step then gets them back page by
    page, each cleared first: with a hidden size of 512, 6,000 pages and a seventh of a step's time.
    Without glibc, nothing changes.

    At the end, free memory goes back to the system, and large arrays do again from then on. glibc
    neither tells the previous limits nor adapts them again once they are set, so they become those
    at which its adaptation ends, 32 and 64 MiB.
    """
    global _users
    library = _glibc()
    if library is None:
        yield
        return
    if _users == 0:
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, 1 << 30)
    _users += 1
    try:
        yield
    finally:
        _users -= 1
        if _users == 0:
            library.mallopt(_M_MMAP_MAX, 1 << 16)
            library.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
            library.mallopt(_M_TRIM_THRESHOLD, 64 << 20)
            library.malloc_trim(0)


def _glibc() -> Any:
    """Return GNU's C library; None where the C library is another."""
    try:
        library = ctypes.CDLL(None)
        library.mallopt, library.malloc_trim  # noqa: B018
    except (OSError, AttributeError):
        return None
    return library
