"""Reading untrusted files: only regular files of the expected size are read."""

import contextlib
import errno
import mmap
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from charrnn.errors import ModelError

ReadFile = Callable[[Path, int], bytearray]
"""Returns the bytes of a file, of at most so many; see `read_file`."""

_RECOGNIZED: Final = 64
"""The bytes of a line by which a file is recognized."""

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


@contextlib.contextmanager
def open_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file that may come from anyone for reading; yield it and its size in bytes.

    Raises ModelError as `read_file` does, except for the file's size.
    """
    with _opened(path) as (descriptor, size), os.fdopen(os.dup(descriptor), "rb") as file:
        yield file, size


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


def read_last_lines(path: Path, most: int) -> list[bytes]:
    """Return the last lines of a file that may come from anyone, without their newlines: those that
    lie within its last `most` bytes. What follows the last newline is left out.

    Raises ModelError as `read_lines` does.
    """
    with _opened(path) as (descriptor, size):
        begin = max(size - most, 0)
        content = os.pread(descriptor, size - begin, begin)
    lines = content.split(b"\n")[:-1]
    return lines[1:] if begin else lines


class AddedLines:
    """The lines that are added to a file that may come from anyone.

    Args:
        path: the file.
        longest: a line of more bytes is cut off.

    Attributes:
        generation: how often the file was replaced by another, or became shorter, and was read
            again from its beginning.
        end: how many bytes were read of the present file.
    """

    def __init__(self, path: Path, longest: int) -> None:
        self.path, self._longest = path, longest
        self.generation = 0
        self.end = 0
        self._last = b""  # the end of the last line, to recognize the file by
        self._identity: tuple[int, int] | None = None
        self._skips = False  # within a line that was cut off

    def read(self, at_most: int | None = None) -> Iterator[bytes]:
        """Yield the lines that were added since the last call, as `read_lines` does; what follows
        the last newline is left for the next call.

        Ends after `at_most` bytes, where the next call goes on; None: no limit. Raises ModelError
        as `read_file` does, except for the file's size.
        """
        with _opened(self.path) as (descriptor, size), os.fdopen(os.dup(descriptor), "rb") as file:
            status = os.fstat(descriptor)
            self._begin((status.st_dev, status.st_ino), size, file)
            file.seek(self.end)
            left = size - self.end if at_most is None else min(size - self.end, at_most)
            while left > 0 and (chunk := file.readline(min(self._longest + 1, size - self.end))):
                is_whole = chunk.endswith(b"\n")
                if not is_whole and len(chunk) <= self._longest:
                    return  # it is still being written
                self.end += len(chunk)
                left -= len(chunk)
                self._last = chunk[-_RECOGNIZED:]
                skips, self._skips = self._skips, not is_whole
                if not skips:
                    yield chunk.removesuffix(b"\n")

    def _begin(self, identity: tuple[int, int], size: int, file: BinaryIO) -> None:
        """Begin again where this is not the file that was read before."""
        is_same = identity == self._identity and size >= self.end
        if is_same:
            file.seek(self.end - len(self._last))
            is_same = file.read(len(self._last)) == self._last
        if not is_same:
            self.generation += self._identity is not None
            self.end, self._last, self._skips = 0, b"", False
        self._identity = identity


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
