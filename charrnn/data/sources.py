"""SOURCES: where text comes from.

A source turns what the user named (`book.txt`, `poems/`, `-`, `python-docs`, `hf:owner/name`) into
parts: named, re-readable streams of bytes. Nothing here decodes a plain file, so that newlines,
byte-order marks and broken bytes arrive at `corpus.py` as they are on disk.
"""

import contextlib
import gzip
import io
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

from charrnn.data.cells import Row
from charrnn.data.folders import FolderFiles, find_files
from charrnn.data.parts import (
    PIECE_BYTES,
    Part,
    ReadOptions,
    TextColumn,
    check_encoding,
    decode,
    decode_leniently,
    one_line,
)
from charrnn.data.standard_input import NAME as STANDARD_INPUT
from charrnn.data.standard_input import standard_input_pieces
from charrnn.data.tables import (
    DELIMITERS,
    GZIP,
    PARQUET,
    TEXT_TABLES,
    is_table,
    parquet_rows,
    table_suffix,
)
from charrnn.errors import ConfigError, CorpusError

CORPORA: Final = Path("corpora")
"""The folder, in the working directory, that is searched for a corpus by name."""

PYTHON_DOCS: Final = "python-docs"
HUGGING_FACE: Final = "hf:"


@dataclass(frozen=True)
class Source:
    """A kind of corpus: whether it knows a name, how it opens it, and which of the ReadOptions make
    a difference then."""

    matches: Callable[[str], bool]
    open: Callable[[str, ReadOptions], list[Part]]
    uses: frozenset[str]


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
        and (path.is_dir() or path.suffix.lower() == ".txt" or is_table(path))
    )


def open_source(name: str, options: ReadOptions) -> list[Part]:
    """The parts of whatever `name` names.

    Raises CorpusError; ConfigError for a column, or a delimiter, that it has not.
    """
    source = _source(name)
    if source is None:
        known = ", ".join([*corpus_names(), PYTHON_DOCS])
        raise CorpusError(f"{name}: no such file, folder or corpus; corpora by name: {known}")
    shown = "standard input" if name == "-" else name
    _refuse_unused(shown, options, source.uses)
    return source.open(name, options)


def options_used(names: Iterable[str]) -> frozenset[str]:
    """Which of the ReadOptions can make a difference to how the names are read."""
    sources = map(_source, names)
    return frozenset().union(*(_EVERY if each is None else each.uses for each in sources))


def _source(name: str) -> Source | None:
    return next((source for source in SOURCES.values() if source.matches(name)), None)


def _refuse_unused(name: str, options: ReadOptions, uses: frozenset[str]) -> None:
    """Raises ConfigError where a column, or a delimiter, is named that makes no difference."""
    if options.column is not None and "column" not in uses:
        option = "--column" if options.label is None else "--text"
        raise ConfigError(f"{name}: it has no columns; leave out {option} {options.column}")
    if options.delimiter is not None and "delimiter" not in uses:
        raise ConfigError(f"{name}: its cells have no delimiter; leave out --delimiter")


def _python_docs(_: str, options: ReadOptions) -> list[Part]:
    """The topics of Python's own help, which every interpreter carries."""
    from pydoc_data.topics import topics

    return [_records(PYTHON_DOCS, lambda: (topics[key] for key in sorted(topics)))]


def _stdin(_: str, options: ReadOptions) -> list[Part]:
    # A stream can be read once, and a corpus is read twice: keep the bytes as they came.
    pieces = list(standard_input_pieces())
    size = sum(map(len, pieces))
    return [Part(STANDARD_INPUT, options.encoding, lambda: iter(pieces), size)]


def _folder(name: str, options: ReadOptions) -> list[Part]:
    folder = find_corpus(name)
    assert folder is not None
    found = find_files(folder, options.glob)
    found.require_some()
    return [file_part(file, options) for file in found.files]


def folders_of(names: Iterable[str], options: ReadOptions) -> Iterator[FolderFiles]:
    """What is read of each folder among the names. Raises CorpusError."""
    for name in names:
        path = find_corpus(name)
        if path is not None and path.is_dir():
            yield find_files(path, options.glob)


def _file(name: str, options: ReadOptions) -> list[Part]:
    path = find_corpus(name)
    assert path is not None
    return [file_part(path, options)]


def file_part(path: Path, options: ReadOptions) -> Part:
    """A table, or a plain file, as its suffix says."""
    with _reading(path):
        os.close(_open_regular(str(path), os.O_RDONLY))
    if is_table(path):
        if options.column is None:
            option = "--column" if options.label is None else "--text"
            raise CorpusError(
                f"{path}: say which column holds the text with {option} NAME; to learn the file "
                "as it "
                "is, pipe it in and name it '-'"
            )
        return _column_part(str(path), options.column, partial(table_rows, path, options))
    _refuse_unused(str(path), options, _PLAIN)
    return _plain_part(path, options)


def _open_regular(path: str, flags: int) -> int:
    """Opens a file as `open` does, but never waits, as a pipe that came into its place would."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CorpusError(f"{path}: not a regular file; pipe it in instead and name it '-'")
    return descriptor


def _plain_part(path: Path, options: ReadOptions, *, zipped: bool = False) -> Part:
    def pieces() -> Iterator[bytes]:
        with _opened(path, zipped=zipped) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    with _reading(path):
        size = path.stat().st_size
    return Part(str(path), options.encoding, pieces, None if zipped else size)


@contextlib.contextmanager
def _opened(path: Path, *, zipped: bool) -> Iterator[BinaryIO]:
    """The bytes of a file, or what gzip made them of."""
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
    """The rows of a table; each has the columns that the options name.

    Args:
        strict: whether to raise at what is not text in its encoding; see `decode_leniently`.
        name: what errors call it; None: its path.
        file: what it is called by those who made it, when it was fetched; None: its path.

    Raises CorpusError; ConfigError for a delimiter where there is none.
    """
    name, file = name or str(path), file or str(path)
    suffix, zipped = table_suffix(file), file.lower().endswith(GZIP)
    if suffix == PARQUET:
        with _opened(path, zipped=zipped) as content:
            if not zipped:
                yield from parquet_rows(name, content, options.columns)
                return
            with tempfile.TemporaryFile() as whole:  # it is not read from first to last
                shutil.copyfileobj(content, whole)
                yield from parquet_rows(name, whole, options.columns)
        return
    assert suffix is not None
    _refuse_unused(name, options, _uses(suffix))
    delimiter = options.delimiter or DELIMITERS.get(suffix, "")
    delimiter = delimiter.replace(r"\t", "\t")
    part = replace(_plain_part(path, options, zipped=zipped), name=name)
    texts = decode(part) if strict else decode_leniently(part)
    yield from TEXT_TABLES[suffix](name, texts, options.columns, delimiter)


def _hugging_face(name: str, options: ReadOptions) -> list[Part]:
    """`hf:owner/name[:split][:column]`: a data set of the Hugging Face hub, or a local folder."""
    repository, split, named, *more = [*name.removeprefix(HUGGING_FACE).split(":"), "", ""]
    if any(more):
        raise CorpusError(f"{name}: name it hf:owner/name:split:column")
    if named and options.column not in (None, named):
        raise ConfigError(f"{name}: it names its column; leave out --column {options.column}")
    split, column = split or "train", named or options.column or "text"
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(
            f"{name}: data sets are read with the package datasets, which is missing or broken; "
            f"install it with: pip install datasets ({one_line(error)})"
        ) from error

    try:
        builder = datasets.load_dataset_builder(repository)
        # Its text loader strips newlines and folds CRLF, its CSV is pandas', its JSON makes
        # timestamps of dates: fetch the files, read them ourselves.
        if builder.name in ("text", "csv", "json", "parquet"):
            files = [str(file) for file in (builder.config.data_files or {}).get(split, ())]
            if not files:
                raise CorpusError(f"{name}: it has no split {split!r}")
            tables = all(map(is_table, files))
            if tables or builder.name == "text":
                paths = map(Path, datasets.DownloadManager().download(files))
                if not tables:
                    _refuse_unused(name, replace(options, column=named or options.column), _PLAIN)
                    return [
                        _plain_part(path, options, zipped=file.lower().endswith(GZIP))
                        for file, path in zip(files, paths, strict=True)
                    ]
                options = replace(options, column=column)
                return [
                    _column_part(
                        name, column, partial(table_rows, path, options, name=name, file=file)
                    )
                    for file, path in zip(files, paths, strict=True)
                ]
        rows = datasets.load_dataset(repository, split=split)
    except (CorpusError, ConfigError):
        raise
    except Exception as error:  # datasets raises dozens of kinds, its dependencies' among them
        raise CorpusError(f"{name}: {one_line(error)}") from error
    if column not in rows.column_names:
        raise CorpusError(
            f"{name}: it has no column {column!r}; it has {', '.join(rows.column_names)}"
        )
    return [
        _column_part(
            name,
            column,
            lambda **_: (Row(f"{name}: row {number}", row) for number, row in enumerate(rows, 1)),
        )
    ]


def _column_part(name: str, column: str, rows: Callable[..., Iterable[Row]]) -> Part:
    texts = TextColumn(name, column, rows)
    raw = _records(name, partial(texts.texts, as_bytes=True), errors="surrogateescape").pieces
    return replace(_records(name, texts.texts), column=texts, raw=raw)


def _records(name: str, texts: Callable[[], Iterable[str]], *, errors: str = "strict") -> Part:
    """A part made of records; each ends with a newline, added where it lacks one."""

    def pieces() -> Iterator[bytes]:
        for batch in _batches(texts()):
            try:
                yield batch.encode("utf-8", errors)
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


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is read into a CorpusError that names the file."""
    try:
        yield
    except gzip.BadGzipFile as error:
        raise CorpusError(f"{path}: not a gzip file: {error}") from error
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: the gzip file is cut off or damaged: {error}") from error


def _is_folder(name: str) -> bool:
    return (path := find_corpus(name)) is not None and path.is_dir()


def _is_file(name: str) -> bool:
    return (path := find_corpus(name)) is not None and not path.is_dir()


def _is(suffixes: Container[str | None]) -> Callable[[str], bool]:
    def matches(name: str) -> bool:
        path = find_corpus(name)
        return path is not None and not path.is_dir() and table_suffix(path) in suffixes

    return matches


_PLAIN: Final = frozenset({"encoding"})
_DIVIDED: Final = frozenset({"encoding", "column", "label", "delimiter"})
_EVERY: Final = _DIVIDED | {"glob"}


def _uses(suffix: str) -> frozenset[str]:
    """Which of the ReadOptions a table of this suffix is read by."""
    return _DIVIDED if suffix in DELIMITERS else _DIVIDED - {"delimiter"}


# The first that knows the name opens it.
SOURCES: Final[dict[str, Source]] = {
    "stdin": Source(lambda name: name == "-", _stdin, _PLAIN),
    "python-docs": Source(lambda name: name == PYTHON_DOCS, _python_docs, frozenset()),
    "hugging-face": Source(
        lambda name: name.startswith(HUGGING_FACE), _hugging_face, _DIVIDED - {"label"}
    ),
    "folder": Source(_is_folder, _folder, _EVERY),
    "divided table": Source(_is(DELIMITERS), _file, _DIVIDED),
    "parquet": Source(_is([PARQUET]), _file, frozenset({"column", "label"})),
    "table": Source(_is(TEXT_TABLES), _file, _DIVIDED - {"delimiter"}),
    "file": Source(_is_file, _file, _PLAIN),
}

__all__ = [
    "CORPORA",
    "HUGGING_FACE",
    "PIECE_BYTES",
    "PYTHON_DOCS",
    "SOURCES",
    "Part",
    "ReadOptions",
    "Source",
    "check_encoding",
    "corpus_names",
    "decode",
    "decode_leniently",
    "file_part",
    "find_corpus",
    "open_source",
    "options_used",
    "table_rows",
]
