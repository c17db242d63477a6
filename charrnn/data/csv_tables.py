"""Tables whose cells are divided by commas, tabs or another character, read strictly."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from charrnn.data.table_cells import LONGEST_ROW, Row, check_columns, lines_of
from charrnn.errors import CorpusError

_OTHER_DELIMITERS: Final = ",;\t|:"
"""What may divide them otherwise, and is then advised."""


def csv_rows(
    name: str, texts: Iterable[str], columns: Sequence[str], delimiter: str
) -> Iterator[Row]:
    """The rows below a header; an empty cell is None, and empty lines are passed over.

    A cell that begins with a quote ends with one, and has its own quotes twice. Raises CorpusError.
    """
    # Not pandas, nor `datasets`: they turn the text `007` into 7 and `NA` into nothing. And not
    # Python's csv, which reads on where quotes are wrong.
    records = _records(name, lines_of(name, texts), delimiter)
    line, header = next(records, (0, []))
    if not line:
        return
    check_columns(f"{name}: line {line}", header, columns, _advice(header, columns, delimiter))
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


_INSIDE: Final = re.compile(r'[^"]*+(?:""[^"]*+)*+')
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
                f"{name}: line {opened}: a cell in quotes begins there and goes on behind the "
                f"quote that closes it{closed}; {advice}"
            )
        at += 1
