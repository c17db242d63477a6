"""Output for people: messages on stderr, text on stdout, and no control characters in either.

Generated text, prompts and names are untrusted. They pass `printable` before they reach a terminal,
and never pass Rich's markup.
"""

import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

    from charrnn.data.text_file import TextFile
    from charrnn.data.two_pass_reading import ReadingProgress
    from charrnn.training.report import Table as ReportTable

_Item = TypeVar("_Item")

_BIDIRECTIONAL: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


@cache
def messages() -> "Console":
    """Return the console for people, on stderr."""
    return _console(_Stream("stderr"), width=None)


@cache
def results() -> "Console":
    """Return the console for results, on stdout. Into a file or pipe, lines are not folded."""
    return _console(_Stream("stdout"), width=None if sys.stdout.isatty() else 1000)


class _Stream:
    """A proxy of stdout or stderr that follows reassignments of sys.stdout and sys.stderr."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        stream = getattr(sys, self._name)
        return getattr(getattr(stream, "rich_proxied_file", stream), name)


def _console(stream: _Stream, width: int | None) -> "Console":
    """Return a console whose `is_terminal` is true only where the cursor can be moved.

    Rich also sets it where FORCE_COLOR or TTY_COMPATIBLE forces colours, which would fill a log
    with cursor movements. Here, forcing turns on colours alone.
    """
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 -- Rich calls this where it caught the BrokenPipeError

    is_terminal = moves_cursor(stream)
    compatible = os.environ.get("TTY_COMPATIBLE", "")
    forced = compatible == "1" or (compatible != "0" and os.environ.get("FORCE_COLOR", "") != "")
    return Quiet(
        file=stream,  # type: ignore[arg-type]
        highlight=False,
        markup=False,
        emoji=False,
        width=width,
        force_terminal=is_terminal,
        force_interactive=is_terminal,
        color_system="standard" if forced and not is_terminal else "auto",
    )


def moves_cursor(stream: Any) -> bool:
    """Return whether a stream is a terminal on which the cursor can be moved."""
    able = os.environ.get("TERM", "").lower() not in ("", "dumb", "unknown")
    return able and os.environ.get("TTY_COMPATIBLE") != "0" and bool(stream.isatty())


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner on a terminal, and yield a function that changes its text."""
    with messages().status(what) as spinner:
        yield spinner.update


_WORTH_A_BAR: Final = 100
"""Items from which on a progress bar is shown; fewer are done before anyone could read it."""


def tracked(items: Iterator[_Item], total: int) -> Iterator[_Item]:
    """Return the items, with a progress bar on stderr if there are many.

    There is no bar where the items themselves are written to a terminal.
    """
    if total < _WORTH_A_BAR or sys.stdout.isatty() or not messages().is_terminal:
        return items
    from rich.progress import track

    return iter(
        track(items, total=total, description="writing", console=messages(), transient=True)
    )


@contextmanager
def reading(what: str) -> "Iterator[ReadingProgress]":
    """Show a spinner on stderr, and a progress bar while a large corpus is read.

    Yields the function that receives the progress. Shows nothing where stderr is no terminal.
    """
    from rich.progress import Progress

    from charrnn.data.two_pass_reading import LARGEST_IN_MEMORY

    console = messages()
    bars = Progress(console=console, transient=True)
    with console.status(what) as spinner:

        def show(stage: str, done: int, total: int | None) -> None:
            if not console.is_terminal or (total or done) < LARGEST_IN_MEMORY:
                return
            if [task.description for task in bars.tasks] != [stage]:
                for task in bars.task_ids:
                    bars.remove_task(task)
                bars.add_task(stage, total=total)
                spinner.stop()  # Rich shows one live display at a time
                bars.start()
            bars.update(bars.task_ids[0], completed=done)
            if done == total:
                bars.stop()
                spinner.start()

        try:
            yield show
        finally:
            if bars.live.is_started:
                bars.stop()


@contextmanager
def time_left(what: str) -> "Iterator[Callable[[int, int], None]]":
    """Show a progress bar with the time left, on terminals.

    Yields a function that takes the amount done and the total.
    """
    with stages_left(what) as show:
        yield partial(show, what)


@contextmanager
def stages_left(first: str = "") -> "Iterator[Callable[[str, int, int], None]]":
    """Show a progress bar with the time left of each stage of some work, on terminals.

    Yields a function that takes the name of the stage, the amount done and the total.
    """
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = messages()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    bars = Progress(
        *columns,
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        task = bars.add_task(first, total=None)

        def show(stage: str, done: int, total: int) -> None:
            if bars.tasks[0].description != stage:
                bars.reset(task, description=stage)  # its speed is another one
                bars.refresh()
            bars.update(task, completed=done, total=total)

        yield show


def say(message: str, style: str = "") -> None:
    """Print a message for a person: one line in a log; a terminal breaks it between words."""
    console = messages()
    console.print(printable(message), style=style, soft_wrap=not console.is_terminal)


def say_command(command: str, purpose: str = "") -> None:
    """Print a command that can be copied: it is never broken into lines. Its purpose is dim."""
    from rich.text import Text

    shown = Text.assemble(f"  {printable(command)}", (f"  {printable(purpose)}", "dim"))
    shown.rstrip()
    messages().print(shown, soft_wrap=True)


def warn(message: str) -> None:
    """Print a warning of one line to stderr."""
    say(f"warning: {' '.join(message.split())}", "yellow")


def fail(message: str) -> None:
    """Print an error of one line to stderr."""
    say(f"error: {' '.join(message.split())}", "bold red")


def printable(text: str) -> str:
    """Return the text with escapes in place of characters that could control a terminal.

    These are control characters other than newline and tab, marks that change the direction of
    writing, and lone surrogates (which stand for bytes that are not UTF-8).
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escape, text))


def _escape(character: str) -> str:
    if character in "\n\t":
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if unicodedata.category(character) in ("Cc", "Cs") or character in _BIDIRECTIONAL:
        return repr(character)[1:-1] if not character.isprintable() else ascii(character)[1:-1]
    return character


class TextOutput:
    """A writer of text to stdout: exact bytes into a file or pipe, `printable` on a terminal.

    Args:
        file: the text file whose encoding and byte-order mark the output gets.
    """

    _FLUSH_SECONDS = 0.03

    def __init__(self, file: "TextFile | None" = None) -> None:
        self.terminal = sys.stdout.isatty()
        self._file = file
        self._mark = b"" if file is None or self.terminal else file.mark
        self._flushed = 0.0
        self._last = "\n"

    def write(self, text: str) -> None:
        """Write text, and flush often enough that it appears while it is generated."""
        if not text:
            return
        if self.terminal or self._file is None:
            sys.stdout.write(printable(text) if self.terminal else text)
        else:
            self.write_bytes(self._take_mark() + self._file.encode(text))
        self._last = text[-1]
        if time.monotonic() - self._flushed > self._FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Pass on what was written, as before waiting for more input."""
        sys.stdout.flush()
        self._flushed = time.monotonic()

    def _take_mark(self) -> bytes:
        """Return the file's byte-order mark at the first call, and no bytes afterwards."""
        mark, self._mark = self._mark, b""
        return mark

    def write_bytes(self, content: bytes) -> None:
        """Write bytes as they are."""
        sys.stdout.flush()
        sys.stdout.buffer.write(content)

    def note_echo(self) -> None:
        """Note that the terminal has echoed a key, so that the current line is not empty."""
        if self.terminal:
            self._last = ""

    def end_line(self) -> None:
        """Write a newline, unless the current line is empty."""
        if self._last != "\n":
            self.write("\n")

    def close(self) -> None:
        """Flush the output; on a terminal, leave the cursor at the start of a line."""
        if self.terminal:
            self.end_line()
        self.write_bytes(self._take_mark())  # if no text has been written
        sys.stdout.flush()


def key_value_table(rows: Sequence[tuple[str, str]]) -> "Table":
    """Return a table of names and values."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(printable(value)))
    return table


def report_table(table: "ReportTable") -> "Group":
    """Return a table of a report with its title, for Rich to print."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = Table()
    for column, name in enumerate(table.header):
        justify: Literal["left", "right"] = "left" if column < table.left else "right"
        shown.add_column(Text(printable(name)), justify=justify)
    for number, row in enumerate(table.rows):
        shown.add_row(
            *(
                Text(printable(cell), style="bold" if (number, column) in table.emphasized else "")
                for column, cell in enumerate(row)
            )
        )
    # The title stands above the table, as Rich would fold it to the width of a small table.
    return Group(Text(table.title, style="italic"), shown)


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """Return the last values as a row of bars; the highest bar is the largest value."""
    bars = "▁▂▃▄▅▆▇█"
    shown = values[-width:]
    lowest, highest = min(shown, default=0.0), max(shown, default=0.0)
    span = (highest - lowest) or 1.0
    return "".join(bars[round((value - lowest) / span * (len(bars) - 1))] for value in shown)


def clock(seconds: float) -> str:
    """Return seconds as a clock shows them: 0:08, 1:52, 2:03:00."""
    whole = round(seconds)
    minutes = f"{whole // 60 % 60:02}" if whole >= 3600 else f"{whole // 60}"
    return f"{whole // 3600}:" * (whole >= 3600) + f"{minutes}:{whole % 60:02}"


def duration(seconds: float) -> str:
    """Return seconds as text for people: 8 s, 1 min 52 s, 2 h 3 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
