"""A corpus: text as it was found, then ids.

`open_corpus` names the text, `tokenize` reads it twice, a piece at a time: once to count its
characters and hash it, once to turn it into ids. The text never lies in memory as a `str` (which
one emoji would make four times the file's size), only its ids do, one byte each for most alphabets.

Legend: N characters.
"""

import collections
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

import numpy as np

from charrnn.data.sources import (
    PYTHON_DOCS,
    Part,
    ReadOptions,
    decode,
    find_corpus,
    open_source,
)
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

MINIMUM_SPLIT = 2
"""Characters that training and validation each need: one to read and one to predict."""


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

    Raises CorpusError when one is not found, ConfigError for an encoding Python does not know.
    """
    options = options or ReadOptions()
    try:
        "".encode(options.encoding)  # unlike codecs.lookup, refuses `rot13` and other non-texts
    except (LookupError, ValueError) as error:
        raise ConfigError(f"encoding {options.encoding!r}: {error}") from error
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

    def split(self, validation_fraction: float, *, lines: bool = False) -> tuple[Ids, Ids]:
        """The ids of training, then of validation: the last `validation_fraction` of the corpus.

        With `lines`, validation begins at the start of a line. Both are views, not copies.
        Raises CorpusError when either would have too few characters to learn from.
        """
        if not 0 < validation_fraction <= 0.5:
            raise ConfigError(
                f"validation fraction {validation_fraction}: choose one above 0 and up to 0.5"
            )
        boundary = int(len(self.ids) * (1 - validation_fraction))
        if lines:
            newline = newline_id(self.tokenizer)
            before = np.flatnonzero(self.ids[:boundary] == newline)  # none at all for None
            if len(before) == 0:
                raise CorpusError(f"{self.name}: --lines needs at least a few lines")
            boundary = int(before[-1]) + 1
        training, validation = self.ids[:boundary], self.ids[boundary:]
        if min(len(training), len(validation)) < MINIMUM_SPLIT:
            needed = max(2 * MINIMUM_SPLIT, int((MINIMUM_SPLIT - 1) / validation_fraction) + 1)
            raise CorpusError(
                f"{self.name}: {len(self.ids)} characters are too few; training needs at least "
                f"{needed}, of which the last {validation_fraction:.0%} are for validation"
            )
        return training, validation


def tokenize(
    corpus: Corpus,
    *,
    kind: str = "char",
    min_count: int = 1,
    tokenizer: Tokenizer | None = None,
    unknown: Literal["error", "extend", "skip"] = "error",
) -> TokenizedCorpus:
    """Reads a corpus into ids, under a tokenizer fitted to it or under the one that is given.

    Args:
        kind: `char` or `byte`, when no tokenizer is given.
        min_count: characters seen less often are folded into U+FFFD.
        tokenizer: use this one, of a model that exists.
        unknown: what to do with characters it does not know: raise UnknownCharacterError, extend
            it with them (after its own characters), or skip them.

    Raises CorpusError when the text is empty, is not text, or changes while it is read.
    """
    if min_count < 1:
        raise ConfigError(f"min count {min_count}: choose at least 1")
    kind = tokenizer.kind if tokenizer else kind
    if kind not in TOKENIZERS:
        raise ConfigError(f"tokenizer {kind!r}: choose from {', '.join(TOKENIZERS)}")
    if kind == ByteTokenizer.kind:
        return _tokenize_bytes(corpus)

    reading = _Reading()
    texts = reading.watch(corpus.texts())
    skipped: tuple[str, ...] = ()
    if tokenizer is None or unknown == "extend":
        first = tokenizer if isinstance(tokenizer, CharTokenizer) else None
        tokenizer = CharTokenizer.fit(_not_empty(corpus, texts), min_count=min_count, first=first)
        if tokenizer.vocabulary_size > LARGEST_VOCABULARY:
            raise CorpusError(
                f"{corpus.name}: {tokenizer.vocabulary_size:,} distinct characters are too many "
                f"({LARGEST_VOCABULARY:,} at most); fold rare ones with --min-count, "
                "or read it with --tokenizer byte"
            )
        unknown = "extend"  # from here on, an unknown character means that the text has changed
        prepare: Callable[[str], str] = str
    elif unknown == "skip":
        prepare = tokenizer.without_unknown
        strange: dict[str, None] = {}
        for text in corpus.texts():
            known = prepare(text)
            if len(known) < len(text):  # else they are folded, not skipped
                strange |= dict.fromkeys(tokenizer.unknown(text))
            collections.deque(reading.watch([known]), maxlen=0)
        skipped = tuple(strange)
    else:
        collections.deque(texts, maxlen=0)
        prepare = str
    again = _Reading()
    pieces = map(tokenizer.encode, again.watch(map(prepare, corpus.texts())))
    try:
        ids = _collect(corpus, pieces, reading.characters, tokenizer.dtype)
    except UnknownCharacterError:
        if unknown == "error":
            raise
        raise _changed(corpus) from None
    if again.digest.digest() != reading.digest.digest():
        raise _changed(corpus)
    return TokenizedCorpus(
        corpus.name,
        corpus.sources,
        corpus.options,
        reading.digest.hexdigest(),
        reading.bytes,
        tokenizer,
        ids,
        skipped,
    )


def _tokenize_bytes(corpus: Corpus) -> TokenizedCorpus:
    digest, size = hashlib.sha256(), 0
    for piece in corpus.bytes():
        digest.update(piece)
        size += len(piece)
    tokenizer = ByteTokenizer()
    pieces = (np.frombuffer(piece, dtype=np.uint8) for piece in corpus.bytes())
    ids = _collect(corpus, pieces, size, tokenizer.dtype)
    if hashlib.sha256(ids.data).digest() != digest.digest():
        raise _changed(corpus)
    return TokenizedCorpus(
        corpus.name, corpus.sources, corpus.options, digest.hexdigest(), size, tokenizer, ids
    )


def newline_id(tokenizer: Tokenizer) -> int | None:
    """The id of the newline, None when the vocabulary has none."""
    return None if tokenizer.unknown("\n") else int(tokenizer.encode("\n")[0])


def utf8_bytes(tokenizer: Tokenizer, ids: Ids) -> int:
    """How many bytes of UTF-8 the text of the ids (N,) takes, without making the text."""
    if isinstance(tokenizer, CharTokenizer):
        points = code_points("".join(tokenizer.characters))
        lengths = 1 + np.searchsorted([0x80, 0x800, 0x10000], points, side="right")
        return int(np.bincount(ids, minlength=len(lengths)) @ lengths)
    return len(ids)


class _Reading:
    """Counts and hashes the text that passes by."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.characters = 0
        self.bytes = 0

    def watch(self, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            encoded = text.encode()
            self.digest.update(encoded)
            self.characters += len(text)
            self.bytes += len(encoded)
            yield text


def utf8_characters(tokenizer: Tokenizer, ids: Ids) -> int:
    """How many characters the text of the ids (N,) has; of bytes, those that begin one."""
    if isinstance(tokenizer, CharTokenizer):
        return len(ids)
    return max(1, int(np.count_nonzero((ids & 0xC0) != 0x80)))


def _not_empty(corpus: Corpus, texts: Iterator[str]) -> Iterator[str]:
    first = next(texts, None)
    if first is None:
        raise CorpusError(f"{corpus.name}: it is empty; there is nothing to learn from")
    return itertools.chain([first], texts)


def _collect(corpus: Corpus, pieces: Iterable[Ids], count: int, dtype: np.dtype[Any]) -> Ids:
    """The `count` ids of the pieces in one array, made once at its final size."""
    if count == 0:
        raise CorpusError(f"{corpus.name}: it is empty; there is nothing to learn from")
    ids = np.empty(count, dtype=dtype)
    end = 0
    for piece in pieces:
        start, end = end, end + len(piece)
        if end > count:
            break
        ids[start:end] = piece
    if end != count:
        raise _changed(corpus)
    return ids


def _changed(corpus: Corpus) -> CorpusError:
    return CorpusError(f"{corpus.name}: it changed while it was being read; try again")


def _short_name(name: str) -> str:
    if name == "-":
        return "stdin"
    if name.startswith("hf:"):
        return name.removeprefix("hf:").split(":")[0].split("/")[-1]
    path = PurePath(os.path.abspath(name))  # `.` and `..` have names of their own
    return (path.stem if find_corpus(name) else path.name) or "corpus"
