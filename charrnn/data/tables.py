"""TABLES: rows of cells, each with the name of its column.

    .csv, .tsv          a header and rows, divided by commas or tabs, or by --delimiter
    .jsonl, .ndjson     an object a line
    .json               an array of objects, or objects one after another
    .parquet            columns of any type

A file is a table by its suffix, in capitals or not, and `.gz` may follow it. Reading is strict: what
is ambiguous (a quote that is not closed, a row that is too short, a column that is named twice) is
refused with its line, and what a cell means is never guessed: `007` and `NA` are text.
"""

import datetime
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Any, BinaryIO, NamedTuple

from charrnn.errors import CorpusError

PARQUET, GZIP = ".parquet", ".gz"

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""What divides the cells of a row, where nothing else is said."""

_OTHER_DELIMITERS = ",;\t|:"
"""What may divide them otherwise, and is then advised."""

LONGEST_OBJECT = 1 << 26
"""Characters of an object of a `.json` file; in what is longer, one of its brackets is missing."""


class Row(NamedTuple):
    """A row of a table, and where it is: the file, and the line where the row begins, from 1 on; of
    `.parquet`, the number of the row.

    A row that is wrong by itself, such as one with a cell too many, has a `problem` instead of cells: the
    others can be read. Those who need all rows take cells by `row_cell`, which raises it."""

    where: str
    cells: dict[str, Any]
    problem: str | None = None

    @property
    def place(self) -> tuple[str, int]:
        """What it is known by in its table: ("line", 7), or ("row", 7)."""
        kind, number = self.where.rsplit(maxsplit=2)[1:]
        return kind, int(number)


def table_suffix(path: str | PurePath) -> str | None:
    """The suffix that makes a table of a file, in small letters and less `.gz`; None for other files."""
    suffix = PurePath(PurePath(path).name.lower().removesuffix(GZIP)).suffix
    return suffix if suffix in TABLE_SUFFIXES else None


def is_table(path: str | PurePath) -> bool:
    """Whether a file of this name is a table."""
    return table_suffix(path) is not None


def csv_rows(
    name: str, texts: Iterable[str], columns: Sequence[str], delimiter: str
) -> Iterator[Row]:
    """The rows below a header; an empty cell is None, and empty lines are passed over.

    A cell that begins with a quote ends with one, and has its own quotes twice. Raises CorpusError.
    """
    # Not pandas, nor `datasets`: they turn the text `007` into 7 and `NA` into nothing. And not
    # Python's csv, which reads on where quotes are wrong.
    records = _records(name, _lines(texts), delimiter)
    line, header = next(records, (0, []))
    if not line:
        return
    _check_columns(f"{name}: line {line}", header, columns, _advice(header, columns, delimiter))
    for line, cells in records:
        if len(cells) != len(header):
            problem = (
                f"it has {_cells(len(cells))}, and the header has {len(header):,}; a cell with "
                f"{delimiter!r} in it needs quotes around it"
            )
            yield Row(f"{name}: line {line}", {}, problem)
            continue
        yield Row(
            f"{name}: line {line}",
            {title: cell or None for title, cell in zip(header, cells, strict=True)},
        )


def jsonl_rows(
    name: str, texts: Iterable[str], _columns: Sequence[str], _delimiter: str
) -> Iterator[Row]:
    """The objects, one a line, each with the columns it has. Raises CorpusError."""
    for number, line in enumerate(_lines(texts), 1):
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
    """The objects of an array, or those that stand one after another, only one of which is in memory
    at a time, each with the columns it has. Raises CorpusError."""
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
                    raise text.error("an object is missing behind the last comma")
            elif text.peek() != "]":
                raise text.error("a comma, or the closing bracket, is missing")
    if array:
        text.skip()
    if text.peek():
        raise text.error("there is more behind the closing bracket")


def parquet_rows(name: str, file: BinaryIO, columns: Sequence[str]) -> Iterator[Row]:
    """The rows, with those columns alone. Raises CorpusError."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise CorpusError(
            f"{name}: .parquet files are read with pyarrow, which is missing or broken; install it "
            f"with: pip install pyarrow ({error})"
        ) from error
    number = 1
    try:
        with parquet.ParquetFile(file) as table:
            _check_columns(name, table.schema_arrow.names, columns)
            for batch in table.iter_batches(columns=list(columns)):
                for cells in batch.to_pylist():
                    yield Row(f"{name}: row {number}", cells)
                    number += 1
    except UnicodeDecodeError as error:
        raise CorpusError(f"{name}: from row {number} on: its text is not UTF-8") from error
    except (pyarrow.ArrowException, OverflowError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise CorpusError(f"{name}: not a Parquet file: {problem}") from error


TextReader = Callable[[str, Iterable[str], Sequence[str], str], Iterator[Row]]
"""Reads a table that is text: its name, its text in pieces, the columns that it must have, and what
divides its cells."""

TEXT_TABLES: dict[str, TextReader] = {
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".json": json_rows,
}

TABLE_SUFFIXES = (*TEXT_TABLES, PARQUET)


def is_missing(cell: object) -> bool:
    """Whether a cell says that there is nothing: None, NaN, NaT, or pandas' NA."""
    try:
        return cell is None or bool(cell != cell)  # noqa: PLR0124
    except TypeError:  # NA is neither equal to itself nor not
        return True
    except ValueError:  # of an array
        return False


def row_cell(row: Row, column: str) -> Any:
    """What a row has in a column. Raises CorpusError where it lacks the column, or is no row."""
    if row.problem is not None:
        raise CorpusError(f"{row.where}: {row.problem}")
    if column not in row.cells:
        raise CorpusError(f"{row.where}: {no_column(row.cells, column)}")
    return row.cells[column]


def row_text(row: Row, column: str) -> str | None:
    """The text that a row has in a column; None where it is missing. Raises CorpusError where it is no
    text."""
    try:
        return cell_text(row_cell(row, column))
    except ValueError as error:
        raise CorpusError(f"{row.where}: its {column!r} holds {error}") from error


def no_column(header: Iterable[str], column: str) -> str:
    """What to say where a column is missing."""
    shown = ", ".join(each if each == each.strip() else repr(each) for each in header)
    shown = f"{shown[:200]}..." if len(shown) > 200 else shown or "none"
    return f"it has no column {column!r}; it has {shown}"


def cell_text(cell: object, *, errors: str = "strict") -> str | None:
    """What a cell says; None where it is missing.

    Numbers that are equal are written in one way, whatever their type: 1, 1.0 and Decimal("1.00") are
    `1`. Booleans are `True` and `False`, dates and times as ISO 8601 has them, bytes are UTF-8.

    Args:
        errors: what to do with bytes that are not UTF-8, as `bytes.decode` has it.

    Raises ValueError for what is no text, such as a list.
    """
    match cell:
        case str():
            return cell
        case bytes():
            try:
                return cell.decode("utf-8", errors)
            except UnicodeDecodeError as error:
                raise ValueError("bytes that are not UTF-8") from error
        case _ if is_missing(cell):
            return None
        case bool() | datetime.date() | datetime.time():  # a datetime is a date
            return str(cell)
        case int() | float() | Decimal():
            return _number_text(cell)
    raise ValueError(f"{_TYPES.get(type(cell), type(cell).__name__)}, not text")


_TYPES: dict[type, str] = {list: "a list", dict: "an object", tuple: "a list"}


def _number_text(number: float | Decimal) -> str:
    try:
        whole = int(number)
    except (OverflowError, ValueError):  # it is infinite
        return str(float(number))
    if whole == number:
        return str(whole)
    if isinstance(number, Decimal):
        same = float(number)
        if Decimal(repr(same)) != number:  # more digits than a float has
            return format(number.normalize(), "f")
        number = same
    return repr(float(number))


def _check_columns(
    where: str, header: Sequence[str], columns: Sequence[str], advice: str = ""
) -> None:
    """Raises CorpusError where a column is missing, or one is named twice. Those without a name, such as
    pandas' index, cannot be asked for, and may be several."""
    named = [title for title in header if title]
    for column in columns:
        if column not in named:
            raise CorpusError(f"{where}: {no_column(named, column)}{advice}")
    if len(set(named)) < len(named):
        twice = next(title for title in named if named.count(title) > 1)
        raise CorpusError(f"{where}: it has two columns named {twice!r}; rename one of them")


def _advice(header: Sequence[str], columns: Sequence[str], delimiter: str) -> str:
    """What to say of a header that lacks columns which it has when it is divided otherwise."""
    line = delimiter.join(header)
    if re.fullmatch("sep=.", line):  # Excel's own
        return f"; leave out that line, and say --delimiter {line[-1]!r}"
    for other in _OTHER_DELIMITERS.replace(delimiter, ""):
        if all(column in [cell.strip('"') for cell in line.split(other)] for column in columns):
            return f"; its cells seem to be divided by {other!r}: say so with --delimiter {other!r}"
    return ""


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count:,} cells"


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Lines, each with the newline, the carriage return, or both, that end it."""
    pending: list[str] = []
    for text in texts:
        pending.append(text)
        if "\n" in text or "\r" in text:
            lines = io.StringIO("".join(pending), newline="").readlines()
            # The last may go on; so may a carriage return, with a newline.
            pending = [lines.pop()] if not lines[-1].endswith("\n") else []
            yield from lines
    yield from io.StringIO("".join(pending), newline="").readlines()


_INSIDE = re.compile(r'[^"]*+(?:""[^"]*+)*+')
"""What may stand between the quotes around a cell."""


def _records(name: str, texts: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, and the number of the line that it begins in."""
    lines = iter(enumerate(texts, 1))
    for number, line in lines:
        if '"' in line:
            yield number, _quoted_cells(name, number, line, lines, delimiter)
        elif line := line.rstrip("\r\n"):
            yield number, line.split(delimiter)


def _quoted_cells(
    name: str, number: int, line: str, more: Iterator[tuple[int, str]], delimiter: str
) -> list[str]:
    """The cells of a row with quotes, which may go on over more lines."""
    cells, at = [], 0
    while True:
        if not line.startswith('"', at):
            end = line.find(delimiter, at)
            cell = line[at:end] if end >= 0 else line[at:].rstrip("\r\n")
            # Those who divide by tabs mostly write quotes as they are.
            if '"' in cell and delimiter != "\t":
                raise CorpusError(
                    f"{name}: line {number}: it has a quote in the middle of a cell; put quotes "
                    "around such a cell, and write its own twice"
                )
            cells.append(cell)
            if end < 0:
                return cells
            at = end + 1
            continue
        opened, parts = number, list[str]()
        at += 1
        while True:
            inside = _INSIDE.match(line, at)
            assert inside is not None
            parts.append(inside[0].replace('""', '"'))
            at = inside.end() + 1
            if at <= len(line):
                break
            number, line = next(more, (0, ""))
            at = 0
            if not line:
                raise CorpusError(
                    f"{name}: line {opened}: it has a quote that is never closed; write quotes "
                    "that belong to a cell twice"
                )
        cells.append("".join(parts))
        if line[at:] in ("", "\n", "\r", "\r\n"):
            return cells
        if not line.startswith(delimiter, at):
            closed = "" if number == opened else f" on line {number}"
            advice = "write quotes that belong to a cell twice"
            if line[at] in _OTHER_DELIMITERS:
                advice += f"; if its cells are divided by {line[at]!r}, say so with --delimiter"
            raise CorpusError(
                f"{name}: line {opened}: a cell in quotes begins there and goes on behind the quote "
                f"that closes it{closed}; {advice}"
            )
        at += 1


class _RepeatedKeyError(ValueError):
    """An object has the same key twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _RepeatedKeyError(f"an object has the key {twice!r} twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs)


def _object_row(name: str, line: int, cells: Any) -> Row:
    if not isinstance(cells, dict):
        return Row(f"{name}: line {line}", {}, "it is not a JSON object")
    return Row(f"{name}: line {line}", cells)


class _JSONText:
    """JSON that is read in pieces, value after value."""

    def __init__(self, name: str, texts: Iterable[str]) -> None:
        self.line = 1
        self._name, self._texts = name, iter(texts)
        self._text, self._at = "", 0

    def peek(self) -> str:
        """The next character that is not white space; none at the end."""
        while True:
            rest = self._text[self._at : self._at + 1]
            if rest and not rest.isspace():
                return rest
            if rest:
                self._go_to(_SPACE.match(self._text, self._at).end())  # type: ignore[union-attr]
            elif not self._more():
                return ""

    def skip(self) -> None:
        """Goes past one character."""
        self._go_to(self._at + 1)

    def value(self) -> Any:
        """The value that begins here. Raises CorpusError."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                break
            except (ValueError, RecursionError) as error:
                line, problem = self.line, str(error)
                if isinstance(error, json.JSONDecodeError):
                    line += self._text.count("\n", self._at, error.pos)
                    problem = error.msg
                    # Its end may only not have been read yet.
                    if len(self._text) - self._at <= LONGEST_OBJECT and self._more():
                        continue
                raise CorpusError(f"{self._name}: line {line} is not JSON: {problem}") from error
        self._go_to(end)
        return value

    def error(self, problem: str) -> CorpusError:
        """Of what stands here."""
        return CorpusError(f"{self._name}: line {self.line} is not JSON: {problem}")

    def _go_to(self, place: int) -> None:
        self.line += self._text.count("\n", self._at, place)
        self._at = place

    def _more(self) -> bool:
        """Reads on, as much as there is unread text: to read a long value takes time that is linear."""
        self._text, self._at = self._text[self._at :], 0
        before, pieces = len(self._text), [self._text]
        added = 0
        for piece in self._texts:
            pieces.append(piece)
            added += len(piece)
            if added >= before:
                break
        self._text = "".join(pieces)
        return added > 0


_SPACE = re.compile(r"\s*")
