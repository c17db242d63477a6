"""Shortens the names of variables in a script, so that it takes less room.

A name is shortened everywhere or nowhere: only if it is declared in the script, is no name of a
property, of a method or of anything in a browser, and does not stand where it might be one.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from string import ascii_letters
from typing import Final

from charrnn.export.javascript_tokens import Token

_KEYWORDS_TEXT: Final = (
    "async await break case catch class const continue debugger default delete do else export "
    "extends false finally for from function get if import in instanceof let new null of return "
    "set static super switch this throw true try typeof undefined var void while with yield "
    "arguments eval enum implements interface package private protected public NaN Infinity"
)
_KEYWORDS: Final = frozenset(_KEYWORDS_TEXT.split())
_GLOBALS_TEXT: Final = (
    "addEventListener alert atob blur btoa caches cancelAnimationFrame clearInterval clearTimeout "
    "close closed confirm console crypto customElements dispatchEvent document event external "
    "fetch find focus frames getComputedStyle getSelection globalThis history innerHeight "
    "innerWidth isSecureContext length localStorage location matchMedia moveBy moveTo name "
    "navigation navigator onerror onmessage open opener origin outerHeight outerWidth parent "
    "performance postMessage print prompt queueMicrotask removeEventListener "
    "requestAnimationFrame requestIdleCallback resizeTo screen screenX screenY scroll scrollBy "
    "scrollTo scrollX scrollY self sessionStorage setInterval setTimeout speechSynthesis status "
    "stop structuredClone top visualViewport window isNaN isFinite parseInt parseFloat escape "
    "unescape"
)
_GLOBALS: Final = frozenset(_GLOBALS_TEXT.split())
"""Names in a browser that a variable might have, too. Those of classes begin with a capital."""


def shorten_names(script: Sequence[Token]) -> list[Token]:
    """Return the tokens of a script, without comments and spaces, with short names of variables."""
    kept = _names_to_keep(script)
    uses = Counter(
        token.text for token in script if token.kind == "word" and token.text not in kept
    )
    taken = {token.text for token in script if token.kind == "word"} | _KEYWORDS
    short = (name for name in _short_names() if name not in taken)
    new = {name: next(short) for name, _ in sorted(uses.items(), key=lambda use: (-use[1], use[0]))}
    new = {name: other for name, other in new.items() if len(other) < len(name)}
    return [
        token._replace(text=new.get(token.text, token.text)) if token.kind == "word" else token
        for token in script
    ]


def _short_names() -> Iterator[str]:
    """Yield a, b, ..., Z, aa, ab, ..., without end."""
    for length in count(1):
        names = [""]
        for _ in range(length):
            names = [name + letter for name in names for letter in ascii_letters]
        yield from names


def _names_to_keep(script: Sequence[Token]) -> set[str]:
    """Return the names that are not declared in the script, or that may mean something else."""
    texts = [token.text for token in script if token.kind != "line"]
    kinds = [token.kind for token in script if token.kind != "line"]
    declared, kept = set(_declared(texts, kinds)), set(_KEYWORDS | _GLOBALS)
    ends = _closing_places(texts, kinds)
    opened: list[str] = []
    for place, text in enumerate(texts):
        if kinds[place] == "sign" and text in "({[":
            opened.append("class" if text == "{" and _begins_class(texts, place) else text)
        elif kinds[place] == "sign" and text in ")}]":
            opened.pop()
        elif kinds[place] == "text":
            if text.startswith("}"):
                opened.pop()
            if text.endswith("${"):
                opened.append("${")
        elif kinds[place] == "word":
            around = opened[-1] if opened else ""
            is_property = around == "class" or _may_be_property(texts, place, around, ends)
            if text not in declared or is_property or text.startswith("#"):
                kept.add(text)
    return kept


def _declared(texts: list[str], kinds: list[str]) -> Iterator[str]:
    """Yield the names that declarations and lists of parameters declare."""
    for place, text in enumerate(texts):
        if text in ("const", "let", "class", "function") and kinds[place] == "word":
            following = place + 1 + (texts[place + 1] == "*")
            if kinds[following] == "word":
                yield texts[following]
            elif texts[following] == "[":
                yield from _plain_list(texts, kinds, following)
        elif text == "(":
            names = _plain_list(texts, kinds, place)
            end = place + 2 * len(names)
            if names and texts[end + 1] in ("=>", "{"):
                yield from names
        elif text == "=>" and kinds[place - 1] == "word":
            yield texts[place - 1]


def _plain_list(texts: list[str], kinds: list[str], opening: int) -> list[str]:
    """Return the names in brackets that hold nothing but names and commas; none otherwise."""
    names = []
    place = opening + 1
    while kinds[place] == "word":
        names.append(texts[place])
        if texts[place + 1] != ",":
            return names if texts[place + 1] in (")", "]") else []
        place += 2
    return []


def _closing_places(texts: list[str], kinds: list[str]) -> dict[int, int]:
    """Return the place of the closing parenthesis of each opening one."""
    found, opened = {}, []
    for place, text in enumerate(texts):
        if kinds[place] == "sign" and text == "(":
            opened.append(place)
        elif kinds[place] == "sign" and text == ")":
            found[opened.pop()] = place
    return found


def _begins_class(texts: list[str], place: int) -> bool:
    before = texts[max(place - 4, 0) : place]
    return "class" in (before[-2:-1] + before[-4:-3]) and "{" not in before


def _may_be_property(texts: list[str], place: int, around: str, ends: dict[int, int]) -> bool:
    """Return whether the word at a place may be the name of a property or of a method."""
    before = texts[place - 1] if place else ""
    after = texts[place + 1] if place + 1 < len(texts) else ""
    if before in (".", "?.") or after == ":":
        return True
    if around != "{":
        return False
    if before in ("{", ",") and after in (",", "}", "="):
        return True
    if after != "(" or before == "function" or texts[place - 2 : place] == ["function", "*"]:
        return False
    following = ends[place + 1] + 1
    return following < len(texts) and texts[following] == "{"
