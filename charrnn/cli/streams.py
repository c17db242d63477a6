"""The setup of stdin, stdout and stderr, the same for every command.

A file or a pipe gets UTF-8 whatever the locale is, so that a command writes the same file
everywhere. A terminal gets its own encoding, with escapes for the characters that encoding lacks.
"""

import codecs
import contextlib
import io
import os
import sys
from typing import Any, Final

_EXACTLY: Final = "charrnn-exactly"


def open_standard_streams(*, silent: bool) -> None:
    """Replace standard streams that are closed or may break.

    Messages that nobody can read must not end the work, so stderr never raises. stdout raises when
    it is written to, also if it was closed from the start, as with >&-.

    Args:
        silent: whether to discard all output.
    """
    for number in range(3):  # a file opened later must not get the number of a closed stream
        try:
            os.fstat(number)
        except OSError:
            # Opened in the opposite mode, so that using the stream fails, as it would when closed.
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
    if silent or sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 -- stays open until the process exits
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
    """A file that ignores failing writes, as when its pipe or terminal is closed."""

    def write(self, content: Any) -> int:
        try:
            written: int | None = super().write(content)
        except OSError:
            written = None
        return memoryview(content).nbytes if written is None else written


def write_one_way() -> None:
    """Set the encoding and the newlines of stdout and stderr."""
    for stream, elsewhere in ((sys.stdout, _EXACTLY), (sys.stderr, "backslashreplace")):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty():
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors=elsewhere, newline="\n")


def finish_stdout() -> None:
    """Flush stdout; if that fails, redirect it to nowhere, so that Python prints no error at
    exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def _exactly(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode bytes that are not UTF-8 as they were, and any other lone surrogate as U+FFFD."""
    assert isinstance(error, UnicodeEncodeError)
    halves = error.object[error.start : error.end]
    return b"".join(
        bytes([ord(half) - 0xDC00]) if "\udc80" <= half <= "\udcff" else "\ufffd".encode()
        for half in halves
    ), error.end


codecs.register_error(_EXACTLY, _exactly)
