"""Other spellings of a character: a hint for a text with characters that a model has never seen.

Unicode has several spellings of text that looks the same: separate accents, as in file names on
macOS; full-width letters and ligatures; typographic quotes and dashes.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

_TYPOGRAPHIC: Final = {
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{SINGLE LOW-9 QUOTATION MARK}": "'",
    "\N{MODIFIER LETTER APOSTROPHE}": "'",
    "\N{PRIME}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{DOUBLE LOW-9 QUOTATION MARK}": '"',
    "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}": '"',
    "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}": '"',
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{FIGURE DASH}": "-",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
}
"""Typographic characters of word processors, and their keyboard characters."""

_MOST_HINTS: Final = 3

_MOST_LOOKED_AT: Final = 100
"""The most unknown characters, and the most places of each in the text, that are examined."""

_AROUND: Final = 3
"""The most characters on each side that may be composed with a character."""


def spelling_hint(unknown: Sequence[str], known: Collection[str], text: str = "") -> str:
    """Return how a model knows characters that it has never seen in this spelling; empty where it
    does not know them.

    Args:
        unknown: the characters.
        known: all characters that the model knows.
        text: the text that has them, where it is available.
    """
    hints: dict[str, None] = {}
    for character in unknown[:_MOST_LOOKED_AT]:
        if hint := _hint(character, known, text):
            hints[hint] = None
            if len(hints) == _MOST_HINTS:
                break
    return ", ".join(hints)


def _hint(character: str, known: Collection[str], text: str) -> str:
    if _is_part(character):
        composed = _composed(character, known, text)
        return f"{composed!r} as one character: normalize the text to NFC" if composed else ""
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        other = unicodedata.normalize(form, character)
        if other != character and all(each in known for each in other):
            return f"{_written(other)}: normalize the text to {form}"
    if (plain := _TYPOGRAPHIC.get(character)) and plain in known:
        return f"{plain!r}"
    curly = (each for each, plain in _TYPOGRAPHIC.items() if plain == character and each in known)
    return f"{other!r}" if (other := next(curly, "")) else ""


def _composed(character: str, known: Collection[str], text: str) -> str:
    """Return a character that the model knows of which another is a part, as in the text; otherwise
    an empty string."""
    if not text:
        return next((each for each in known if character in _decomposed(each)), "")
    for match in islice(re.finditer(re.escape(character), text), _MOST_LOOKED_AT):
        around = text[max(match.start() - _AROUND, 0) : match.end() + _AROUND]
        for each in unicodedata.normalize("NFC", around):
            if each in known and character in _decomposed(each):
                return each
    return ""


def _is_part(character: str) -> bool:
    """Return whether a character is a part of composed ones: a combining mark, or a Hangul
    letter."""
    return unicodedata.category(character).startswith("M") or "\u1100" <= character <= "\u11ff"


def _decomposed(character: str) -> str:
    """Return the parts of a composed character; an empty string where it has none."""
    parts = unicodedata.normalize("NFD", character)
    return parts if parts != character else ""


def _written(text: str) -> str:
    """Return a short text in quotes, with its combining marks named."""
    parts = " ".join(f"U+{ord(each):04X}" for each in text if _is_part(each))
    return f"{text!r} as {text[0]!r} and {parts}" if parts else repr(text)
