"""Pairs of strings: sources, each with a correct target, or with several in several rows.

    charrnn train words.tsv --source word --target phones --target-separator ' '
    charrnn train forms.tsv --source 1 --target 2 --features 3      without a header

A row is a pair. Newlines at the end of a source or target are left out.

Legend: D rows, N ids of all sources, M symbols of all targets.
"""

import hashlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Int64Array
from charrnn.data.corpus import Corpus, TokenizedCorpus
from charrnn.data.splitting import check_validation_fraction
from charrnn.data.tokenizer import Ids, Tokenizer
from charrnn.data.two_pass_reading import Reading, ReadingProgress, Unknown, no_progress
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError
from charrnn.storage.json_file import to_json
from charrnn.storage.model_directory import LARGEST_TOKENIZER
from charrnn.tasks.transduce import LONGEST, LONGEST_SYMBOL, MOST_SYMBOLS
from charrnn.tasks.transduce.pair_rows import Pair, Source, read_pair_rows, references_of, too_long
from charrnn.tasks.transduce.tokenizer import (
    BEGIN,
    END,
    SPECIAL,
    UNKNOWN,
    PairTokenizer,
    split_target,
)

_PROGRESS_BYTES: Final = 1 << 20
"""The bytes between two reports of progress."""


@dataclass(frozen=True)
class PairCorpus(TokenizedCorpus):
    """Pairs as ids, one after another.

    Attributes:
        sha256: the SHA-256 of the sources, features and targets.
        bytes: their length as UTF-8.
        tokenizer: the symbols of both.
        ids: (N,) the ids of the sources, each with its begin and end.
        source_bounds: (D + 1,) where each source begins, and where the last one ends.
        target_ids: (M,) the numbers of the targets' symbols, of the smallest unsigned type.
        target_bounds: (D + 1,) where each target begins, and where the last one ends.
        source_numbers: (D,) the number of each row's source among the different ones, by their
            first row; rows of one source may have different targets.
    """

    tokenizer: PairTokenizer
    source_bounds: Int64Array = field(kw_only=True, repr=False)
    target_ids: Ids = field(kw_only=True, repr=False)
    target_bounds: Int64Array = field(kw_only=True, repr=False)
    source_numbers: Int64Array = field(kw_only=True, repr=False)

    def __len__(self) -> int:
        """D, the number of rows."""
        return len(self.source_numbers)

    @property
    def source_ids(self) -> Ids:
        """The ids of the sources (N,)."""
        return self.ids

    @property
    def characters(self) -> int:
        """The number of characters and features of sources and symbols of targets."""
        return len(self.ids) - 2 * len(self) + len(self.target_ids)

    @property
    def source_lengths(self) -> Int64Array:
        """The ids of each source, with its begin and end (D,)."""
        return np.diff(self.source_bounds)

    @property
    def target_lengths(self) -> Int64Array:
        """The symbols of each target (D,)."""
        return np.diff(self.target_bounds)

    def source(self, row: int) -> Ids:
        """Return the ids of a row's source, with its begin and end."""
        return self.ids[self.source_bounds[row] : self.source_bounds[row + 1]]

    def target(self, row: int) -> Ids:
        """Return the numbers of the symbols of a row's target."""
        return self.target_ids[self.target_bounds[row] : self.target_bounds[row + 1]]

    def pair(self, row: int) -> Pair:
        """Return a row as text."""
        source = Source(*self.tokenizer.decode_source(self.source(row).tolist()))
        target = self.tokenizer.decode_target(self.target(row).tolist())
        return Pair(f"row {row + 1}", source, target)

    def references(self, rows: Iterable[int] | None = None) -> dict[Source, set[str]]:
        """Return the correct targets of each source, of these rows or of all."""
        return references_of(map(self.pair, range(len(self)) if rows is None else map(int, rows)))

    def split_pairs(
        self, validation_fraction: float, *, seed: int
    ) -> tuple[Int64Array, Int64Array]:
        """Return the numbers of the training rows and of the validation rows, drawn by the seed.
        All rows of a source are on one side.

        Raises CorpusError where all rows have the same source, ConfigError for a fraction out of
        range.
        """
        check_validation_fraction(validation_fraction)
        count = int(self.source_numbers.max()) + 1
        if count < 2:
            raise CorpusError(
                f"{self.name}: all of its rows have the same source; at least two are needed, one "
                f"to learn from and one to be held out: is {self.options.source!r} the right "
                "column?"
            )
        generator = np.random.default_rng(seed)
        share = min(max(round(validation_fraction * count), 1), count - 1)
        held_out = np.zeros(count, dtype=np.bool_)
        held_out[generator.permutation(count)[:share]] = True
        order = generator.permutation(len(self))
        held_out = held_out[self.source_numbers[order]]
        return order[~held_out], order[held_out]


def read_pairs(
    corpus: Corpus,
    *,
    tokenizer: Tokenizer | None = None,
    kind: str = "char",
    min_count: int = 1,
    unknown: Unknown = "error",
    at_most: int | None = None,
    progress: ReadingProgress = no_progress,
    **_how: Any,
) -> PairCorpus:
    """Read the pairs of a corpus whose options name a source and a target.

    A pair is short and each of its symbols is numbered when it is first seen, so the text is read
    only once, and only its numbers are kept.

    Args:
        tokenizer: the tokenizer of an existing model.
        unknown: with `error`, a symbol of a target and a feature that the tokenizer does not know
            raise UnknownCharacterError, and unknown characters of sources have an id of their own;
            with `extend`, the tokenizer is extended.
        kind, min_count, at_most, progress: see `tokenize`. Pairs have no other kind, and no least
            count.

    Raises CorpusError where a source or target is missing or cannot be used, ConfigError.
    """
    if kind not in ("char", PairTokenizer.kind):
        raise ConfigError(f"--tokenizer {kind}: pairs are read as characters; leave that out")
    if min_count != 1:
        raise ConfigError("--min-count: no symbol of a pair is replaced; leave that out")
    if not (tokenizer is None or isinstance(tokenizer, PairTokenizer)):
        raise ConfigError(f"{corpus.name}: the model reads texts, not pairs; leave out --source")
    known = tokenizer
    separator = _separator(corpus, known)
    reading = _PairReading(corpus, separator, at_most, progress)
    reading.read()
    found = _Alphabets.of(reading)
    if known is None:
        fitted = PairTokenizer(
            sorted(found.source), sorted(found.target), sorted(found.features), separator
        )
    elif unknown == "extend":
        fitted = known.extended(found.source, found.target, found.features)
    else:
        fitted = known
        strange = [*found.target - {*known.target}, *found.features - {*known.features}]
        if strange:
            raise UnknownCharacterError(sorted(strange))
    _check_size(corpus, fitted)
    return PairCorpus(
        corpus.name,
        corpus.sources,
        corpus.options,
        reading.digest.hexdigest(),
        reading.bytes,
        fitted,
        reading.source_ids(fitted),
        source_bounds=_bounds(reading.source_lengths),
        target_ids=reading.target_ids(fitted),
        target_bounds=_bounds(reading.target_lengths),
        source_numbers=_numbered(np.frombuffer(reading.hashes, np.uint64)),
    )


def _separator(corpus: Corpus, known: PairTokenizer | None) -> str | None:
    """Return the separator of targets. Raises ConfigError where it is not that of the model."""
    given = corpus.options.target_separator
    if known is None:
        return given
    if given not in (None, known.separator):
        of_model = f"at {known.separator!r}" if known.separator else "into characters"
        raise ConfigError(
            f"--target-separator {given!r}: the model divides targets {of_model}; leave that out"
        )
    return known.separator


class _Numbers(dict[str, int]):
    """The numbers of symbols, in the order in which they are first seen."""

    def __missing__(self, symbol: str) -> int:
        number = self[symbol] = len(self)
        return number


_BEGIN: Final = "<begin>"
_END: Final = "<end>"
_FEATURE: Final = "\0"
"""What stands for the begin and the end, and before each feature, among the single characters of
sources; text has no NUL."""


class _PairReading(Reading):
    """The reading of pairs, which numbers their symbols as they come.

    Attributes:
        source_lengths, target_lengths: the ids of each source, with its begin and end, and the
            symbols of each target.
        hashes: a hash of each source, which is the same for the same source.
    """

    nothing = "there are no pairs in it"

    def __init__(
        self,
        corpus: Corpus,
        separator: str | None,
        at_most: int | None,
        progress: ReadingProgress,
    ) -> None:
        super().__init__(corpus.name, at_most)
        self._corpus, self._separator, self._progress = corpus, separator, progress
        self.of_source, self.of_target = _Numbers({_BEGIN: BEGIN, _END: END}), _Numbers()
        self._sources, self._targets = array("I"), array("I")
        self.source_lengths, self.target_lengths = array("q"), array("q")
        self.hashes = array("Q")

    def read(self) -> None:
        """Read all rows. Raises CorpusError."""
        reported = 0
        for name in self._corpus.sources:
            for pair in read_pair_rows(name, self._corpus.options):
                self._take(pair)
                if self.bytes - reported >= _PROGRESS_BYTES:
                    reported = self.bytes
                    self._progress("reading", self.bytes, None)
        if not self.target_lengths:
            raise self.empty_error()

    def _take(self, pair: Pair) -> None:
        """Check, hash and number a pair."""
        (text, features), target = pair.source, pair.target
        symbols: Iterable[str] = target
        if self._separator is not None:
            symbols = split_target(target, self._separator)
            target = self._separator.join(symbols)
            self._check_symbols(pair, symbols)
        before = len(self._targets)
        self._targets.extend(map(self.of_target.__getitem__, symbols))
        self.target_lengths.append(len(self._targets) - before)
        if self.target_lengths[-1] > LONGEST:
            unit = "characters" if self._separator is None else "symbols"
            raise too_long(pair, "target", self.target_lengths[-1], unit)
        before = len(self._sources)
        self._sources.append(BEGIN)
        self._sources.extend(map(self.of_source.__getitem__, text))
        self._sources.extend(self.of_source[_FEATURE + each] for each in features)
        self._sources.append(END)
        self.source_lengths.append(len(self._sources) - before)
        if max(len(self.of_source), len(self.of_target)) > MOST_SYMBOLS:
            raise self._too_many()
        # None of the separators ever occurs in UTF-8.
        source = b"\xfe".join([text.encode(), *map(str.encode, features)])
        content = b"%b\xff%b\xfc" % (source, target.encode())
        self.add(content, size=len(content) - 2 - len(features), count=self.target_lengths[-1])
        self.hashes.append(int.from_bytes(hashlib.blake2b(source, digest_size=8).digest()))

    def _check_symbols(self, pair: Pair, symbols: list[str]) -> None:
        if not symbols:
            raise CorpusError(
                f"{pair.where}: its target has no symbols, only separators; leave the row out"
            )
        longest = max(map(len, symbols))
        if longest > LONGEST_SYMBOL:
            raise CorpusError(
                f"{pair.where}: a symbol of its target has {longest:,} characters "
                f"({LONGEST_SYMBOL} at most); is {self._separator!r} the right --target-separator?"
            )

    def _too_many(self) -> CorpusError:
        of_target = len(self.of_target) > MOST_SYMBOLS
        name = "target" if of_target else "source"
        hint = f"is {getattr(self._corpus.options, name)!r} the right column?"
        if of_target and self._separator is not None:
            hint = f"is {self._separator!r} the right --target-separator?"
        return CorpusError(
            f"{self.name}: its {name}s have more than {MOST_SYMBOLS:,} different symbols; {hint}"
        )

    def source_ids(self, tokenizer: PairTokenizer) -> Ids:
        """Return the ids of all sources (N,)."""
        numbers = {character: SPECIAL + i for i, character in enumerate(tokenizer.source)}
        first = SPECIAL + len(tokenizer.source)
        numbers |= {_FEATURE + each: first + i for i, each in enumerate(tokenizer.features)}
        numbers |= {_BEGIN: BEGIN, _END: END}
        table = [numbers.get(symbol, UNKNOWN) for symbol in self.of_source]
        return np.array(table, tokenizer.dtype)[np.frombuffer(self._sources, np.uint32)]

    def target_ids(self, tokenizer: PairTokenizer) -> Ids:
        """Return the numbers of the symbols of all targets (M,)."""
        numbers = {symbol: i for i, symbol in enumerate(tokenizer.target)}
        table = [numbers[symbol] for symbol in self.of_target]
        return np.array(table, tokenizer.target_dtype)[np.frombuffer(self._targets, np.uint32)]


class _Alphabets(NamedTuple):
    """The symbols that were found."""

    source: set[str]
    target: set[str]
    features: set[str]

    @classmethod
    def of(cls, reading: _PairReading) -> "_Alphabets":
        symbols = [*reading.of_source][SPECIAL - 1 :]
        return cls(
            {each for each in symbols if not each.startswith(_FEATURE)},
            {*reading.of_target},
            {each[1:] for each in symbols if each.startswith(_FEATURE)},
        )


def _check_size(corpus: Corpus, tokenizer: PairTokenizer) -> None:
    size = len(to_json(tokenizer.to_json()))
    if size > LARGEST_TOKENIZER:
        raise CorpusError(
            f"{corpus.name}: its symbols take {size:,} bytes ({LARGEST_TOKENIZER:,} at most); name "
            "another --target-separator, or other columns"
        )


def _bounds(lengths: "array[int]") -> Int64Array:
    return np.concatenate([[0], np.cumsum(np.frombuffer(lengths, np.int64))])


def _numbered(hashes: npt.NDArray[np.uint64]) -> Int64Array:
    """Return the number of each hash among the different ones, in the order in which they first
    occur."""
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), dtype=np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    return numbers[inverse.reshape(-1)]
