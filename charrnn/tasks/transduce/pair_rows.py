"""The rows of tables of pairs, as text.

A row is a pair of a source, perhaps with features, and a target. Newlines at their ends are left
out.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from charrnn.data.documents import EMPTY, problem_of
from charrnn.data.file_parts import table_rows
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import find_corpus, open_source
from charrnn.data.table_cells import Row, cell_text, row_cell
from charrnn.data.tables import PARQUET, table_suffix
from charrnn.errors import CorpusError
from charrnn.tasks.transduce import LONGEST, LONGEST_SYMBOL
from charrnn.tasks.transduce.tokenizer import PairTokenizer


class Source(NamedTuple):
    """A source: its text, and its features in their order."""

    text: str
    features: tuple[str, ...] = ()


class Pair(NamedTuple):
    """A row: the file and the line or row in it, a source, and the text of its target."""

    where: str
    source: Source
    target: str


def references_of(pairs: Iterable[Pair]) -> dict[Source, set[str]]:
    """Return the correct targets of each source."""
    found: dict[Source, set[str]] = {}
    for pair in pairs:
        found.setdefault(pair.source, set()).add(pair.target)
    return found


def read_pair_rows(name: str, options: ReadOptions) -> Iterator[Pair]:
    """Yield the rows of a table whose source and target the options name.

    Raises CorpusError, with the row, where a source or target is missing or is not text.
    """
    path = find_corpus(name)
    if path is None:
        open_source(name, options)  # raises the error for what is not there
        raise CorpusError(f"{name}: pairs are read from files only")
    encoding = None if table_suffix(path) == PARQUET else options.encoding
    assert options.source is not None and options.target is not None
    for row in table_rows(path, options, strict=False):
        source = _cell(row, options.source, "source", encoding)
        target = _cell(row, options.target, "target", encoding)
        features = () if options.features is None else _features(row, options.features, encoding)
        if len(source) + len(features) > LONGEST:
            raise too_long(row, "source", len(source) + len(features), "characters")
        yield Pair(row.where, Source(source, features), target)


def _cell(row: Row, column: str, name: str, encoding: str | None) -> str:
    """Return the source or target of a row. Raises CorpusError."""
    text = _text(row, column, name)
    if text is None:
        raise CorpusError(f"{row.where}: its {name} is missing; leave the row out")
    text = text.rstrip("\r\n")
    problem = problem_of(text, encoding=encoding)
    if problem == EMPTY:
        raise CorpusError(f"{row.where}: its {name} is empty; leave the row out")
    if problem is None and ("\n" in text or "\r" in text):
        problem = "it has several lines, and a pair is of one line each"
    if problem is not None:
        raise CorpusError(f"{row.where}: in its {name}, {problem}")
    return text


def _features(row: Row, column: str, encoding: str | None) -> tuple[str, ...]:
    """Return the features of a row; a missing cell has none. Raises CorpusError."""
    text = _text(row, column, "features") or ""
    problem = problem_of(text, encoding=encoding) if text else None
    if problem is not None:
        raise CorpusError(f"{row.where}: in its features, {problem}")
    features = PairTokenizer.split_features(text)
    for each in features:
        if len(each) > LONGEST_SYMBOL:
            raise CorpusError(
                f"{row.where}: a feature has {len(each):,} characters ({LONGEST_SYMBOL} at most); "
                "features are divided by ; or blanks"
            )
    return features


def _text(row: Row, column: str, name: str) -> str | None:
    try:
        return cell_text(row_cell(row, column), errors="surrogateescape")
    except ValueError as error:
        raise CorpusError(f"{row.where}: its {name} is {error}") from error


def too_long(row: Row | Pair, name: str, count: int, unit: str) -> CorpusError:
    """Return the error for a source or target that is too long."""
    return CorpusError(
        f"{row.where}: its {name} has {count:,} {unit} ({LONGEST:,} at most); divide the pair, or "
        "leave the row out"
    )
