"""Reading untrusted files: only regular files of the expected size are read."""

import contextlib
import errno
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from charrnn.errors import ModelError

LONGEST_LINE: Final = 1 << 26
"""The most bytes of a line: a sparse file of a terabyte is one line."""


def read_file(path: Path, largest: int) -> bytearray:
    """Return the bytes of a file that may come from anyone.

    Raises ModelError, before anything is read, for a link, a pipe or a device, which may lead
    anywhere or never end, and for a file of more than `largest` bytes.
    """
    with _opened(path) as (descriptor, size):
        if size > largest:
            raise ModelError(f"{path}: too large to be what its name says")
        try:
            content = bytearray(size)
        except MemoryError as error:
            raise ModelError(f"{path}: too large for this machine's memory") from error
        view, end = memoryview(content), 0
        while count := os.readv(descriptor, [view[end:]]):
            end += count
    if end < len(content):
        raise ModelError(f"{path}: it became shorter while it was read")
    return content


def read_lines(path: Path, longest: int) -> Iterator[bytes]:
    """Yield the lines of a file that may come from anyone, without their newlines, as they are
    read. What follows the last newline is left out; a line of more than `longest` bytes is cut off.

    Raises ModelError as `read_file` does, except for the file's size, and where a line does not
    end.
    """
    with _opened(path) as (descriptor, size), os.fdopen(os.dup(descriptor), "rb") as file:
        line, length = b"", 0
        while size > 0 and (chunk := file.readline(longest + 1)):
            size -= len(chunk)  # bytes that are added meanwhile are not read
            line = line or chunk
            length += len(chunk)
            if chunk.endswith(b"\n"):
                yield line.removesuffix(b"\n")
                line, length = b"", 0
            elif length > LONGEST_LINE:
                raise ModelError(f"{path}: a line in it has more than {LONGEST_LINE:,} bytes")


def map_file(path: Path, size: int) -> mmap.mmap:
    """Map a file of `size` bytes, more than 0, into read-only memory without reading it.

    Raises ModelError where the file has another size, and as `read_file` does.
    """
    with _opened(path) as (descriptor, found):
        if found != size:
            raise ModelError(f"{path}: damaged: {found} bytes, of {size} written")
        try:
            return mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            # Some file systems, such as FUSE's, map files only for one process.
            return mmap.mmap(descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[int, int]]:
    """Open a regular file; yield its descriptor and its size in bytes. Raises ModelError for all
    else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ModelError(f"{path}: not a regular file")
            yield descriptor, status.st_size
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ModelError(f"{path}: a symbolic link where a file should be") from error
        raise ModelError(f"{path}: {error.strerror or error}") from error
