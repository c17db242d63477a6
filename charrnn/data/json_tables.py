"""Tables of JSON objects: one per line, or the elements of an array."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from charrnn.data.table_cells import LONGEST_ROW, Row, lines_of
from charrnn.errors import CorpusError


def jsonl_rows(
    name: str, texts: Iterable[str], _columns: Sequence[str], _delimiter: str
) -> Iterator[Row]:
    """Yield the objects, one per line, each with the columns it has. Raises CorpusError."""
    for number, line in enumerate(lines_of(name, texts), 1):
        if line.strip():
            try:
                cells = _DECODER.decode(line.removeprefix("\ufeff"))
            except (ValueError, RecursionError) as error:
                reason = str(error)
                if isinstance(error, json.JSONDecodeError):
                    reason = f"{error.msg} at its character {error.pos + 1:,}"
                yield Row(f"{name}: line {number}", {}, f"it is not JSON: {reason}")
                continue
            yield _object_row(name, number, cells)


def json_rows(
    name: str, texts: Iterable[str], _columns: Sequence[str], _delimiter: str
) -> Iterator[Row]:
    """Yield the objects of an array, or objects one after another, each with the columns it has.
    Only one is in memory at a time. Raises CorpusError."""
    text = _JSONText(name, texts)
    array = text.peek() == "["
    if array:
        text.skip()
    while text.peek() not in ("", "]"):
        line = text.line
        yield _object_row(name, line, text.value())
        if array:
            if text.peek() == ",":
                text.skip()
                if text.peek() == "]":
                    raise text.error("an object is missing after the last comma")
            elif text.peek() != "]":
                raise text.error("a comma, or the closing bracket, is missing")
    if array:
        text.skip()
    if text.peek():
        raise text.error("there is more after the closing bracket")


class _RepeatedKeyError(ValueError):
    """An object has the same key twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _RepeatedKeyError(f"an object has the key {twice!r} twice")
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_pairs)


def _object_row(name: str, line: int, cells: Any) -> Row:
    if not isinstance(cells, dict):
        return Row(f"{name}: line {line}", {}, "it is not a JSON object")
    return Row(f"{name}: line {line}", cells)


class _JSONText:
    """JSON that is read in chunks, value by value."""

    def __init__(self, name: str, texts: Iterable[str]) -> None:
        self.line = 1
        self._name, self._texts = name, iter(texts)
        self._text, self._at = "", 0

    def peek(self) -> str:
        """Return the next character that is not white space; none at the end."""
        while True:
            rest = self._text[self._at : self._at + 1]
            if rest and not rest.isspace():
                return rest
            if rest:
                self._go_to(_SPACE.match(self._text, self._at).end())  # type: ignore[union-attr]
            elif not self._more():
                return ""

    def skip(self) -> None:
        """Skip one character."""
        self._go_to(self._at + 1)

    def value(self) -> Any:
        """Return the value that begins here. Raises CorpusError."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                break
            except (ValueError, RecursionError) as error:
                line, problem = self.line, str(error)
                if isinstance(error, json.JSONDecodeError):
                    line += self._text.count("\n", self._at, error.pos)
                    problem = error.msg.removesuffix(" starting at")
                    # Perhaps the end of the value has not been read yet.
                    if len(self._text) - self._at <= LONGEST_ROW and self._more():
                        continue
                raise CorpusError(
                    f"{self._name}: line {line}: it is not JSON: {problem}"
                ) from error
        self._go_to(end)
        return value

    def error(self, problem: str) -> CorpusError:
        """Return an error at the current position."""
        return CorpusError(f"{self._name}: line {self.line}: it is not JSON: {problem}")

    def _go_to(self, place: int) -> None:
        self.line += self._text.count("\n", self._at, place)
        self._at = place

    def _more(self) -> bool:
        """Read as much again as there is unread text, so that the time for a long value is
        linear."""
        self._text, self._at = self._text[self._at :], 0
        before, chunks = len(self._text), [self._text]
        added = 0
        for chunk in self._texts:
            chunks.append(chunk)
            added += len(chunk)
            if added >= before:
                break
        self._text = "".join(chunks)
        return added > 0


_SPACE: Final = re.compile(r"\s*")
