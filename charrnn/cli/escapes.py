"""Backslash escapes for characters that are hard to type on a command line."""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from charrnn.data.tokenizer import Tokenizer

_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.|$)", re.DOTALL)
_MEANT: Final = re.compile(r"\\(?:[ntr]|u[0-9a-fA-F]{4})")


def unescaped(text: str) -> str:
    r"""Return the text with \n, \t, \r, \uXXXX, \UXXXXXXXX and \\ replaced by their characters.

    A surrogate pair becomes one character, as in JSON. Raises ConfigError for any other escape.
    """
    from charrnn.errors import ConfigError

    def character(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) > 1 and (point := int(escape[1:], 16)) < 0x110000:
            return chr(point)
        if escape not in _ESCAPES:
            raise ConfigError(
                f"{match[0]}: no such escape; use \\n, \\t, \\r, \\uXXXX, \\UXXXXXXXX or \\\\"
            )
        return _ESCAPES[escape]

    written = _ESCAPE.sub(character, text)
    if any("\ud800" <= each <= "\udbff" for each in written):
        try:
            pairs = written.encode("utf-16-le", "surrogatepass")
            return pairs.decode("utf-16-le")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{text!r} has half of a surrogate pair; give both halves") from error
    return written


def escaped(text: str) -> str:
    """Return the text on one line, with escapes that `unescaped` reads."""
    for letter, meant in reversed(_ESCAPES.items()):  # the backslash first
        text = text.replace(meant, f"\\{letter}")
    return text


def warn_of_escapes(tokenizer: "Tokenizer", *texts: str | None) -> None:
    """Warn that --escapes is missing if a text has escapes and the model cannot read a
    backslash."""
    from charrnn.cli.display import warn

    found = (match for text in texts if text and (match := _MEANT.search(text)))
    if (match := next(found, None)) and tokenizer.unknown("\\"):
        warn(f"{match[0]} is read literally; add --escapes to read it as an escape")
