"""The tokens of the JavaScript that the page's modules are written in."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple


class ScriptError(ValueError):
    """A module has JavaScript that cannot be put into one script."""


class Token(NamedTuple):
    """A piece of JavaScript.

    Attributes:
        kind: `space`, `line` (an end of a line), `comment`, `text` (a string, or a part of a
            template), `regex`, `word`, `number` or `sign`.
        text: its characters.
        line: the line that it begins in, from 1 on.
    """

    kind: str
    text: str
    line: int


_PATTERN: Final = re.compile(
    r"""
      (?P<line>\r?\n)
    | (?P<space>[ \t]+)
    | (?P<comment>//[^\n]*|/\*.*?\*/)
    | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<number>(?:0[xX][0-9a-fA-F_]+|(?:\d[\d_]*)?\.?\d[\d_]*(?:[eE][+-]?\d+)?)n?)
    | (?P<word>[A-Za-z_$\#][\w$]*)
    | (?P<template>`)
    | (?P<sign>=>|\+\+|--|\.\.\.|\?\.(?!\d)|[-+*/%<>=!&|^~?:;,.(){}\[\]])
    """,
    re.VERBOSE | re.DOTALL,
)
_TEMPLATE: Final = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(?P<end>`|\$\{)", re.DOTALL)
_REGEX: Final = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_BEFORE_DIVISION: Final = (")", "]")
_BEFORE_REGEX_TEXT: Final = (
    "return typeof case in of delete void throw new else do yield await instanceof"
)
_BEFORE_REGEX: Final = frozenset(_BEFORE_REGEX_TEXT.split())


def tokens(source: str, name: str) -> Iterator[Token]:
    """Yield the tokens of a module, which together are its source. Raises ScriptError."""
    place, line = 0, 1
    before = Token("sign", ";", 0)
    braces: list[str] = []  # what each open brace belongs to: a block, or a template
    while place < len(source):
        in_template = source[place] == "}" and braces[-1:] == ["template"]
        token = _regex(source, place, line, before)
        if token is None and in_template:
            braces.pop()
            token = _template(source, place, line, name)
        elif token is None:
            token = _plain(source, place, line, name)
        if token.kind == "text" and token.text.endswith("${"):
            braces.append("template")
        elif token.kind == "sign" and token.text == "{":
            braces.append("block")
        elif token.kind == "sign" and token.text == "}":
            if not braces:
                raise ScriptError(f"{name}, line {line}: a brace closes nothing")
            braces.pop()
        yield token
        place += len(token.text)
        line += token.text.count("\n")
        if token.kind not in ("space", "line", "comment"):
            before = token
    if braces:
        raise ScriptError(f"{name}: a brace is not closed")


def _plain(source: str, place: int, line: int, name: str) -> Token:
    found = _PATTERN.match(source, place)
    if found is None or found.lastgroup is None:
        raise ScriptError(
            f"{name}, line {line}: unknown JavaScript: {source[place : place + 20]!r}"
        )
    if found.lastgroup == "template":
        return _template(source, place, line, name)
    return Token(found.lastgroup, found[0], line)


def _template(source: str, place: int, line: int, name: str) -> Token:
    """Return the part of a template from its beginning, or from the end of an expression, on."""
    found = _TEMPLATE.match(source, place + 1)
    if found is None:
        raise ScriptError(f"{name}, line {line}: a template does not end")
    return Token("text", source[place : found.end()], line)


def _regex(source: str, place: int, line: int, before: Token) -> Token | None:
    """Return the regular expression at a place, where there is one."""
    if source[place] != "/" or source[place + 1 : place + 2] in ("/", "*"):
        return None
    divides = before.kind in ("number", "text", "regex") or before.text in _BEFORE_DIVISION
    if divides or (before.kind == "word" and before.text not in _BEFORE_REGEX):
        return None
    if before.text == "}":
        raise ScriptError(f"line {line}: write no slash after a brace: it may mean two things")
    found = _REGEX.match(source, place)
    return None if found is None else Token("regex", found[0], line)
