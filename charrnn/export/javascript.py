"""The page's modules as one script: without imports and exports, comments and indentation.

It knows the JavaScript that the page's modules are written in, and refuses anything else: named
imports from relative paths, named exports of declarations, and names at the top of modules that no
other module has.
"""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from charrnn.export.javascript_tokens import ScriptError, Token, tokens
from charrnn.export.short_names import shorten_names


@dataclass(frozen=True)
class Module:
    """A module of the page.

    Attributes:
        name: its path in the page's folder.
        body: its tokens without imports, exports, comments and spaces.
        imports: the names that it takes from other modules, by the path of each.
        exports: the names that others may take.
        names: all names at its top, but those of imports.
    """

    name: str
    body: tuple[Token, ...]
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
            tuple(each for each in body if each.kind != "space"),
            self.imports,
            frozenset(self.exports),
            tuple(self.names),
        )

    def _refuse(self, token: Token, depth: int) -> None:
        if token.kind == "word" and token.text in ("import", "export"):
            before = next(
                each for each in reversed(self._all[: self._place]) if each.kind != "space"
            )
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


def _joined(body: list[Token]) -> str:
    """Return the source of tokens without empty lines, and with spaces only where they part
    something."""
    found: list[str] = []
    before = Token("line", "\n", 0)
    for token in body:
        if token.kind == "line" and before.kind == "line":
            continue
        if token.kind == "line":
            found.append("\n")
        else:
            found.append(f" {token.text}" if _would_join(before, token) else token.text)
        before = token
    return "".join(found)


def _would_join(before: Token, token: Token) -> bool:
    """Return whether two tokens without a space between them might be read as others."""
    named = ("word", "number", "regex")
    if before.kind in named and token.kind in named:
        return True
    return before.text[-1] + token.text[0] in _JOINING


_JOINING: Final = ("++", "--", "//", "/*", "<!")
"""Signs that begin something else where they stand together."""


def bundle(entry: str, read: Callable[[str], str], *, short: bool = False) -> str:
    """Return a module and all that it imports as one script.

    Args:
        entry: the name of the module to begin with.
        read: returns the source of a module by its name. Raises KeyError for an unknown one.
        short: whether to shorten the names of variables.

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
    end = Token("line", "\n", 0)
    body = [token for module in modules.values() for token in (*module.body, end)]
    return f'(() => {{\n"use strict";\n{_joined(shorten_names(body) if short else body)}}})();\n'


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
