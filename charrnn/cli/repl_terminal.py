"""What the REPL shows beside the text: the line that a continuation follows, the progress of
reading."""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.text import Text

from charrnn.cli.display import messages, printable, say

LONG: Final = 5_000
"""Characters of a text from which on reading it shows its progress."""

CONTEXT: Final = 60
"""Characters of the preceding line that are shown, dim, before a continuation."""


def last_line(tail: str) -> str:
    """Return the last line of a text's tail, cut to CONTEXT characters."""
    line = tail.rsplit("\n", 1)[-1]
    return line if len(line) <= CONTEXT else f"…{line[1 - CONTEXT :]}"


def show_context(tail: str) -> bool:
    """Print the last line of a text's tail, dim, without a newline. Returns whether there is
    one."""
    line = last_line(tail)
    if not line or not sys.stderr.isatty():
        return False
    messages().print(Text(printable(line), "dim"), end="", soft_wrap=True)
    return True


def read_to_end(steps: Iterable[int], total: int, name: str) -> bool:
    """Read a text to its end, unless Ctrl-C stops it. Returns whether the end was reached."""
    note = messages().status(Text(f"reading {printable(name)}", "dim"))
    if total > LONG:
        note.start()
    try:
        with stoppable() as stopped:
            done = 0
            for done, _ in enumerate(steps):
                if done % 16 == 0 and total > LONG:
                    share = min(done * 64 / total, 1.0)
                    note.update(Text(f"reading {printable(name)}: {share:.0%}", "dim"))
                if stopped():
                    break
            else:
                return True
    finally:
        note.stop()
    say("stopped; nothing has changed", "dim")
    return False


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed; a second one raises
    KeyboardInterrupt."""
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGINT, before)
