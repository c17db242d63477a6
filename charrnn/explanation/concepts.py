"""CONCEPTS: what a unit may keep track of, computed from the text.

A concept is a function of a text of N characters that returns its value (N,) after each character:
booleans of a binary concept, numbers of a graded one. It knows no more than a reader who has read
so far, except for concepts of what comes next.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import code_points

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_FAR: Final = 40
"""Distances from which on a position counts as far: a network can hardly count further."""

_DEEPEST: Final = 8
"""The deepest brackets that are counted; the text may have unmatched ones."""


@dataclass(frozen=True)
class Concept:
    """A concept.

    Attributes:
        description: what is true after a character, or how much.
        values: its function.
    """

    description: str
    values: Callable[[str], Values]


def values_of(name: str, text: str) -> Values:
    """Return the values (N,) of an entry of CONCEPTS: bool, or float64."""
    found = CONCEPTS[name].values(text)
    return found if found.dtype == np.bool_ else found.astype(np.float64)


def kinds_of(text: str) -> list[str]:
    """Return the kind of each character, an entry of KINDS."""
    known = {character: _kind(character) for character in set(text)}
    return list(map(known.__getitem__, text))


KINDS: Final = (
    *("lower-case letters", "capitals", "digits", "spaces", "line ends"),
    *("quotes", "brackets", "other punctuation", "others"),
)
"""The kinds of characters by which losses are shown."""

_QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb\u201e\u201a"
_BRACKETS: Final = "()[]{}<>"
_VOWELS: Final = "aeiouyAEIOUYäöüáéíóúàèìòùâêîôûåæøœÄÖÜÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛÅÆØŒ"
_SENTENCE_ENDS: Final = ".!?\u2026"


def _kind(character: str) -> str:
    if character in "\n\r":
        return "line ends"
    if character.isspace():
        return "spaces"
    if character.isdigit():
        return "digits"
    if character.isalpha():
        return "capitals" if character.isupper() else "lower-case letters"
    if character in _QUOTES:
        return "quotes"
    if character in _BRACKETS:
        return "brackets"
    return "other punctuation" if character.isprintable() else "others"


# Masks


def _each(text: str, is_true: Callable[[str], bool]) -> Mask:
    """Apply a predicate to each character; each distinct one is asked once."""
    points = code_points(text)
    distinct, places = np.unique(points, return_inverse=True)
    known = np.array([is_true(chr(point)) for point in distinct], dtype=np.bool_)
    return known[places] if len(points) else np.zeros(0, np.bool_)


def _among(characters: str) -> Callable[[str], Mask]:
    chosen = frozenset(characters)
    return lambda text: _each(text, chosen.__contains__)


def _letters(text: str) -> Mask:
    return _each(text, str.isalpha)


def _words(text: str) -> Mask:
    return _each(text, lambda each: each.isalnum() or each in "_'\u2019")


def _newlines(text: str) -> Mask:
    return _each(text, lambda each: each == "\n")


def _next(mask: Mask) -> Mask:
    """Shift a mask so that it tells what comes next; nothing does after the last character."""
    return np.append(mask[1:], False)[: len(mask)]


def _previous(mask: Mask) -> Mask:
    return np.insert(mask[:-1], 0, False)[: len(mask)]


def _matches(pattern: str) -> Callable[[str], Mask]:
    """Return the mask of the characters inside matches of a regular expression."""
    compiled = re.compile(pattern, re.MULTILINE)

    def values(text: str) -> Mask:
        inside = np.zeros(len(text), np.bool_)
        for match in compiled.finditer(text):
            inside[match.start() : match.end()] = True
        return inside

    return values


# Counts


def _since(events: Mask) -> Values:
    """Return the characters since the last event (0 on it), or since before the text."""
    places = np.arange(len(events))
    last = np.maximum.accumulate(np.where(events, places, -1)) if len(events) else places
    return places - last


def _until(events: Mask) -> Values:
    """Return the characters up to the next event (0 on it), or past the text's end."""
    return _since(events[::-1])[::-1]


def _run(mask: Mask) -> Values:
    """Return how many characters in a row up to this one are in the mask."""
    return _since(~mask)


def _near_end_of_line(text: str) -> Values:
    return np.minimum(_until(_newlines(text)), _FAR)


def _depth(opening: str, closing: str) -> Callable[[str], Values]:
    def values(text: str) -> Values:
        depth = np.zeros(len(text), np.int64)
        level = 0
        for place, character in enumerate(text):
            if character in opening:
                level = min(level + 1, _DEEPEST)
            elif character in closing:
                level = max(level - 1, 0)
            depth[place] = level
        return depth

    return values


def _inside(opening: str, closing: str) -> Callable[[str], Mask]:
    depth = _depth(opening, closing)
    return lambda text: depth(text) > 0


def _inside_quotes(text: str) -> Mask:
    """Return where straight or curly double quotes are open. A paragraph's end closes them."""
    inside = np.zeros(len(text), np.bool_)
    is_open = False
    for place, character in enumerate(text):
        if character == '"':
            is_open = not is_open
        elif character in "\u201c\u00ab\u201e":
            is_open = True
        elif character in "\u201d\u00bb" or (character == "\n" and text[place - 1 : place] == "\n"):
            is_open = False
        inside[place] = is_open
    return inside


def _inside_single_quotes(text: str) -> Mask:
    """Return where single quotes are open: one after a letter and before one is an apostrophe."""
    inside = np.zeros(len(text), np.bool_)
    is_open = False
    for place, character in enumerate(text):
        if character in "'\u2018\u2019":
            before, after = text[place - 1 : place], text[place + 1 : place + 2]
            if is_open and not (before.isalnum() and after.isalnum()):
                is_open = False
            elif not is_open and not before.isalnum():
                is_open = True
        elif character == "\n" and text[place - 1 : place] == "\n":
            is_open = False
        inside[place] = is_open
    return inside


def _indentation(text: str) -> Values:
    """Return the spaces (a tab is four) at the beginning of the current line, so far."""
    found = np.zeros(len(text), np.int64)
    width, begins = 0, True
    for place, character in enumerate(text):
        if character == "\n":
            width, begins = 0, True
        elif begins and character in " \t":
            width += 4 if character == "\t" else 1
        else:
            begins = False
        found[place] = min(width, _FAR)
    return found


def _after_capital_word(text: str) -> Mask:
    """Return the characters inside words that begin with a capital."""
    words = _words(text)
    starts = words & ~_previous(words)
    capitals = _each(text, str.isupper)
    since = _since(starts)
    first = np.arange(len(text)) - since
    return words & (first >= 0) & capitals[np.maximum(first, 0)]


def _after_sentence_end(text: str) -> Mask:
    """Return where the last character other than spaces, line ends and quotes ended a sentence."""
    skipped = _each(text, lambda each: each.isspace() or each in _QUOTES)
    ends = _each(text, _SENTENCE_ENDS.__contains__)
    last = np.arange(len(text)) - _since(~skipped)
    return (last >= 0) & ends[np.maximum(last, 0)]


def _position(boundaries: Callable[[str], Mask]) -> Callable[[str], Values]:
    return lambda text: np.minimum(_since(boundaries(text)), _FAR)


def _position_in_word(text: str) -> Values:
    return np.minimum(_run(_words(text)), _FAR)


def _length_of_last_word(text: str) -> Values:
    """Return the length of the last whole word."""
    words = _words(text)
    ends = words & ~_next(words)
    lengths = np.where(ends, _run(words), 0)
    last = np.arange(len(text)) - _since(ends)
    return np.minimum(np.where(last >= 0, lengths[np.maximum(last, 0)], 0), _FAR)


def _column(text: str) -> Values:
    return np.minimum(_since(_newlines(text)), 200)


def _near(count: int) -> Callable[[str], Mask]:
    return lambda text: (_until(_newlines(text)) <= count) & ~_newlines(text)


def _not(values: Callable[[str], Mask]) -> Callable[[str], Mask]:
    return lambda text: ~values(text)


def _next_is(values: Callable[[str], Mask]) -> Callable[[str], Mask]:
    return lambda text: _next(values(text))


def _after(values: Callable[[str], Mask]) -> Callable[[str], Mask]:
    """Return where the character before the last one is in the mask."""
    return lambda text: _previous(values(text))


def _is(predicate: Callable[[str], bool]) -> Callable[[str], Mask]:
    return lambda text: _each(text, predicate)


CONCEPTS: Final[dict[str, Concept]] = {
    "inside_quotes": Concept('inside "double quotes"', _inside_quotes),
    "inside_single_quotes": Concept("inside 'single quotes'", _inside_single_quotes),
    "inside_parentheses": Concept("inside (parentheses)", _inside("(", ")")),
    "inside_square_brackets": Concept("inside [square brackets]", _inside("[", "]")),
    "inside_braces": Concept("inside {braces}", _inside("{", "}")),
    "inside_angle_brackets": Concept("inside <angle brackets>", _matches(r"<[^<>\n]+")),
    "depth_of_parentheses": Concept("the depth of ( )", _depth("(", ")")),
    "depth_of_brackets": Concept("the depth of all brackets", _depth("([{", ")]}")),
    "deep_in_brackets": Concept(
        "inside two brackets or more", lambda text: _depth("([{", ")]}")(text) >= 2
    ),
    "inside_word": Concept("inside a word", _words),
    "beginning_of_word": Concept(
        "on the first letter of a word", lambda text: _position_in_word(text) == 1
    ),
    "position_in_word": Concept("letters since the word began", _position_in_word),
    "long_word": Concept("seven or more letters into a word", lambda t: _position_in_word(t) >= 7),
    "length_of_last_word": Concept("the length of the last whole word", _length_of_last_word),
    "capitalized_word": Concept("inside a word with a capital", _after_capital_word),
    "column": Concept("characters since the line began", _column),
    "beginning_of_line": Concept(
        "in the first three characters of a line", lambda t: _column(t) < 4
    ),
    "near_end_of_line": Concept("five or fewer characters before the line's end", _near(5)),
    "until_end_of_line": Concept("characters until the line ends, up to 40", _near_end_of_line),
    "indentation": Concept("the indentation of the line", _indentation),
    "empty_line": Concept("after an empty line", _matches(r"(?<=\n)\n")),
    "since_sentence_end": Concept(
        "characters since . ! or ?, up to 40", _position(_among(_SENTENCE_ENDS))
    ),
    "after_sentence_end": Concept("between two sentences", _after_sentence_end),
    "since_comma": Concept("characters since a comma, up to 40", _position(_among(",;:"))),
    "capital": Concept("a capital", _is(str.isupper)),
    "upper_case_run": Concept("in upper case: two capitals or more", _matches(r"[A-Z]{2,}")),
    "after_capital": Concept("after a capital", _after(_is(str.isupper))),
    "vowel": Concept("a vowel", _among(_VOWELS)),
    "consonant": Concept("a consonant", lambda text: _letters(text) & ~_among(_VOWELS)(text)),
    "after_vowel": Concept("after a vowel", _after(_among(_VOWELS))),
    "doubled_letter": Concept("a letter that came twice", _matches(r"(?<=([a-zA-Z]))\1")),
    "digit": Concept("a digit", _is(str.isdigit)),
    "inside_number": Concept("inside a number", _matches(r"\d[\d.,]*")),
    "space": Concept("a space", _among(" \t")),
    "several_spaces": Concept("in two spaces or more", _matches(r"[ \t]{2,}")),
    "line_end": Concept("a line end", _newlines),
    "punctuation": Concept(
        "punctuation", _is(lambda each: not each.isalnum() and not each.isspace())
    ),
    "after_comma": Concept("a comma, or the space after it", _matches(r", ?")),
    "hyphen": Concept("a hyphen or a dash", _among("-\u2013\u2014")),
    "url": Concept("inside a web address", _matches(r"(?:https?://|www\.)\S+")),
    "comment": Concept("inside a comment of code", _matches(r"(?:#|//|--).*$")),
    "assignment": Concept("after = in a line", _matches(r"=[^\n]*")),
    "tag_or_label": Concept("inside a label that ends in a colon", _matches(r"^[^\s:][^:\n]*:")),
    "next_is_space": Concept("before a space", _next_is(_among(" "))),
    "next_is_line_end": Concept("before a line end", _next_is(_newlines)),
    "next_is_capital": Concept("before a capital", _next_is(_is(str.isupper))),
    "next_is_vowel": Concept("before a vowel", _next_is(_among(_VOWELS))),
}
"""The concepts by name. New ones are found in the text of a model at once."""
