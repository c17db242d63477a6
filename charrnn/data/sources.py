"""SOURCES: where text comes from.

A source turns what the user named (`book.txt`, `poems/`, `-`, `python-docs`, `hf:owner/name`) into
parts: named, re-readable streams of bytes. Nothing here decodes a plain file, so that newlines,
byte-order marks and broken bytes arrive at `corpus.py` as they are on disk.
"""

import codecs
import collections
import contextlib
import csv
import fnmatch
import io
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from charrnn.errors import CorpusError

PIECE_BYTES = 1 << 20
"""Files are read this much at a time."""

CORPORA = Path("corpora")
"""The folder, in the working directory, that is searched for a corpus by name."""

PYTHON_DOCS = "python-docs"
HUGGING_FACE = "hf:"
TABLE_SUFFIXES = (".jsonl", ".csv", ".parquet")


@dataclass(frozen=True)
class ReadOptions:
    """How to read what was named.

    Attributes:
        encoding: of plain files, `.csv` and `.jsonl`: any text codec of Python's.
        glob: which files of a folder are text.
        column: which column of a table, or of a data set, holds the text.
        label: which one holds what is to be told of it; see `labelled.py`.
    """

    encoding: str = "utf-8"
    glob: str = "*.txt"
    column: str | None = None
    label: str | None = field(default=None, metadata={"later": True})


@dataclass(frozen=True)
class Part:
    """One stream of bytes of a corpus. `pieces()` reads it from the start, every time.

    `size` is how many bytes that will be, where it is known beforehand.
    """

    name: str
    encoding: str
    pieces: Callable[[], Iterator[bytes]]
    size: int | None = None


@dataclass(frozen=True)
class Source:
    """A kind of corpus: whether it knows a name, and how it opens it."""

    matches: Callable[[str], bool]
    open: Callable[[str, ReadOptions], list[Part]]


def find_corpus(name: str) -> Path | None:
    """The file or folder of that name, here or in `corpora/` (`.txt` may be left out)."""
    if name in ("", "-", PYTHON_DOCS) or name.startswith(HUGGING_FACE):
        return None
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
    size = sum(map(len, pieces))
    return [Part("standard input", options.encoding, lambda: iter(pieces), size)]


def _folder(name: str, options: ReadOptions) -> list[Part]:
    folder = find_corpus(name)
    assert folder is not None
    files = []
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        names = [name for name in names if not name.startswith(".")]
        files += [Path(parent, name) for name in fnmatch.filter(names, options.glob)]
    if not files:
        raise CorpusError(
            f"{folder}: no file in it matches {options.glob}; choose others with --glob '*.md'"
        )
    return [_file_part(file, options) for file in sorted(files)]


def _refuse(error: OSError) -> None:
    raise CorpusError(f"{error.filename}: {error.strerror}") from error


def _file(name: str, options: ReadOptions) -> list[Part]:
    path = find_corpus(name)
    assert path is not None
    return [_file_part(path, options)]


def _file_part(path: Path, options: ReadOptions) -> Part:
    """A table, or a plain file, as its suffix says."""
    with _reading(path, options):
        os.close(_open_regular(str(path), os.O_RDONLY))
    if path.suffix in _ROWS:
        if options.column is None:
            option = "--column" if options.label is None else "--text"
            raise CorpusError(f"{path}: say which column holds the text with {option} NAME")
        return _table_part(str(path), path, path.suffix, options)
    return _plain_part(path, options)


def _open_regular(path: str, flags: int) -> int:
    """Opens a file as `open` does, but never waits, as a pipe that came into its place would."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CorpusError(f"{path}: not a regular file; pipe it in instead and name it '-'")
    return descriptor


def _plain_part(path: Path, options: ReadOptions) -> Part:
    def pieces() -> Iterator[bytes]:
        with (
            _reading(path, options),
            open(path, "rb", buffering=0, opener=_open_regular) as file,
        ):
            while piece := file.read(PIECE_BYTES):
                yield piece

    with _reading(path, options):
        size = path.stat().st_size
    return Part(str(path), options.encoding, pieces, size)


def _table_part(name: str, path: Path, suffix: str, options: ReadOptions) -> Part:
    rows = _ROWS[suffix]
    return _records(name, lambda: _column(name, rows(path, options), options.column))


def table_rows(path: Path, options: ReadOptions) -> Iterator[dict[str, Any]]:
    """The rows of a table, by column; of `.parquet`, those columns alone that the options name.

    Raises CorpusError.
    """
    return _ROWS[path.suffix](path, options)


def _csv_rows(path: Path, options: ReadOptions) -> Iterator[dict[str, Any]]:
    # Not pandas, nor `datasets`: they turn the text `007` into 7 and `NA` into nothing.
    csv.field_size_limit(sys.maxsize)
    with (
        _reading(path, options),
        open(path, encoding=options.encoding, newline="", opener=_open_regular) as file,
    ):
        if file.read(1) != "\ufeff":
            file.seek(0)
        try:
            yield from csv.DictReader(file)
        except csv.Error as error:
            raise CorpusError(f"{path}: not a CSV file: {error}") from error


def _jsonl_rows(path: Path, options: ReadOptions) -> Iterator[dict[str, Any]]:
    with (
        _reading(path, options),
        open(path, encoding=options.encoding, opener=_open_regular) as file,
    ):
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    row = json.loads(line.removeprefix("\ufeff"))
                except (ValueError, RecursionError) as error:
                    raise CorpusError(f"{path}: line {number} is not JSON: {error}") from error
                if not isinstance(row, dict):
                    raise CorpusError(f"{path}: line {number} is not a JSON object")
                yield row


def _parquet_rows(path: Path, options: ReadOptions) -> Iterator[dict[str, Any]]:
    import pyarrow
    from pyarrow import parquet

    with _reading(path, options):
        try:
            with (
                open(path, "rb", opener=_open_regular) as content,
                parquet.ParquetFile(content) as file,
            ):
                wanted = (options.column, options.label)
                known = [column for column in file.schema_arrow.names if column in wanted]
                for batch in file.iter_batches(columns=known or None):
                    yield from batch.to_pylist()
        except pyarrow.ArrowInvalid as error:
            raise CorpusError(f"{path}: not a Parquet file: {_one_line(error)}") from error


_ROWS: dict[str, Callable[[Path, ReadOptions], Iterator[dict[str, Any]]]] = {
    ".jsonl": _jsonl_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}


def _hugging_face(name: str, options: ReadOptions) -> list[Part]:
    """`hf:owner/name[:split][:column]`: a data set of the Hugging Face hub, or a local folder."""
    repository, split, column = [*name.removeprefix(HUGGING_FACE).split(":"), "", ""][:3]
    split, column = split or "train", column or options.column or "text"
    import datasets

    try:
        builder = datasets.load_dataset_builder(repository)
        # Its text loader strips newlines and folds CRLF, its CSV is pandas' (see _csv_rows), its
        # JSON makes timestamps of dates: fetch the files, read them ourselves.
        known = {"text": "", "csv": ".csv", "json": ".jsonl", "parquet": ".parquet"}
        if (suffix := known.get(builder.name)) is not None:
            files = list((builder.config.data_files or {}).get(split, ()))
            if not files:
                raise CorpusError(f"{name}: it has no split {split!r}")
            if all(str(file).endswith(suffix) for file in files):
                paths = map(Path, datasets.DownloadManager().download(files))
                if not suffix:
                    return [_plain_part(path, options) for path in paths]
                options = replace(options, column=column)
                return [_table_part(name, path, suffix, options) for path in paths]
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
        match row[column]:
            case None:
                pass
            case bytes(value):
                try:
                    yield value.decode()
                except UnicodeDecodeError as error:
                    raise CorpusError(f"{name}: column {column!r} is not UTF-8 text") from error
            case list() | dict():
                raise CorpusError(f"{name}: column {column!r} holds lists or objects, not text")
            case value:
                yield str(value)


@contextlib.contextmanager
def _reading(path: Path, options: ReadOptions) -> Iterator[None]:
    """Turns what goes wrong while a file is read into a CorpusError that names the file."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror or error}") from error
    except UnicodeError as error:  # names no byte of the file: look for it
        collections.deque(decode(_plain_part(path, options)), maxlen=0)
        raise CorpusError(f"{path}: not valid {options.encoding}: {_one_line(error)}") from error


def decode(part: Part) -> Iterator[str]:
    """The pieces of one part as text, never an empty one. Raises CorpusError."""
    decoder = codecs.getincrementaldecoder(part.encoding)()
    offset, beginning = 0, True
    for final, piece in _with_end(part.pieces()):
        pending = decoder.getstate()[0]
        try:
            text = decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            # utf-8-sig counts from after its mark.
            start = offset - len(pending) + error.start
            start += len(pending + piece) - len(error.object)
            raise CorpusError(
                f"{part.name}: byte {start} is not valid {part.encoding}; "
                f"{_hint(part, pending + piece)}"
            ) from error
        except UnicodeError as error:  # such as UTF-16 without a mark
            raise CorpusError(
                f"{part.name}: not valid {part.encoding}: {_one_line(error)}"
            ) from error
        offset += len(piece)
        if beginning and text:
            text, beginning = text.removeprefix("\ufeff"), False
        if "\0" in text:
            raise CorpusError(
                f"{part.name}: it has a NUL character, so it looks binary; "
                "read it with --tokenizer byte, or name its --encoding"
            )
        if text:
            yield text


def _with_end(pieces: Iterator[bytes]) -> Iterator[tuple[bool, bytes]]:
    for piece in pieces:
        yield False, piece
    yield True, b""


def _hint(part: Part, start: bytes) -> str:
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if start.startswith(marks) and "16" not in part.encoding:
        return "it looks like UTF-16: use --encoding utf-16"
    return "name its encoding (such as --encoding latin-1) or read it with --tokenizer byte"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _is_folder(name: str) -> bool:
    return (path := find_corpus(name)) is not None and path.is_dir()


def _is_file(name: str) -> bool:
    return (path := find_corpus(name)) is not None and not path.is_dir()


def _is_table(name: str) -> bool:
    return _is_file(name) and (path := find_corpus(name)) is not None and path.suffix in _ROWS


# The first that knows the name opens it.
SOURCES: dict[str, Source] = {
    "stdin": Source(lambda name: name == "-", _stdin),
    "python-docs": Source(lambda name: name == PYTHON_DOCS, _python_docs),
    "hugging-face": Source(lambda name: name.startswith(HUGGING_FACE), _hugging_face),
    "folder": Source(_is_folder, _folder),
    "table": Source(_is_table, _file),
    "file": Source(_is_file, _file),
}
