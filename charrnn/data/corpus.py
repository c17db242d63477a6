"""A corpus: text as it was found, then as ids.

`open_corpus` finds the text, and `tokenize` encodes it as ids.

Legend: N characters, V vocabulary.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from charrnn.ambient import as_usual
from charrnn.data.documents import check_labels, check_pairs
from charrnn.data.excerpt import AnyIds
from charrnn.data.folders import FolderFiles
from charrnn.data.memmap import chunks
from charrnn.data.parts import Part, check_encoding, decode
from charrnn.data.read_options import ReadOptions
from charrnn.data.sources import PYTHON_DOCS, find_corpus, find_folder, folder_parts, open_source
from charrnn.data.splitting import split
from charrnn.data.tokenizer import CharTokenizer, Ids, Tokenizer, code_points
from charrnn.data.two_pass_reading import (
    FindIds,
    KeepIds,
    Reading,
    ReadingProgress,
    Unknown,
    count_characters,
    no_progress,
    read_twice,
)
from charrnn.errors import CorpusError


@dataclass(frozen=True)
class Corpus:
    """A named text that can be read in chunks, any number of times.

    Attributes:
        name: a short name, such as `tinyshakespeare`.
        sources: the names that were given, as absolute paths, so that the text can be found again.
        options: how to read the text.
        parts: the streams of bytes, in order.
        folders: the files found in the folders among the sources.
    """

    name: str
    sources: tuple[str, ...]
    options: ReadOptions
    parts: tuple[Part, ...]
    folders: tuple[FolderFiles, ...] = ()

    def texts(self) -> Iterator[str]:
        """Yield the text in chunks: a byte-order mark dropped, a newline put between parts that
        lack one.

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
        """Yield the bytes in chunks, exactly as they are, with the parts joined end to end."""
        for part in self.parts:
            yield from part.chunks()


def open_corpus(
    names: Sequence[str], options: ReadOptions | None = None, *, most_files: int | None = None
) -> Corpus:
    """Return the corpus of the given names (see SOURCES), joined in that order.

    Raises CorpusError when a name is not found, has no labels or pairs where the options name a
    label or a source, or is a folder that holds more than `most_files` files and folders;
    ConfigError for an encoding that Python does not know.
    """
    options = options or ReadOptions()
    check_encoding(options.encoding)
    check_labels(names, options)
    check_pairs(names, options)
    names = names or [PYTHON_DOCS]
    parts: list[Part] = []
    folders: list[FolderFiles] = []
    for name in names:
        found = find_folder(name, options, most_files=most_files)
        if found is None:
            parts += open_source(name, options)
        else:
            folders.append(found)
            parts += folder_parts(found, options)
    sources = [os.path.abspath(path) if (path := find_corpus(name)) else name for name in names]
    return Corpus(_short_name(names[0]), tuple(sources), options, tuple(parts), tuple(folders))


@dataclass(frozen=True)
class TokenizedCorpus:
    """A corpus as ids, with what a checkpoint stores about the text.

    Attributes:
        name: the name of the corpus.
        sources, options: where to find it again, and how to read it.
        sha256: the SHA-256 of the text as UTF-8 (of the raw bytes, under a byte tokenizer).
        bytes: how many bytes that is, in UTF-8 or raw.
        tokenizer: the tokenizer of the ids.
        ids: (N,), of the smallest unsigned type.
        skipped: characters that were left out because the tokenizer does not know them.
        folders: the files found in the folders among the sources.
    """

    name: str
    sources: tuple[str, ...]
    options: ReadOptions
    sha256: str
    bytes: int
    tokenizer: Tokenizer
    ids: Ids = field(repr=False)
    skipped: tuple[str, ...] = ()
    folders: tuple[FolderFiles, ...] = field(default=(), kw_only=True, repr=False)

    @property
    def characters(self) -> int:
        """The number of characters (under a byte tokenizer, of bytes)."""
        return len(self.ids)

    def split(
        self, validation_fraction: float, *, lines: bool = False, seed: int | None = None
    ) -> tuple[AnyIds, AnyIds]:
        """Return the training ids, then the validation ids; nothing is copied.

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
    unknown: Unknown = "error",
    find: FindIds | None = None,
    keep: KeepIds | None = None,
    at_most: int | None = None,
    progress: ReadingProgress = no_progress,
) -> TokenizedCorpus:
    """Read a corpus into ids, with a tokenizer fitted to it or with a given one.

    Args:
        kind: `char` or `byte`, when no tokenizer is given.
        min_count: characters with fewer occurrences are folded into U+FFFD.
        tokenizer: the tokenizer of an existing model.
        unknown: what to do with characters that the tokenizer does not know; see Unknown.
        find: looks in a file for ids that are too large for memory.
        keep: writes such ids to a file; without it they stay in memory.
        at_most: the bytes of the text, where they are known: a text with more is another one, which
            may have no end.
        progress: called with how much of the text has been read.

    Raises CorpusError when the text is empty, is not text, or changes while it is read;
    UnknownCharacterError; ConfigError for an invalid `kind` or `min_count`.
    """
    text = read_twice(
        partial(_CorpusReading, corpus),
        kind=kind,
        min_count=min_count,
        tokenizer=tokenizer,
        unknown=unknown,
        find=find,
        keep=keep,
        at_most=at_most,
        progress=progress,
    )
    return TokenizedCorpus(
        corpus.name,
        corpus.sources,
        corpus.options,
        text.first.digest.hexdigest(),
        text.first.bytes,
        text.tokenizer,
        text.ids,
        text.skipped,
        folders=corpus.folders,
    )


class Size(NamedTuple):
    """The size of a text: bytes of UTF-8, characters, and distinct characters."""

    bytes: int
    characters: int
    distinct: int


def measure(corpus: Corpus) -> Size:
    """Return the size of a text, which is read once and not kept. Raises CorpusError."""
    reading = _CorpusReading(corpus, as_bytes=False)
    counted = count_characters(reading, None)
    return Size(reading.bytes, reading.count, counted.tokenizer.vocabulary_size)


class _CorpusReading(Reading):
    """One pass over the text of a corpus, or over its bytes."""

    def __init__(
        self,
        corpus: Corpus,
        *,
        as_bytes: bool,
        at_most: int | None = None,
        progress: ReadingProgress = no_progress,
    ) -> None:
        super().__init__(corpus.name, at_most)
        if as_bytes:
            corpus = replace(corpus, parts=tuple(map(_raw, corpus.parts)))
        self._corpus, self._as_bytes = _watched(corpus, progress), as_bytes

    def chunks(self, prepare: Callable[[str], str]) -> Iterator[str | bytes]:
        if self._as_bytes:
            for content in self._corpus.bytes():
                self.add(content, size=len(content), count=len(content))
                yield content
            return
        for text in map(prepare, self._corpus.texts()):
            encoded = text.encode()
            self.add(encoded, size=len(encoded), count=len(text))
            yield text


def _raw(part: Part) -> Part:
    """Return the part as a tokenizer of bytes reads it."""
    return part if part.raw is None else replace(part, chunks=part.raw)


def _watched(corpus: Corpus, progress: ReadingProgress) -> Corpus:
    """Return the same corpus, whose reading reports how many bytes have been read."""
    sizes = [part.size for part in corpus.parts if part.size is not None]
    total = sum(sizes) if len(sizes) == len(corpus.parts) else None
    done = 0

    def watch(part: Part) -> Iterator[bytes]:
        nonlocal done
        for chunk in part.chunks():
            yield chunk
            done += len(chunk)
            progress("reading", done, total)

    parts = (replace(part, chunks=partial(watch, part)) for part in corpus.parts)
    return replace(corpus, parts=tuple(parts))


def newline_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of the newline, None when the vocabulary has none."""
    return None if tokenizer.unknown("\n") else int(tokenizer.encode("\n")[0])


def utf8_bytes(tokenizer: Tokenizer, ids: AnyIds) -> int:
    """Return how many bytes of UTF-8 the text of ids (N,) takes, without decoding it."""
    if isinstance(tokenizer, CharTokenizer):
        points = code_points("".join(tokenizer.characters))
        lengths = 1 + np.searchsorted([0x80, 0x800, 0x10000], points, side="right")
        counts = (np.bincount(chunk, minlength=len(lengths)) for chunk in chunks(ids))
        return sum(int(count @ lengths) for count in counts)
    return len(ids)


def utf8_characters(tokenizer: Tokenizer, ids: AnyIds) -> int:
    """Return how many characters the text of ids (N,) has; for bytes, count those that begin a
    character."""
    if isinstance(tokenizer, CharTokenizer):
        return len(ids)
    starts = sum(int(np.count_nonzero((chunk & 0xC0) != 0x80)) for chunk in chunks(ids))
    return max(1, starts)


def _short_name(name: str) -> str:
    if name == "-":
        return "stdin"
    if name.startswith("hf:"):
        return name.removeprefix("hf:").split(":")[0].split("/")[-1]
    path = PurePath(os.path.abspath(name))  # `.` and `..` have names of their own
    return (path.stem if find_corpus(name) else path.name) or "corpus"
