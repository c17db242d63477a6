"""A corpus: text as it was found, then ids.

`open_corpus` names the text, `tokenize` reads it twice, a piece at a time: once to count its
characters and hash it, once to turn it into ids. The text never lies in memory as a `str` (which
one emoji would make four times the file's size), only its ids do, one byte each for most alphabets.
Where there are more than LARGEST_IN_MEMORY of those, and the caller has a place for them, they go
into a file instead.

Legend: N characters, V vocabulary.
"""

import collections
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePath
from typing import Final, Literal, NamedTuple

import numpy as np

from charrnn.ambient import as_usual
from charrnn.data.documents import check_labels
from charrnn.data.excerpt import AnyIds
from charrnn.data.memmap import chunks
from charrnn.data.sources import (
    PYTHON_DOCS,
    Part,
    ReadOptions,
    check_encoding,
    decode,
    find_corpus,
    open_source,
)
from charrnn.data.splitting import split
from charrnn.data.tokenizer import (
    LARGEST_VOCABULARY,
    TOKENIZERS,
    ByteTokenizer,
    CharTokenizer,
    Ids,
    Tokenizer,
    code_points,
)
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError

LARGEST_IN_MEMORY: Final = 64 << 20
"""Bytes of ids; more than that are kept in a file, where there is a place for one."""

ReadingProgress = Callable[[str, int, int | None], None]
"""Is told what is being done, how much of it is done, and how much there is (None: nobody knows
yet), in bytes or characters. Called every million of them or so."""


def no_progress(_what: str, _done: int, _total: int | None) -> None:
    """A ReadingProgress that tells nobody."""


@dataclass(frozen=True, kw_only=True)
class IdsKey:
    """All that the ids of a corpus follow from, and their shape: to know them again in a file.

    Attributes:
        text_sha256: of the text, as TokenizedCorpus has it.
        tokenizer_sha256: of the alphabet, as JSON.
        vocabulary_size: V, which no id reaches.
        count: N.
        dtype: of an id, in NumPy's spelling, order of bytes included.
    """

    text_sha256: str
    tokenizer_sha256: str
    vocabulary_size: int
    count: int
    dtype: str

    @property
    def bytes(self) -> int:
        """What all ids take."""
        return self.count * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Corpus:
    """Text that has a name and can be read, piece by piece, as often as one likes.

    Attributes:
        name: what people call it, such as `tinyshakespeare`.
        sources: what was named, in absolute paths, so that it can be found again.
        options: how it is read.
        parts: its streams of bytes, in order.
    """

    name: str
    sources: tuple[str, ...]
    options: ReadOptions
    parts: tuple[Part, ...]

    def texts(self) -> Iterator[str]:
        """The text in pieces: a byte-order mark dropped, a newline put between parts that lack one.

        Raises CorpusError where a part is not text in its encoding.
        """
        last = "\n"
        for part in self.parts:
            missing = last != "\n"
            for text in decode(part):
                if missing:
                    yield "\n"
                    missing = False
                last = text[-1]
                yield text

    def bytes(self) -> Iterator[bytes]:
        """The bytes in pieces, exactly as they are, parts joined end to end."""
        for part in self.parts:
            yield from part.pieces()


def open_corpus(names: Sequence[str], options: ReadOptions | None = None) -> Corpus:
    """The corpus of whatever the names name (see SOURCES), joined in that order.

    Raises CorpusError when one is not found, or has no labels where the options name one;
    ConfigError for an encoding Python does not know.
    """
    options = options or ReadOptions()
    check_encoding(options.encoding)
    check_labels(names, options)
    names = names or [PYTHON_DOCS]
    parts = [part for name in names for part in open_source(name, options)]
    sources = [os.path.abspath(path) if (path := find_corpus(name)) else name for name in names]
    return Corpus(_short_name(names[0]), tuple(sources), options, tuple(parts))


@dataclass(frozen=True)
class TokenizedCorpus:
    """A corpus as ids, with what is worth remembering of the text.

    Attributes:
        name: of the corpus.
        sources, options: to open it again.
        sha256: of its text as UTF-8 (of its raw bytes, under a byte tokenizer).
        bytes: how many bytes that is.
        tokenizer: its alphabet.
        ids: (N,), of the smallest unsigned type.
        skipped: characters that were left out because the tokenizer does not know them.
    """

    name: str
    sources: tuple[str, ...]
    options: ReadOptions
    sha256: str
    bytes: int
    tokenizer: Tokenizer
    ids: Ids = field(repr=False)
    skipped: tuple[str, ...] = ()

    def split(
        self, validation_fraction: float, *, lines: bool = False, seed: int | None = None
    ) -> tuple[AnyIds, AnyIds]:
        """The ids of training, then of validation; nothing is copied.

        Raises CorpusError when either would have too few characters; see `splitting.split`.
        """
        newline = newline_id(self.tokenizer) if lines or seed is not None else None
        try:
            return split(self.ids, validation_fraction, newline, lines=lines, seed=seed)
        except CorpusError as error:
            raise CorpusError(f"{self.name}: {error}") from None


@as_usual
def tokenize(
    corpus: Corpus,
    *,
    kind: str = "char",
    min_count: int = 1,
    tokenizer: Tokenizer | None = None,
    unknown: Literal["error", "extend", "skip"] = "error",
    find: Callable[[IdsKey], Ids | None] | None = None,
    keep: Callable[[IdsKey, Iterator[Ids]], Ids] | None = None,
    at_most: int | None = None,
    progress: ReadingProgress = no_progress,
) -> TokenizedCorpus:
    """Reads a corpus into ids, under a tokenizer fitted to it or under the one that is given.

    Args:
        kind: `char` or `byte`, when no tokenizer is given.
        min_count: characters seen less often are folded into U+FFFD.
        tokenizer: use this one, of a model that exists.
        unknown: what to do with characters it does not know: raise UnknownCharacterError, extend
            it with them (after its own characters), or skip them.
        find: where ids that are too large for memory may lie in a file already; None when not.
        keep: puts such ids, which come in pieces, into a file. Without it they fill the memory.
        at_most: bytes, where it is known how many there are: what has more is another text, which
            may have no end.
        progress: is told how far the reading has come.

    Raises CorpusError when the text is empty, is not text, or changes while it is read.
    """
    if min_count < 1:
        raise ConfigError(f"min count {min_count}: choose at least 1")
    kind = tokenizer.kind if tokenizer else kind
    if kind not in TOKENIZERS:
        raise ConfigError(f"tokenizer {kind!r}: choose from {', '.join(TOKENIZERS)}")
    if kind == ByteTokenizer.kind:
        corpus = replace(corpus, parts=tuple(map(_raw, corpus.parts)))
    first = Reading(_watched(corpus, progress), at_most)
    if kind == ByteTokenizer.kind:
        counted = _count_bytes(first)
    else:
        counted = count_characters(first, tokenizer, min_count, unknown)
    ids = collect_ids(counted, Reading(corpus), find=find, keep=keep, progress=progress)
    return TokenizedCorpus(
        corpus.name,
        corpus.sources,
        corpus.options,
        first.digest.hexdigest(),
        first.bytes,
        counted.tokenizer,
        ids,
        counted.skipped,
    )


class Size(NamedTuple):
    """How large a text is: bytes of UTF-8, characters, and how many of these are distinct."""

    bytes: int
    characters: int
    distinct: int


def measure(corpus: Corpus) -> Size:
    """How large a text is; it is read once, and not kept. Raises CorpusError."""
    reading = Reading(corpus)
    counted = count_characters(reading, None, 1, "error")
    return Size(reading.bytes, reading.count, counted.tokenizer.vocabulary_size)


class LongerTextError(CorpusError):
    """A text is longer than it is known to be, and may have no end."""


class Reading:
    """Reads the text of a corpus once, and counts and hashes what passes by.

    Attributes:
        digest: of the text as UTF-8, or of the bytes.
        count: N, how many ids it makes.
        bytes: of the text as UTF-8.

    Raises LongerTextError as soon as there are more bytes than `at_most`.
    """

    def __init__(self, corpus: Corpus, at_most: int | None = None) -> None:
        self.corpus = corpus
        self._at_most = at_most
        self.digest = hashlib.sha256()
        self.count = 0
        self.bytes = 0

    def texts(self, prepare: Callable[[str], str] = str) -> Iterator[str]:
        """The text in pieces, as it is once it was prepared."""
        for text in map(prepare, self.corpus.texts()):
            encoded = text.encode()
            self.digest.update(encoded)
            self.add(len(encoded), len(text))
            yield text

    def raw(self) -> Iterator[bytes]:
        """The bytes in pieces."""
        for piece in self.corpus.bytes():
            self.digest.update(piece)
            self.add(len(piece), len(piece))
            yield piece

    def add(self, size: int, count: int) -> None:
        """Counts what was read, in bytes and in ids."""
        self.bytes += size
        self.count += count
        if self._at_most is not None and self.bytes > self._at_most:
            raise LongerTextError(f"{self.corpus.name}: it has more than {self._at_most:,} bytes")


@dataclass(frozen=True)
class Counted:
    """What the first reading gives: what was read, under which tokenizer, less which characters;
    and how another one becomes ids."""

    reading: Reading
    tokenizer: Tokenizer
    skipped: tuple[str, ...]
    encode: Callable[[Reading], Iterator[Ids]]

    def key(self) -> IdsKey:
        alphabet = json.dumps(self.tokenizer.to_json())
        return IdsKey(
            text_sha256=self.reading.digest.hexdigest(),
            tokenizer_sha256=hashlib.sha256(alphabet.encode()).hexdigest(),
            vocabulary_size=self.tokenizer.vocabulary_size,
            count=self.reading.count,
            dtype=self.tokenizer.dtype.str,
        )


def _count_bytes(reading: Reading) -> Counted:
    def encode(reading: Reading) -> Iterator[Ids]:
        return (np.frombuffer(piece, np.uint8) for piece in reading.raw())

    _exhaust(reading.raw())
    return Counted(reading, ByteTokenizer(), (), encode)


def count_characters(
    reading: Reading,
    tokenizer: Tokenizer | None,
    min_count: int,
    unknown: Literal["error", "extend", "skip"],
) -> Counted:
    """Reads a text for the first time, under a tokenizer that is fitted to it, extended, or given;
    see `tokenize`.

    Raises CorpusError where it is empty, or has too many distinct characters.
    """
    name = reading.corpus.name
    surely_known = tokenizer is None or unknown != "error"
    skipped: dict[str, None] = {}
    prepare: Callable[[str], str] = str
    if tokenizer is None or unknown == "extend":
        known = tokenizer if isinstance(tokenizer, CharTokenizer) else None
        texts = _not_empty(name, reading.texts())
        tokenizer = CharTokenizer.fit(texts, min_count=min_count, first=known)
        if tokenizer.vocabulary_size > LARGEST_VOCABULARY:
            raise CorpusError(
                f"{name}: {tokenizer.vocabulary_size:,} distinct characters are too many "
                f"({LARGEST_VOCABULARY:,} at most); fold rare ones with --min-count, "
                "or read it with --tokenizer byte"
            )
    else:
        given = tokenizer

        def without_unknown(text: str) -> str:
            kept = given.without_unknown(text)
            if len(kept) < len(text):  # else they are folded, not skipped
                skipped.update(dict.fromkeys(given.unknown(text)))
            return kept

        if unknown == "skip":
            prepare = without_unknown
        _exhaust(reading.texts(prepare))
    fitted = tokenizer

    def encode(reading: Reading) -> Iterator[Ids]:
        for text in reading.texts(prepare):
            try:
                ids = fitted.encode(text)
            except UnknownCharacterError:
                if not surely_known:
                    raise
                raise _changed(name) from None  # a moment ago, there was no such character
            yield ids

    return Counted(reading, fitted, tuple(skipped), encode)


def collect_ids(
    counted: Counted,
    second: Reading,
    *,
    find: Callable[[IdsKey], Ids | None] | None,
    keep: Callable[[IdsKey, Iterator[Ids]], Ids] | None,
    progress: ReadingProgress,
) -> Ids:
    """The ids (N,) of a text that was counted: found in a file, or by reading it again; see
    `tokenize`.

    Raises CorpusError where it is empty, or not what the first reading read.
    """
    key = counted.key()
    if key.count == 0:
        raise _empty(second.corpus.name)
    large = key.bytes > LARGEST_IN_MEMORY
    ids = find(key) if large and find is not None else None
    if ids is None:
        again = _unchanged(counted, second, progress)
        ids = keep(key, again) if large and keep is not None else _collect(key, again)
    return ids


def _raw(part: Part) -> Part:
    """The part as a tokenizer of bytes reads it."""
    return part if part.raw is None else replace(part, pieces=part.raw)


def _watched(corpus: Corpus, progress: ReadingProgress) -> Corpus:
    """The same corpus, which tells how many of its bytes have been read."""
    sizes = [part.size for part in corpus.parts if part.size is not None]
    total = sum(sizes) if len(sizes) == len(corpus.parts) else None
    done = 0

    def watch(part: Part) -> Iterator[bytes]:
        nonlocal done
        for piece in part.pieces():
            yield piece
            done += len(piece)
            progress("reading", done, total)

    parts = (replace(part, pieces=partial(watch, part)) for part in corpus.parts)
    return replace(corpus, parts=tuple(parts))


def _unchanged(counted: Counted, second: Reading, progress: ReadingProgress) -> Iterator[Ids]:
    """The ids of a second reading. Raises CorpusError where it is not what the first one read."""
    first, name = counted.reading, second.corpus.name
    for ids in counted.encode(second):
        if second.count > first.count:  # it may be growing for ever
            raise _changed(name)
        yield ids
        progress("numbering", second.count, first.count)
    if second.digest.digest() != first.digest.digest():
        raise _changed(name)


def _collect(key: IdsKey, parts: Iterable[Ids]) -> Ids:
    """The ids of the parts in one array, made once at its final size."""
    ids = np.empty(key.count, dtype=key.dtype)
    end = 0
    for piece in parts:
        start, end = end, end + len(piece)
        ids[start:end] = piece
    assert end == key.count
    return ids


def _exhaust(items: Iterable[object]) -> None:
    collections.deque(items, maxlen=0)


def newline_id(tokenizer: Tokenizer) -> int | None:
    """The id of the newline, None when the vocabulary has none."""
    return None if tokenizer.unknown("\n") else int(tokenizer.encode("\n")[0])


def utf8_bytes(tokenizer: Tokenizer, ids: AnyIds) -> int:
    """How many bytes of UTF-8 the text of the ids (N,) takes, without making the text."""
    if isinstance(tokenizer, CharTokenizer):
        points = code_points("".join(tokenizer.characters))
        lengths = 1 + np.searchsorted([0x80, 0x800, 0x10000], points, side="right")
        counts = (np.bincount(piece, minlength=len(lengths)) for piece in chunks(ids))
        return sum(int(count @ lengths) for count in counts)
    return len(ids)


def utf8_characters(tokenizer: Tokenizer, ids: AnyIds) -> int:
    """How many characters the text of the ids (N,) has; of bytes, those that begin one."""
    if isinstance(tokenizer, CharTokenizer):
        return len(ids)
    starts = sum(int(np.count_nonzero((piece & 0xC0) != 0x80)) for piece in chunks(ids))
    return max(1, starts)


def _not_empty(name: str, texts: Iterator[str]) -> Iterator[str]:
    first = next(texts, None)
    if first is None:
        raise _empty(name)
    return itertools.chain([first], texts)


def _empty(name: str) -> CorpusError:
    return CorpusError(f"{name}: it is empty; there is nothing to learn from")


def _changed(name: str) -> CorpusError:
    return CorpusError(f"{name}: it changed while it was being read; try again")


def _short_name(name: str) -> str:
    if name == "-":
        return "stdin"
    if name.startswith("hf:"):
        return name.removeprefix("hf:").split(":")[0].split("/")[-1]
    path = PurePath(os.path.abspath(name))  # `.` and `..` have names of their own
    return (path.stem if find_corpus(name) else path.name) or "corpus"
