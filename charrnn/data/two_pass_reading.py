"""Reading a text twice: once to hash it and fit its alphabet, once to encode it as ids.

So the text is never in memory as a `str`, which a single emoji would make four times the file's
size. Only its ids are, one byte each for most alphabets. Where they take more than
LARGEST_IN_MEMORY, and the caller has a place for them, they are written to a file instead.

Legend: N characters, V vocabulary.
"""

import collections
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, Literal, Protocol, TypeVar, cast

import numpy as np

from charrnn.data.tokenizer import (
    LARGEST_VOCABULARY,
    TOKENIZERS,
    ByteTokenizer,
    CharTokenizer,
    Ids,
    Tokenizer,
)
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError

LARGEST_IN_MEMORY: Final = 64 << 20
"""The most bytes of ids in memory; more are kept in a file, where there is a place for one."""

Unknown = Literal["error", "extend", "skip"]
"""What to do with characters that a tokenizer does not know: raise UnknownCharacterError, extend
the tokenizer with them (after its own characters), or skip them."""

ReadingProgress = Callable[[str, int, int | None], None]
"""A function that is called every million bytes or characters with what is being done, how much is
done, and how much there is to do (None where that is unknown)."""


def no_progress(_what: str, _done: int, _total: int | None) -> None:
    """Do nothing: the default ReadingProgress."""


@dataclass(frozen=True, kw_only=True)
class IdsKey:
    """All that the ids of a corpus depend on, and their shape, to recognize them in a file.

    Attributes:
        text_sha256: the SHA-256 of the text; see TokenizedCorpus.
        tokenizer_sha256: the SHA-256 of the tokenizer as JSON.
        vocabulary_size: V; every id is below it.
        count: N.
        dtype: the type of an id, in NumPy's spelling, with its byte order.
    """

    text_sha256: str
    tokenizer_sha256: str
    vocabulary_size: int
    count: int
    dtype: str

    @property
    def bytes(self) -> int:
        """The size of all ids."""
        return self.count * np.dtype(self.dtype).itemsize


FindIds = Callable[[IdsKey], Ids | None]
"""A function that looks for ids in a file; None where they are not there."""

KeepIds = Callable[[IdsKey, Iterator[Ids]], Ids]
"""A function that writes ids, which come in chunks, to a file, and returns them mapped."""


class LongerTextError(CorpusError):
    """A text is longer than expected, and may have no end."""


class Reading:
    """One pass over a text, which counts and hashes what it yields.

    Attributes:
        name: the name of the text.
        digest: the hash of what was read so far.
        bytes: how many bytes were read, as UTF-8.
        count: how many ids they make.

    Raises LongerTextError after more than `at_most` bytes.
    """

    nothing: str = "there is nothing to learn from"
    """The end of the error message for an empty text."""

    def __init__(self, name: str, at_most: int | None = None) -> None:
        self.name = name
        self._at_most = at_most
        self.digest = hashlib.sha256()
        self.bytes = 0
        self.count = 0

    def chunks(self, prepare: Callable[[str], str]) -> Iterator[str | bytes]:
        """Yield the text in chunks, each as `prepare` returns it: as `str` or, only under a byte
        tokenizer, as bytes."""
        raise NotImplementedError

    def add(self, content: bytes, *, size: int, count: int) -> None:
        """Add to the digest, the bytes and the count of ids."""
        self.digest.update(content)
        self.bytes += size
        self.count += count
        if self._at_most is not None and self.bytes > self._at_most:
            raise LongerTextError(f"{self.name}: it has more than {self._at_most:,} bytes")

    def empty_error(self) -> CorpusError:
        """Return the error for a text without characters."""
        return CorpusError(f"{self.name}: it is empty; {self.nothing}")

    def changed_error(self) -> CorpusError:
        """Return the error for a text that has changed before the second pass."""
        return CorpusError(f"{self.name}: it changed while it was being read; try again")


R = TypeVar("R", bound=Reading)
R_co = TypeVar("R_co", bound=Reading, covariant=True)


class OpenReading(Protocol[R_co]):
    """A function that begins a pass over a text; `progress` is called with how much has been
    read."""

    def __call__(
        self, *, as_bytes: bool, at_most: int | None = None, progress: ReadingProgress = no_progress
    ) -> R_co: ...


@dataclass(frozen=True)
class EncodedText(Generic[R]):
    """The result of `read_twice`.

    Attributes:
        first: the first pass, with the text's digest and size.
        tokenizer: the tokenizer of the ids.
        ids: (N,).
        skipped: the unknown characters that were left out, each once.
    """

    first: R
    tokenizer: Tokenizer
    ids: Ids
    skipped: tuple[str, ...]


def read_twice(
    open_reading: OpenReading[R],
    *,
    kind: str = "char",
    min_count: int = 1,
    tokenizer: Tokenizer | None = None,
    unknown: Unknown = "error",
    find: FindIds | None = None,
    keep: KeepIds | None = None,
    at_most: int | None = None,
    progress: ReadingProgress = no_progress,
) -> EncodedText[R]:
    """Read a text into ids, with a tokenizer fitted to it, or with a given one.

    The arguments are those of `corpus.tokenize`. Raises CorpusError when the text is empty, is not
    text, or changes between the two passes; UnknownCharacterError; ConfigError.
    """
    if min_count < 1:
        raise ConfigError(f"min count {min_count}: choose at least 1")
    kind = tokenizer.kind if tokenizer else kind
    if kind not in TOKENIZERS:
        raise ConfigError(f"tokenizer {kind!r}: choose from {', '.join(TOKENIZERS)}")
    as_bytes = kind == ByteTokenizer.kind
    if as_bytes:  # the tokenizer knows every byte
        tokenizer, unknown = ByteTokenizer(), "error"
    first = open_reading(as_bytes=as_bytes, at_most=at_most, progress=progress)
    counted = count_characters(first, tokenizer, min_count=min_count, unknown=unknown)
    key = counted.key()
    if key.count == 0:
        raise first.empty_error()
    is_large = key.bytes > LARGEST_IN_MEMORY
    ids = find(key) if is_large and find is not None else None
    if ids is None:
        encoded = counted.encode(open_reading(as_bytes=as_bytes), progress)
        ids = keep(key, encoded) if is_large and keep is not None else _collect(key, encoded)
    return EncodedText(first, counted.tokenizer, ids, counted.skipped)


@dataclass(frozen=True)
class Counted:
    """The results of the first pass, and how the second one encodes.

    Attributes:
        first: the first pass.
        tokenizer: the tokenizer, which was given, extended, or fitted to the text.
        skipped: the unknown characters that are left out.
        prepare: removes them from a chunk.
        is_fitted: whether the tokenizer knows every character of the text.
    """

    first: Reading
    tokenizer: Tokenizer
    skipped: tuple[str, ...]
    prepare: Callable[[str], str]
    is_fitted: bool

    def key(self) -> IdsKey:
        """Return what the ids of the text depend on."""
        alphabet = json.dumps(self.tokenizer.to_json())
        return IdsKey(
            text_sha256=self.first.digest.hexdigest(),
            tokenizer_sha256=hashlib.sha256(alphabet.encode()).hexdigest(),
            vocabulary_size=self.tokenizer.vocabulary_size,
            count=self.first.count,
            dtype=self.tokenizer.dtype.str,
        )

    def encode(self, second: Reading, progress: ReadingProgress) -> Iterator[Ids]:
        """Yield the ids of the second pass, in chunks. Raises CorpusError where the text differs
        from the first pass, UnknownCharacterError."""
        first = self.first
        for chunk in second.chunks(self.prepare):
            if second.count > first.count:  # it may grow forever
                raise first.changed_error()
            yield self._encode(chunk)
            progress("numbering", second.count, first.count)
        if second.digest.digest() != first.digest.digest():
            raise first.changed_error()

    def _encode(self, chunk: str | bytes) -> Ids:
        if isinstance(chunk, bytes):
            return np.frombuffer(chunk, np.uint8)
        try:
            return self.tokenizer.encode(chunk)
        except UnknownCharacterError:
            if not self.is_fitted:
                raise
            raise self.first.changed_error() from None  # the first pass did not find this character


def count_characters(
    first: Reading, tokenizer: Tokenizer | None, *, min_count: int = 1, unknown: Unknown = "error"
) -> Counted:
    """Read a text for the first time, with a tokenizer that is fitted to it, extended, or given;
    see `corpus.tokenize`.

    Raises CorpusError where the text is empty, or has too many distinct characters.
    """
    if tokenizer is None or unknown == "extend":
        known = tokenizer if isinstance(tokenizer, CharTokenizer) else None
        texts = cast(Iterator[str], first.chunks(str))  # only the byte tokenizer reads bytes
        start = next(texts, None)
        if start is None:
            raise first.empty_error()
        fitted = CharTokenizer.fit(
            itertools.chain([start], texts), min_count=min_count, first=known
        )
        if fitted.vocabulary_size > LARGEST_VOCABULARY:
            raise CorpusError(
                f"{first.name}: {fitted.vocabulary_size:,} distinct characters are too many "
                f"({LARGEST_VOCABULARY:,} at most); fold rare ones with --min-count, "
                "or read it with --tokenizer byte"
            )
        return Counted(first, fitted, (), prepare=str, is_fitted=True)
    given = tokenizer
    skipped: dict[str, None] = {}

    def without_unknown(text: str) -> str:
        kept = given.without_unknown(text)
        if len(kept) < len(text):  # otherwise they are folded, not skipped
            skipped.update(dict.fromkeys(given.unknown(text)))
        return kept

    prepare = without_unknown if unknown == "skip" else str
    collections.deque(first.chunks(prepare), maxlen=0)
    return Counted(first, given, tuple(skipped), prepare=prepare, is_fitted=unknown == "skip")


def _collect(key: IdsKey, chunks: Iterable[Ids]) -> Ids:
    """Return the ids of the chunks in one array, allocated once at its final size."""
    ids = np.empty(key.count, dtype=key.dtype)
    end = 0
    for chunk in chunks:
        start, end = end, end + len(chunk)
        ids[start:end] = chunk
    assert end == key.count
    return ids
