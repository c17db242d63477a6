"""The page's modules as one script: without imports and exports, comments and indentation.

It knows the JavaScript that the page's modules are written in, and refuses anything else: named
imports from relative paths, named exports of declarations, and names at the top of modules that no
other module has.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
_BEFORE_REGEX: Final = frozenset(
    "return typeof case in of delete void throw new else do yield await instanceof".split()
)


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
        raise ScriptError(f"{name}, line {line}: unknown JavaScript: {source[place : place + 20]!r}")
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


@dataclass(frozen=True)
class Module:
    """A module of the page.

    Attributes:
        name: its path in the page's folder.
        body: its source without imports, exports, comments, indentation and empty lines.
        imports: the names that it takes from other modules, by the path of each.
        exports: the names that others may take.
        names: all names at its top, but those of imports.
    """

    name: str
    body: str
    imports: dict[str, tuple[str, ...]]
    exports: frozenset[str]
    names: tuple[str, ...]


_DECLARATIONS: Final = ("const", "let", "class", "function", "async")


class _Reader:
    """The reader of one module."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._all = [each for each in tokens(source, name) if each.kind != "comment"]
        self._place = 0
        self.imports: dict[str, tuple[str, ...]] = {}
        self.exports: set[str] = set()
        self.names: list[str] = []

    def read(self) -> Module:
        """Read the module. Raises ScriptError."""
        body, depth = [], 0
        while self._place < len(self._all):
            token = self._all[self._place]
            if token.kind == "word" and depth == 0 and self._begins_line():
                if token.text == "import":
                    self._read_import()
                    continue
                if token.text == "export":
                    self._read_export()
                    continue
                if token.text in _DECLARATIONS:
                    self.names += self._declared(self._place)
            self._refuse(token, depth)
            if token.kind == "sign":
                depth += (token.text in "({[") - (token.text in ")}]")
            if token.kind == "text":
                depth += token.text.endswith("${") - token.text.startswith("}")
            body.append(token)
            self._place += 1
        return Module(
            self._name,
            _without_indentation(body),
            self.imports,
            frozenset(self.exports),
            tuple(self.names),
        )

    def _refuse(self, token: Token, depth: int) -> None:
        if token.kind == "word" and token.text in ("import", "export"):
            before = next((each for each in reversed(self._all[: self._place]) if each.kind != "space"))
            if before.text != ".":
                raise self._error(token, f"{token.text} may only begin a line at the top")
        if token.kind == "word" and depth == 0 and token.text in ("await", "var"):
            raise self._error(token, f"no {token.text} at the top")

    def _begins_line(self) -> bool:
        return self._place == 0 or self._all[self._place - 1].kind == "line"

    def _read_import(self) -> None:
        """Read `import { a, b } from "./module.js";`."""
        first = self._all[self._place]
        texts = self._statement()
        match texts:
            case ["import", "{", *names, "}", "from", path, ";"] if _is_list(names):
                pass
            case _:
                raise self._error(first, 'write imports as import { a, b } from "./module.js";')
        if not re.fullmatch(r'"\.{1,2}/[\w./]+\.js"', path):
            raise self._error(first, f"{path}: import from a relative path in double quotes")
        where = posixpath.normpath(posixpath.join(posixpath.dirname(self._name), path[1:-1]))
        taken = tuple(each for each in names if each != ",")
        self.imports[where] = self.imports.get(where, ()) + taken

    def _statement(self) -> list[str]:
        """Return the texts of the tokens up to a semicolon, without spaces, and go past it."""
        texts: list[str] = []
        while texts[-1:] != [";"] and self._place < len(self._all):
            token = self._all[self._place]
            self._place += 1
            if token.kind not in ("space", "line"):
                texts.append(token.text)
        if self._place < len(self._all) and self._all[self._place].kind == "line":
            self._place += 1
        return texts

    def _read_export(self) -> None:
        """Go past `export`, and note the names that its declaration has."""
        first = self._all[self._place]
        self._place += 1
        while self._all[self._place].kind == "space":
            self._place += 1
        if self._all[self._place].text not in _DECLARATIONS:
            raise self._error(first, "export declarations only, by their names")
        declared = self._declared(self._place)
        self.exports |= set(declared)
        self._all[self._place - 1] = Token("line", "\n", first.line)

    def _declared(self, place: int) -> list[str]:
        """Return the names that the declaration at a place declares."""
        rest = [each for each in self._all[place:] if each.kind not in ("space", "line")]
        texts = [each.text for each in rest[:200]]
        match texts:
            case ["async", "function", "*", name, *_]:
                found = [name]
            case ["async", "function", name, *_] | ["function", "*", name, *_]:
                found = [name]
            case [("function" | "class"), name, *_]:
                found = [name]
            case [("const" | "let"), ("[" | "{") as opening, *names]:
                end = names.index("]" if opening == "[" else "}")
                found = [each for each in names[:end] if each != ","]
                if not _is_list(names[:end]):
                    raise self._error(rest[0], "take a list or object apart by plain names")
            case [("const" | "let"), name, "=" | ";", *_]:
                found = [name]
            case _:
                raise self._error(rest[0], "unknown declaration")
        if not all(re.fullmatch(r"[A-Za-z_$][\w$]*", each) for each in found):
            raise self._error(rest[0], "unknown declaration")
        return found

    def _error(self, token: Token, message: str) -> ScriptError:
        return ScriptError(f"{self._name}, line {token.line}: {message}")


def _is_list(texts: list[str]) -> bool:
    """Return whether texts are names with commas between them, and maybe one at the end."""
    names, commas = texts[::2], texts[1::2]
    return all(map(str.isidentifier, names)) and set(commas) <= {","} and bool(names)


def _without_indentation(body: list[Token]) -> str:
    """Return the source of tokens without empty lines, and without spaces that part nothing."""
    found: list[Token] = []
    for token in body:
        before = found[-1] if found else Token("line", "\n", 0)
        if token.kind == "space":
            continue
        if token.kind == "line":
            if before.kind != "line":
                found.append(Token("line", "\n", token.line))
            continue
        if _would_join(before, token):
            found.append(Token("space", " ", token.line))
        found.append(token)
    return "".join(each.text for each in found).strip() + "\n"


def _would_join(before: Token, token: Token) -> bool:
    """Return whether two tokens without a space between them might be read as others."""
    named = ("word", "number", "regex")
    if before.kind in named and token.kind in named:
        return True
    return before.text[-1] + token.text[0] in _JOINING


_JOINING: Final = ("++", "--", "//", "/*", "<!")
"""Signs that begin something else where they stand together."""


def bundle(entry: str, read: Callable[[str], str]) -> str:
    """Return a module and all that it imports as one script.

    Args:
        entry: the name of the module to begin with.
        read: returns the source of a module by its name. Raises KeyError for an unknown one.

    Raises ScriptError when the modules have JavaScript that is not known, import what is not
    exported, import each other, or declare a name twice.
    """
    modules: dict[str, Module] = {}
    _collect(entry, read, modules, ())
    owners: dict[str, str] = {}
    for module in modules.values():
        for name in module.names:
            if name in owners:
                raise ScriptError(f"{name} is declared in {owners[name]} and in {module.name}")
            owners[name] = module.name
    bodies = "".join(module.body for module in modules.values())
    return f'(() => {{\n"use strict";\n{bodies}}})();\n'


def _collect(
    name: str, read: Callable[[str], str], modules: dict[str, Module], above: tuple[str, ...]
) -> None:
    """Add a module after those that it imports."""
    if name in above:
        raise ScriptError(f"modules import each other: {' > '.join((*above, name))}")
    if name in modules:
        return
    try:
        source = read(name)
    except KeyError:
        raise ScriptError(f"{above[-1] if above else name}: there is no module {name}") from None
    module = _Reader(name, source).read()
    for imported, names in module.imports.items():
        _collect(imported, read, modules, (*above, name))
        if missing := set(names) - modules[imported].exports:
            raise ScriptError(f"{name}: {imported} does not export {', '.join(sorted(missing))}")
    modules[name] = module
