"""TABLES: rows of cells, each with the name of its column.

    .csv, .tsv          a header and rows, with cells separated by commas, tabs or --delimiter
    .jsonl, .ndjson     an object a line
    .json               an array of objects, or objects one after another
    .parquet            columns of any type

The suffix, in any case and perhaps followed by `.gz`, makes a file a table. Reading is strict: an
ambiguity (a quote that is not closed, a row that is too short, a column that is named twice) is an
error with its line, and the meaning of a cell is never guessed: `007` and `NA` are text.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import BinaryIO, Final

from charrnn.data.csv_tables import csv_rows
from charrnn.data.json_tables import json_rows, jsonl_rows
from charrnn.data.table_cells import Row, check_columns
from charrnn.errors import CorpusError

PARQUET: Final = ".parquet"
GZIP: Final = ".gz"

DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
"""The default delimiters of cells."""


def table_suffix(path: str | PurePath) -> str | None:
    """Return the suffix that makes a file a table, in lower case and without `.gz`; None for other
    files."""
    suffix = PurePath(PurePath(path).name.lower().removesuffix(GZIP)).suffix
    return suffix if suffix in TABLE_SUFFIXES else None


def is_table(path: str | PurePath) -> bool:
    """Return whether a file of this name is a table."""
    return table_suffix(path) is not None


def parquet_rows(name: str, file: BinaryIO, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows, with these columns only. Raises CorpusError."""
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
            check_columns(name, table.schema_arrow.names, columns)
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
"""A function that reads a text table: its name, its text in chunks, the columns that it must have,
and the delimiter of its cells."""

TEXT_TABLES: Final[dict[str, TextReader]] = {
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".json": json_rows,
}

TABLE_SUFFIXES: Final = (*TEXT_TABLES, PARQUET)
