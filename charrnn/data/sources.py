"""SOURCES: the kinds of corpora.

A source turns a name (`book.txt`, `poems/`, `-`, `python-docs`, `hf:owner/name`) into parts: named,
re-readable streams of bytes. Plain files are not decoded here, so that newlines, byte-order marks
and broken bytes arrive at `corpus.py` as they are on disk.
"""

import os
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from charrnn.data.file_parts import (
    DIVIDED,
    PLAIN,
    column_part,
    file_part,
    plain_part,
    refuse_unused,
    table_rows,
    text_part,
)
from charrnn.data.folders import FolderFiles, find_files
from charrnn.data.parts import Part, one_line
from charrnn.data.python_docs import python_docs
from charrnn.data.read_options import PAIRS, ReadOptions
from charrnn.data.standard_input import NAME as STANDARD_INPUT
from charrnn.data.standard_input import standard_input_chunks
from charrnn.data.table_cells import Row
from charrnn.data.tables import DELIMITERS, GZIP, PARQUET, TEXT_TABLES, is_table, table_suffix
from charrnn.errors import ConfigError, CorpusError

CORPORA: Final = Path("corpora")
"""The folder, in the working directory, that is searched for a corpus by name."""

PYTHON_DOCS: Final = "python-docs"
HUGGING_FACE: Final = "hf:"


@dataclass(frozen=True)
class Source:
    """A kind of corpus.

    Attributes:
        matches: whether a name means a corpus of this kind.
        open: returns its parts.
        uses: the ReadOptions that have an effect on it.
    """

    matches: Callable[[str], bool]
    open: Callable[[str, ReadOptions], list[Part]]
    uses: frozenset[str]


def find_corpus(name: str) -> Path | None:
    """Return the file or folder of that name, here or in `corpora/` (`.txt` may be left out)."""
    if name in ("", "-", PYTHON_DOCS) or name.startswith(HUGGING_FACE):
        return None
    for path in (Path(name), CORPORA / name, CORPORA / f"{name}.txt"):
        if os.path.exists(path):  # unlike Path.exists, never raises
            return path
    return None


def corpus_names() -> list[str]:
    """Return the names of the text files, tables and folders in `corpora/`."""
    if not CORPORA.is_dir():
        return []
    return sorted(
        path.stem if path.suffix == ".txt" else path.name
        for path in CORPORA.iterdir()
        if not path.name.startswith(".")
        and (path.is_dir() or path.suffix.lower() == ".txt" or is_table(path))
    )


def open_source(name: str, options: ReadOptions) -> list[Part]:
    """Return the parts of the corpus that a name means.

    Raises CorpusError; ConfigError for a column or a delimiter that has no effect on it.
    """
    source = _source(name)
    if source is None:
        known = ", ".join([*corpus_names(), PYTHON_DOCS])
        raise CorpusError(f"{name}: no such file, folder or corpus; corpora by name: {known}")
    shown = "standard input" if name == "-" else name
    refuse_unused(shown, options, source.uses)
    return source.open(name, options)


def options_used(names: Iterable[str]) -> frozenset[str]:
    """Return the ReadOptions that have an effect on at least one of the names."""
    sources = map(_source, names)
    return frozenset().union(*(_EVERY if each is None else each.uses for each in sources))


def _source(name: str) -> Source | None:
    return next((source for source in SOURCES.values() if source.matches(name)), None)


def _python_docs(_: str, options: ReadOptions) -> list[Part]:
    """Return the topics of Python's help(), which every interpreter has."""
    return [text_part(PYTHON_DOCS, python_docs)]


def _stdin(_: str, options: ReadOptions) -> list[Part]:
    # A stream can be read once, and a corpus is read twice, so the bytes are stored.
    chunks = list(standard_input_chunks())
    size = sum(map(len, chunks))
    return [Part(STANDARD_INPUT, options.encoding, lambda: iter(chunks), size)]


def _folder(name: str, options: ReadOptions) -> list[Part]:
    found = find_folder(name, options)
    assert found is not None
    return folder_parts(found, options)


def folder_parts(found: FolderFiles, options: ReadOptions) -> list[Part]:
    """Return the files of a folder as parts. Raises CorpusError where there are none."""
    found.require_some()
    return [file_part(file, options) for file in found.files]


def find_folder(
    name: str, options: ReadOptions, *, most_files: int | None = None
) -> FolderFiles | None:
    """Find the files of a folder; None where the name means something else.

    Raises CorpusError where the folder cannot be read, or holds more than `most_files` files and
    folders.
    """
    path = find_corpus(name)
    if path is None or not path.is_dir():
        return None
    return find_files(path, options.glob, at_most=most_files)


def folders_of(names: Iterable[str], options: ReadOptions) -> Iterator[FolderFiles]:
    """Yield the files of each folder among the names. Raises CorpusError."""
    found = (find_folder(name, options) for name in names)
    return (folder for folder in found if folder is not None)


def _file(name: str, options: ReadOptions) -> list[Part]:
    path = find_corpus(name)
    assert path is not None
    return [file_part(path, options)]


def _hugging_face(name: str, options: ReadOptions) -> list[Part]:
    """Open `hf:owner/name[:split][:column]`: a data set of the Hugging Face hub, or a local
    folder."""
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
        # The loaders of `datasets` strip newlines, fold CRLF, parse CSV as pandas does and turn
        # dates into timestamps, so the files are downloaded and read here.
        if builder.name in ("text", "csv", "json", "parquet"):
            files = [str(file) for file in (builder.config.data_files or {}).get(split, ())]
            if not files:
                raise CorpusError(f"{name}: it has no split {split!r}")
            tables = all(map(is_table, files))
            if tables or builder.name == "text":
                paths = map(Path, datasets.DownloadManager().download(files))
                if not tables:
                    refuse_unused(name, replace(options, column=named or options.column), PLAIN)
                    return [
                        plain_part(path, options, zipped=file.lower().endswith(GZIP))
                        for file, path in zip(files, paths, strict=True)
                    ]
                options = replace(options, column=column)
                return [
                    column_part(
                        name, column, partial(table_rows, path, options, name=name, file=file)
                    )
                    for file, path in zip(files, paths, strict=True)
                ]
        rows = datasets.load_dataset(repository, split=split)
    except (CorpusError, ConfigError):
        raise
    except Exception as error:  # datasets and its dependencies raise dozens of kinds
        raise CorpusError(f"{name}: {one_line(error)}") from error
    if column not in rows.column_names:
        raise CorpusError(
            f"{name}: it has no column {column!r}; it has {', '.join(rows.column_names)}"
        )
    return [
        column_part(
            name,
            column,
            lambda **_: (Row(f"{name}: row {number}", row) for number, row in enumerate(rows, 1)),
        )
    ]


def _is_folder(name: str) -> bool:
    return (path := find_corpus(name)) is not None and path.is_dir()


def _is_file(name: str) -> bool:
    return (path := find_corpus(name)) is not None and not path.is_dir()


def _is(suffixes: Container[str | None]) -> Callable[[str], bool]:
    def matches(name: str) -> bool:
        path = find_corpus(name)
        return path is not None and not path.is_dir() and table_suffix(path) in suffixes

    return matches


_TABLES: Final = DIVIDED - {*PAIRS}  # pairs are read from single files
_EVERY: Final = DIVIDED | {"glob"}

# The first source that matches a name opens it.
SOURCES: Final[dict[str, Source]] = {
    "stdin": Source(lambda name: name == "-", _stdin, PLAIN),
    "python-docs": Source(lambda name: name == PYTHON_DOCS, _python_docs, frozenset()),
    "hugging-face": Source(
        lambda name: name.startswith(HUGGING_FACE), _hugging_face, _TABLES - {"label"}
    ),
    "folder": Source(_is_folder, _folder, _TABLES | {"glob"}),
    "divided table": Source(_is(DELIMITERS), _file, DIVIDED),
    "parquet": Source(_is([PARQUET]), _file, frozenset({"column", "label", *PAIRS})),
    "table": Source(_is(TEXT_TABLES), _file, DIVIDED - {"delimiter"}),
    "file": Source(_is_file, _file, PLAIN),
}
