"""SOURCES: where text comes from.

A source turns what the user named (`book.txt`, `poems/`, `-`, `python-docs`, `hf:owner/name`) into
parts: named, re-readable streams of bytes. Nothing here decodes a plain file, so that newlines,
byte-order marks and broken bytes arrive at `corpus.py` as they are on disk.
"""

import contextlib
import csv
import fnmatch
import io
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charrnn.errors import CorpusError

PIECE_BYTES = 1 << 20
"""Files are read this much at a time."""

CORPORA = Path("corpora")
"""The folder, in the working directory, that is searched for a corpus by name."""

PYTHON_DOCS = "python-docs"
TABLE_SUFFIXES = (".jsonl", ".csv", ".parquet")


@dataclass(frozen=True)
class ReadOptions:
    """How to read what was named.

    Attributes:
        encoding: of plain files, `.csv` and `.jsonl`: any text codec of Python's.
        glob: which files of a folder are text.
        column: which column of a table, or of a data set, holds the text.
    """

    encoding: str = "utf-8"
    glob: str = "*.txt"
    column: str | None = None


@dataclass(frozen=True)
class Part:
    """One stream of bytes of a corpus. `pieces()` reads it from the start, every time."""

    name: str
    encoding: str
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Source:
    """A kind of corpus: whether it knows a name, and how it opens it."""

    matches: Callable[[str], bool]
    open: Callable[[str, ReadOptions], list[Part]]


def find_corpus(name: str) -> Path | None:
    """The file or folder of that name, here or in `corpora/` (`.txt` may be left out)."""
    for path in (Path(name), CORPORA / name, CORPORA / f"{name}.txt"):
        if os.path.exists(path):  # unlike Path.exists, never raises
            return path
    return None


def corpus_names() -> list[str]:
    """The names of what lies in `corpora/`: its text files, tables and folders."""
    if not CORPORA.is_dir():
        return []
    return sorted(
        path.stem if path.suffix == ".txt" else path.name
        for path in CORPORA.iterdir()
        if not path.name.startswith(".")
        and (path.is_dir() or path.suffix in (".txt", *TABLE_SUFFIXES))
    )


def open_source(name: str, options: ReadOptions) -> list[Part]:
    """The parts of whatever `name` names. Raises CorpusError."""
    for source in SOURCES.values():
        if source.matches(name):
            return source.open(name, options)
    known = ", ".join([*corpus_names(), PYTHON_DOCS])
    raise CorpusError(f"{name}: no such file, folder or corpus; corpora by name: {known}")


def _python_docs(_: str, options: ReadOptions) -> list[Part]:
    """The topics of Python's own help, which every interpreter carries."""
    from pydoc_data.topics import topics

    return [_records(PYTHON_DOCS, lambda: (topics[key] for key in sorted(topics)))]


def _stdin(_: str, options: ReadOptions) -> list[Part]:
    # A stream can be read once, and a corpus is read twice: keep the bytes as they came.
    pieces = list(iter(lambda: sys.stdin.buffer.read(PIECE_BYTES), b""))
    return [Part("standard input", options.encoding, lambda: iter(pieces))]


def _folder(name: str, options: ReadOptions) -> list[Part]:
    folder = find_corpus(name)
    assert folder is not None
    files = sorted(
        Path(parent, file)
        for parent, _, names in os.walk(folder)
        for file in fnmatch.filter(names, options.glob)
        if not file.startswith(".")
    )
    if not files:
        raise CorpusError(
            f"{folder}: no file in it matches {options.glob}; choose others with --glob '*.md'"
        )
    return [part for file in files for part in open_source(str(file), options)]


def _file(name: str, options: ReadOptions) -> list[Part]:
    path = find_corpus(name)
    assert path is not None
    if not stat.S_ISREG(path.stat().st_mode):
        raise CorpusError(f"{path}: not a regular file; pipe it in instead and name it '-'")

    def pieces() -> Iterator[bytes]:
        with _reading(path), open(path, "rb", buffering=0) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    return [Part(str(path), options.encoding, pieces)]


def _table(name: str, options: ReadOptions) -> list[Part]:
    path = find_corpus(name)
    assert path is not None
    if options.column is None:
        raise CorpusError(f"{path}: say which column holds the text with --column NAME")
    read = {".jsonl": _jsonl_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}[path.suffix]
    return [_records(str(path), lambda: _column(str(path), read(path, options), options.column))]


def _csv_rows(path: Path, options: ReadOptions) -> Iterator[dict[str, Any]]:
    # Not pandas, nor `datasets`: they turn the text `007` into 7 and `NA` into nothing.
    with _reading(path), open(path, encoding=options.encoding, newline="") as file:
        if file.read(1) != "\ufeff":
            file.seek(0)
        try:
            yield from csv.DictReader(file)
        except csv.Error as error:
            raise CorpusError(f"{path}: not a CSV file: {error}") from error


def _jsonl_rows(path: Path, options: ReadOptions) -> Iterator[dict[str, Any]]:
    with _reading(path), open(path, encoding=options.encoding) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line.removeprefix("\ufeff"))
                except ValueError as error:
                    raise CorpusError(f"{path}: line {number} is not JSON: {error}") from error
                if not isinstance(row, dict):
                    raise CorpusError(f"{path}: line {number} is not a JSON object")
                yield row


def _parquet_rows(path: Path, options: ReadOptions) -> Iterator[dict[str, Any]]:
    import pyarrow
    from pyarrow import parquet

    with _reading(path):
        try:
            with parquet.ParquetFile(path) as file:
                known = [column for column in file.schema_arrow.names if column == options.column]
                for batch in file.iter_batches(columns=known or None):
                    yield from batch.to_pylist()
        except pyarrow.ArrowInvalid as error:
            raise CorpusError(f"{path}: not a Parquet file: {_one_line(error)}") from error


def _hugging_face(name: str, options: ReadOptions) -> list[Part]:
    """`hf:owner/name[:split][:column]`: a data set of the Hugging Face hub, or a local folder."""
    repository, split, column = [*name.removeprefix("hf:").split(":"), "", ""][:3]
    split, column = split or "train", column or options.column or "text"
    import datasets

    try:
        builder = datasets.load_dataset_builder(repository)
        if builder.name == "text" or type(builder).__module__.endswith(".text.text"):
            # Its text loader strips newlines and folds CRLF: fetch the files, read them ourselves.
            files = (builder.config.data_files or {}).get(split)
            if not files:
                raise CorpusError(f"{name}: it has no split {split!r}")
            paths = datasets.DownloadManager().download(list(files))
            return [part for path in paths for part in _file(str(path), options)]
        rows = datasets.load_dataset(repository, split=split)
    except CorpusError:
        raise
    except Exception as error:  # datasets raises dozens of kinds, its dependencies' among them
        raise CorpusError(f"{name}: {_one_line(error)}") from error
    return [_records(name, lambda: _column(name, rows, column))]


def _records(name: str, texts: Callable[[], Iterable[str]]) -> Part:
    """A part made of records; each ends with a newline, added where it lacks one."""

    def pieces() -> Iterator[bytes]:
        for batch in _batches(texts()):
            try:
                yield batch.encode()
            except UnicodeEncodeError as error:
                shown = ascii(batch[error.start])
                raise CorpusError(
                    f"{name}: {shown} is half of a surrogate pair, not text"
                ) from error

    return Part(name, "utf-8", pieces)


def _batches(texts: Iterable[str]) -> Iterator[str]:
    batch = io.StringIO(newline="")
    for text in texts:
        batch.write(text if text.endswith("\n") else text + "\n")
        if batch.tell() >= PIECE_BYTES:
            yield batch.getvalue()
            batch = io.StringIO(newline="")
    yield batch.getvalue()


def _column(name: str, rows: Iterable[dict[str, Any]], column: str | None) -> Iterator[str]:
    for row in rows:
        if column not in row:
            columns = ", ".join(map(str, row))
            raise CorpusError(f"{name}: it has no column {column!r}; it has {columns}")
        if (value := row[column]) is not None:
            yield str(value)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is read into a CorpusError that names the file."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}: not valid {error.encoding}; name its encoding with --encoding"
        ) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _is_folder(name: str) -> bool:
    return (path := find_corpus(name)) is not None and path.is_dir()


def _is_file(name: str) -> bool:
    return (path := find_corpus(name)) is not None and not path.is_dir()


# The first that knows the name opens it.
SOURCES: dict[str, Source] = {
    "stdin": Source(lambda name: name == "-", _stdin),
    "python-docs": Source(lambda name: name == PYTHON_DOCS, _python_docs),
    "hugging-face": Source(lambda name: name.startswith("hf:"), _hugging_face),
    "folder": Source(_is_folder, _folder),
    "table": Source(lambda name: _is_file(name) and name.endswith(TABLE_SUFFIXES), _table),
    "file": Source(_is_file, _file),
}
