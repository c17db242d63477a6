"""Rows of tables, and their cells as text."""

import datetime
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from charrnn.errors import CorpusError

LONGEST_ROW: Final = 1 << 26
"""The most characters of a row of a text table: a longer row lacks its closing quote or bracket."""


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        where: the file, and the line where the row begins, from 1 on; for `.parquet`, the row.
        cells: the cells, by the names of their columns.
        problem: why the row cannot be used, such as too many cells; other rows can still be used.
            `row_cell` raises it.
    """

    where: str
    cells: dict[str, Any]
    problem: str | None = None

    @property
    def place(self) -> tuple[str, int]:
        """The position in the table: ("line", 7), or ("row", 7)."""
        kind, number = self.where.rsplit(maxsplit=2)[1:]
        return kind, int(number)


def is_missing(value: object) -> bool:
    """Return whether a value stands for a missing one: None, NaN, NaT, pandas' NA, or NumPy's
    masked."""
    if value is None or type(value).__name__ == "MaskedConstant":  # without loading NumPy
        return True
    try:
        return bool(value != value)
    except (TypeError, ArithmeticError):  # NA has no truth value when compared; a signaling NaN
        return True
    except ValueError:  # raised for an array
        return False


def row_cell(row: Row, column: str) -> Any:
    """Return the cell of a row in a column. Raises CorpusError where it is missing, or the row has
    a problem."""
    if row.problem is not None:
        raise CorpusError(f"{row.where}: {row.problem}")
    if column not in row.cells:
        raise CorpusError(f"{row.where}: {no_column(row.cells, column)}")
    return row.cells[column]


def row_text(row: Row, column: str, *, errors: str = "strict") -> str | None:
    """Return the text of a row in a column; None where it is missing. For `errors`, see
    `cell_text`.

    Raises CorpusError where the cell is not text.
    """
    try:
        return cell_text(row_cell(row, column), errors=errors)
    except ValueError as error:
        raise CorpusError(f"{row.where}: its {column!r} holds {error}") from error


def no_column(header: Iterable[str], column: str) -> str:
    """Return the message for a missing column."""
    shown = ", ".join(each if each == each.strip() else repr(each) for each in header)
    shown = f"{shown[:200]}..." if len(shown) > 200 else shown or "none"
    return f"it has no column {column!r}; it has {shown}"


def cell_text(cell: object, *, errors: str = "strict") -> str | None:
    """Return a cell as text; None where it is missing.

    Equal numbers give the same text, whatever their type: 1, 1.0 and Decimal("1.00") are `1`.
    Booleans are `True` and `False`, dates and times are in ISO 8601, bytes are read as UTF-8.

    Args:
        errors: what to do with bytes that are not UTF-8, see `bytes.decode`.

    Raises ValueError for a value that is not text, such as a list.
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


_TYPES: Final[dict[type, str]] = {list: "a list", dict: "an object", tuple: "a list"}


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


def check_columns(
    where: str, header: Sequence[str], columns: Sequence[str], advice: str = ""
) -> None:
    """Raise CorpusError where a column is missing, or one is named twice. Columns without a name,
    such as pandas' index, may be several."""
    named = [title for title in header if title]
    for column in columns:
        if column not in named:
            raise CorpusError(f"{where}: {no_column(named, column)}{advice}")
    if len(set(named)) < len(named):
        twice = next(title for title in named if named.count(title) > 1)
        raise CorpusError(f"{where}: it has two columns named {twice!r}; rename one of them")


def lines_of(name: str, texts: Iterable[str]) -> Iterator[str]:
    """Yield lines, each with the newline, the carriage return, or both, that end it.

    Raises CorpusError for a line that is longer than LONGEST_ROW.
    """
    pending: list[str] = []
    size = 0
    for text in texts:
        pending.append(text)
        size += len(text)
        if "\n" in text or "\r" in text:
            lines = io.StringIO("".join(pending), newline="").readlines()
            # The last line may continue, and a carriage return may be followed by a newline.
            pending = [lines.pop()] if not lines[-1].endswith("\n") else []
            size = sum(map(len, pending))
            yield from lines
        elif size > LONGEST_ROW:
            raise CorpusError(f"{name}: it has a line of more than {LONGEST_ROW:,} characters")
    yield from io.StringIO("".join(pending), newline="").readlines()
