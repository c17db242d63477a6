"""Tables whose cells are separated by commas, tabs or another character, read strictly."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from charrnn.data.table_cells import LONGEST_ROW, Row, check_columns, lines_of
from charrnn.errors import CorpusError

_OTHER_DELIMITERS: Final = ",;\t|:"
"""Other delimiters, which an error message may suggest."""


def csv_rows(
    name: str,
    texts: Iterable[str],
    columns: Sequence[str],
    delimiter: str,
    *,
    are_numbers: bool = False,
) -> Iterator[Row]:
    """Yield the rows below a header; an empty cell is None, and empty lines are skipped.

    A cell that begins with a quote ends with one, and quotes inside it are doubled. Raises
    CorpusError.

    Args:
        are_numbers: whether the columns are numbers. Where the first row has not all of them as
            names, there is no header, and columns are named by their numbers from 1 on.
    """
    # pandas and `datasets` turn the text `007` into 7 and `NA` into nothing, and Python's csv reads
    # on where quotes are wrong, so rows are parsed here.
    records = _records(name, lines_of(name, texts), delimiter)
    line, header = next(records, (0, []))
    if not line:
        return
    first = "header"
    if are_numbers and not {*columns} <= {*header}:
        first, records = "first line", itertools.chain([(line, header)], records)
        header = [str(number) for number in range(1, len(header) + 1)]
    check_columns(f"{name}: line {line}", header, columns, _advice(header, columns, delimiter))
    for line, cells in records:
        if len(cells) != len(header):
            problem = (
                f"it has {_cells(len(cells))}, and the {first} has {len(header):,}; a cell with "
                f"{delimiter!r} in it needs quotes around it"
            )
            yield Row(f"{name}: line {line}", {}, problem)
            continue
        yield Row(
            f"{name}: line {line}",
            {title: cell or None for title, cell in zip(header, cells, strict=True)},
        )


def _advice(header: Sequence[str], columns: Sequence[str], delimiter: str) -> str:
    """Return advice for a header that lacks columns which it has with another delimiter."""
    line = delimiter.join(header)
    if re.fullmatch("sep=.", line):  # Excel's
        return f"; leave out that line, and give --delimiter {line[-1]!r}"
    for other in _OTHER_DELIMITERS.replace(delimiter, ""):
        if all(column in [cell.strip('"') for cell in line.split(other)] for column in columns):
            return f"; its cells seem to be separated by {other!r}: give --delimiter {other!r}"
    return ""


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count:,} cells"


_INSIDE: Final = re.compile(r'[^"]*+(?:""[^"]*+)*+')
"""The characters that may stand between the quotes around a cell."""


def _records(name: str, texts: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row, and the number of the line that it begins in."""
    lines = iter(enumerate(texts, 1))
    for number, line in lines:
        if '"' in line:
            yield number, _quoted_cells(name, number, line, lines, delimiter)
        elif line := line.rstrip("\r\n"):
            yield number, line.split(delimiter)


def _quoted_cells(
    name: str, number: int, line: str, more: Iterator[tuple[int, str]], delimiter: str
) -> list[str]:
    """Return the cells of a row with quotes, which may span several lines."""
    cells, at = [], 0
    while True:
        if not line.startswith('"', at):
            end = line.find(delimiter, at)
            cell = line[at:end] if end >= 0 else line[at:].rstrip("\r\n")
            # Tab-separated files mostly have quotes that are part of the text.
            if '"' in cell and delimiter != "\t":
                raise CorpusError(
                    f"{name}: line {number}: it has a quote in the middle of a cell; put quotes "
                    "around such a cell, and double the quotes in it"
                )
            cells.append(cell)
            if end < 0:
                return cells
            at = end + 1
            continue
        opened, parts, size = number, list[str](), 0
        at += 1
        while True:
            inside = _INSIDE.match(line, at)
            assert inside is not None
            parts.append(inside[0].replace('""', '"'))
            size += len(parts[-1])
            at = inside.end() + 1
            if at <= len(line):
                break
            number, line = next(more, (0, ""))
            at = 0
            if not line or size > LONGEST_ROW:
                raise CorpusError(
                    f"{name}: line {opened}: it has a quote that is never closed; double "
                    "the quotes that belong to a cell"
                )
        cells.append("".join(parts))
        if line[at:] in ("", "\n", "\r", "\r\n"):
            return cells
        if not line.startswith(delimiter, at):
            closed = "" if number == opened else f" on line {number}"
            advice = "double the quotes that belong to a cell"
            if line[at] in _OTHER_DELIMITERS:
                advice += f"; if its cells are separated by {line[at]!r}, give it with --delimiter"
            raise CorpusError(
                f"{name}: line {opened}: a cell in quotes begins there and continues after the "
                f"quote that closes it{closed}; {advice}"
            )
        at += 1
