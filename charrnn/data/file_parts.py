"""Files as parts of a corpus: plain text, tables, and gzip files."""

import contextlib
import gzip
import io
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

from charrnn.data.csv_tables import csv_rows
from charrnn.data.parts import CHUNK_BYTES, Part, TextColumn, decode, decode_leniently
from charrnn.data.read_options import PAIRS, ReadOptions
from charrnn.data.table_cells import Row
from charrnn.data.tables import (
    DELIMITERS,
    GZIP,
    PARQUET,
    TEXT_TABLES,
    TextReader,
    is_table,
    parquet_rows,
    table_suffix,
)
from charrnn.errors import ConfigError, CorpusError

PLAIN: Final = frozenset({"encoding"})
DIVIDED: Final = frozenset({"encoding", "column", "label", "delimiter", *PAIRS})
"""The ReadOptions that have an effect on plain files, and on tables with a delimiter."""


def options_of(suffix: str) -> frozenset[str]:
    """Return the ReadOptions that have an effect on a table of this suffix."""
    return DIVIDED if suffix in DELIMITERS else DIVIDED - {"delimiter"}


def refuse_unused(name: str, options: ReadOptions, uses: frozenset[str]) -> None:
    """Raise ConfigError for a column or a delimiter that has no effect."""
    if options.column is not None and "column" not in uses:
        option = "--column" if options.label is None else "--text"
        raise ConfigError(f"{name}: it has no columns; leave out {option} {options.column}")
    if options.delimiter is not None and "delimiter" not in uses:
        raise ConfigError(f"{name}: its cells have no delimiter; leave out --delimiter")


def file_part(path: Path, options: ReadOptions) -> Part:
    """Return a table or a plain file as a part, by its suffix."""
    with _reading(path):
        os.close(_open_regular(str(path), os.O_RDONLY))
    if is_table(path):
        column = options.text_column
        if column is None:
            option = "--column" if options.label is None else "--text"
            raise CorpusError(
                f"{path}: say which column holds the text with {option} NAME; to read the file "
                "as plain text, pipe it in and name it '-'"
            )
        return column_part(str(path), column, partial(table_rows, path, options))
    refuse_unused(str(path), options, PLAIN)
    return plain_part(path, options)


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file as `open` does; never wait, as for a pipe in its place."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CorpusError(f"{path}: not a regular file; pipe it in instead and name it '-'")
    return descriptor


def plain_part(path: Path, options: ReadOptions, *, zipped: bool = False) -> Part:
    def chunks() -> Iterator[bytes]:
        with _opened(path, zipped=zipped) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    with _reading(path):
        size = path.stat().st_size
    return Part(str(path), options.encoding, chunks, None if zipped else size)


@contextlib.contextmanager
def _opened(path: Path, *, zipped: bool) -> Iterator[BinaryIO]:
    """Open a file, and unpack it if it is zipped."""
    with _reading(path), open(path, "rb", buffering=0, opener=_open_regular) as file:
        if zipped:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield cast(BinaryIO, file)


def table_rows(
    path: Path,
    options: ReadOptions,
    *,
    strict: bool = True,
    name: str | None = None,
    file: str | None = None,
) -> Iterator[Row]:
    """Yield the rows of a table; each has the columns that the options name.

    Args:
        strict: whether to raise an error for what is not text in its encoding; see
            `decode_leniently`.
        name: the name of the table in errors; None: its path.
        file: the original name of a downloaded file; None: its path.

    Raises CorpusError; ConfigError for a delimiter where the table has none.
    """
    name, file = name or str(path), file or str(path)
    suffix, zipped = table_suffix(file), file.lower().endswith(GZIP)
    if suffix == PARQUET:
        with _opened(path, zipped=zipped) as content:
            if not zipped:
                yield from parquet_rows(name, content, options.columns)
                return
            with tempfile.TemporaryFile() as whole:  # it is not read sequentially
                shutil.copyfileobj(content, whole)
                yield from parquet_rows(name, whole, options.columns)
        return
    assert suffix is not None
    refuse_unused(name, options, options_of(suffix))
    delimiter = options.delimiter or DELIMITERS.get(suffix, "")
    delimiter = delimiter.replace(r"\t", "\t")
    part = replace(plain_part(path, options, zipped=zipped), name=name)
    texts = decode(part) if strict else decode_leniently(part)
    read: TextReader = TEXT_TABLES[suffix]
    if suffix in DELIMITERS and options.are_numbers:
        read = partial(csv_rows, are_numbers=True)
    yield from read(name, texts, options.columns, delimiter)


def column_part(name: str, column: str, rows: Callable[..., Iterable[Row]]) -> Part:
    texts = TextColumn(name, column, rows)
    raw = text_part(name, partial(texts.texts, as_bytes=True), errors="surrogateescape").chunks
    return replace(text_part(name, texts.texts), column=texts, raw=raw)


def text_part(name: str, texts: Callable[[], Iterable[str]], *, errors: str = "strict") -> Part:
    """Return a part made of texts, each of which ends with a newline, which is added where it is
    missing."""

    def chunks() -> Iterator[bytes]:
        for batch in _batches(texts()):
            try:
                yield batch.encode("utf-8", errors)
            except UnicodeEncodeError as error:
                shown = ascii(batch[error.start])
                raise CorpusError(
                    f"{name}: {shown} is half of a surrogate pair, not text"
                ) from error

    return Part(name, "utf-8", chunks)


def _batches(texts: Iterable[str]) -> Iterator[str]:
    batch = io.StringIO(newline="")
    for text in texts:
        batch.write(text if text.endswith("\n") else text + "\n")
        if batch.tell() >= CHUNK_BYTES:
            yield batch.getvalue()
            batch = io.StringIO(newline="")
    yield batch.getvalue()


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn an error while a file is read into a CorpusError that names the file."""
    try:
        yield
    except gzip.BadGzipFile as error:
        raise CorpusError(f"{path}: not a gzip file: {error}") from error
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: the gzip file is cut off or damaged: {error}") from error
