"""Markdown of texts that may come from anyone: nothing in them becomes markup.

Characters that no page shows (control characters, marks that change the direction of writing, lone
surrogates, which stand for bytes) are written as escapes.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_DIRECTION: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>|~&#$]")


def fenced(text: str, language: str = "text") -> str:
    """Return a text as a code block, whose fence is longer than any run of backticks in it."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def code(text: str) -> str:
    """Return a text as code within a line."""
    line = visible(text, line_breaks=False)
    if not line.strip():
        return f"“{line}”"
    fence = "`" * (_longest_run(line) + 1)
    space = " " if line[0] in "` " or line[-1] in "` " else ""
    return f"{fence}{space}{line}{space}{fence}"


def plain(text: str) -> str:
    """Return a text as itself within a line."""
    return _MARKUP.sub(r"\\\g<0>", visible(text, line_breaks=False))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Return a table of cells that are Markdown already. The first `left` columns are aligned to
    the left, the others to the right."""
    lines = [header, ["---" if column < left else "---:" for column in range(len(header))], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in lines)


def visible(text: str, *, line_breaks: bool = True) -> str:
    """Return a text with escapes for characters that no page shows."""
    return "".join(each if line_breaks and each in "\n\t" else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    if hidden or character in _DIRECTION:
        return character.encode("unicode_escape").decode("ascii")
    return character


def _cell(text: str) -> str:
    """Return a cell; a bar in it would end it, also within code."""
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
