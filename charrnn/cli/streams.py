"""stdin, stdout and stderr as all commands have them, however the process was started.

A file or a pipe gets UTF-8, whatever the locale says, and of a text each byte: the same command
writes the same file everywhere. A terminal gets its own encoding, and escapes for what that has
not.
"""

import codecs
import contextlib
import io
import os
import sys
from typing import Any, Final

_EXACTLY: Final = "charrnn-exactly"


def open_standard_streams(*, silent: bool) -> None:
    """Makes something of standard streams that the shell has closed, or that may break.

    What nobody can read must not end the work: stderr never raises. stdout does when it is written
    to, also where it was closed from the beginning, as with >&-.

    Args:
        silent: say and write nothing.
    """
    for number in range(3):  # else the next file that is opened would be taken for it
        try:
            os.fstat(number)
        except OSError:
            # The wrong way around: what reads or writes it fails, as it would have.
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
    if silent or sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 -- open to the end
    elif isinstance(sys.stderr, io.TextIOWrapper):
        raw = _Unheard(sys.stderr.fileno(), "w", closefd=False)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(raw), sys.stderr.encoding, "backslashreplace", line_buffering=True
        )
    if silent:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    elif sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115


class _Unheard(io.FileIO):
    """A file that takes what it cannot write, as when its pipe or terminal is closed."""

    def write(self, content: Any) -> int:
        try:
            written: int | None = super().write(content)
        except OSError:
            written = None
        return memoryview(content).nbytes if written is None else written


def write_one_way() -> None:
    """Sets the encoding of stdout and stderr."""
    for stream, elsewhere in ((sys.stdout, _EXACTLY), (sys.stderr, "backslashreplace")):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty():
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors=elsewhere, newline="\n")


def finish_stdout() -> None:
    """Writes what is left for stdout; where it cannot be, lets it go nowhere, so that Python does
    not complain of it at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def _exactly(error: UnicodeError) -> tuple[str | bytes, int]:
    """Bytes that were no UTF-8 as they were; U+FFFD for any other half of a surrogate pair."""
    assert isinstance(error, UnicodeEncodeError)
    halves = error.object[error.start : error.end]
    return b"".join(
        bytes([ord(half) - 0xDC00]) if "\udc80" <= half <= "\udcff" else "\ufffd".encode()
        for half in halves
    ), error.end


codecs.register_error(_EXACTLY, _exactly)
