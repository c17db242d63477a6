"""A unified diff, as `patch` and `git apply` read it."""

import difflib
from collections.abc import Iterator

_NO_NEWLINE = "\\ No newline at end of file\n"


def unified_diff(before: str, after: str, name: str) -> str:
    """What changes in a file of that name; nothing where nothing does.

    Lines end with a newline, and with nothing else: carriage returns belong to them.
    """
    lines = difflib.unified_diff(_lines(before), _lines(after), _header(name), _header(name))
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in lines)


def _lines(text: str) -> list[str]:
    """The lines of a text with their newlines, which the last may lack."""
    return [line for line in _split(text) if line]


def _split(text: str) -> Iterator[str]:
    *lines, last = text.split("\n")
    yield from (f"{line}\n" for line in lines)
    yield last


def _header(name: str) -> str:
    """The name as a diff gives it: after one with a space in it a tab, as GNU diff has it."""
    if not name.isprintable():
        return "text"
    return f"{name}\t" if " " in name else name
