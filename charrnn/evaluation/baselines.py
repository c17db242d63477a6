"""Baselines: simpler models of the same text, scored in nats per character.

Each is trained on the training text and scored on the held-out text, as the network is.

Legend: N characters, V vocabulary.
"""

import functools
import lzma
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.data.excerpt import AnyIds
from charrnn.data.memmap import CHUNK, chunks, release_pages
from charrnn.data.tokenizer import Ids, Tokenizer

BASELINES: Final = {"unigram": "character frequencies", "n_gram": "n-grams", "xz": "xz"}
"""The baselines and their names for people."""

_SECONDS_A_MILLION: Final = {"unigram": 0.01, "n_gram": 0.5, "xz": 5.0}
"""About how many seconds a baseline takes for a million characters, on a slow core."""

LARGEST_TRAINING_CHARACTERS: Final = 10_000_000
"""The most characters of training text that the n-grams count. They are taken from its end, next to
the held-out text."""

LONGEST_MEMORY: Final = 64 << 20
"""The most characters of training text that xz reads, from its end: its strongest preset looks
back 64 MiB."""


class Baseline(NamedTuple):
    """A simpler model of a text.

    Attributes:
        seconds: about how long it takes to compute.
        nats: returns its nats per character; computes them at the first call.
    """

    seconds: float
    nats: Callable[[], float]


def baselines(
    training: AnyIds, held_out: AnyIds, tokenizer: Tokenizer, *, memory: int = LONGEST_MEMORY
) -> dict[str, float]:
    """Return the nats per character of each baseline on the held-out text.

    The first character is not scored. `memory` is the most characters of training text that xz
    reads.
    """
    prepared = prepare_baselines(training, held_out, tokenizer, memory=memory)
    return {name: each.nats() for name, each in prepared.items()}


def prepare_baselines(
    training: AnyIds, held_out: AnyIds, tokenizer: Tokenizer, *, memory: int = LONGEST_MEMORY
) -> dict[str, Baseline]:
    """Return the baselines of `baselines` before they are computed, the quickest first."""
    size = tokenizer.vocabulary_size
    functions = {
        "unigram": lambda: unigram(training, held_out, size),
        "n_gram": lambda: n_gram(training, held_out, size),
        "xz": lambda: xz(training[-memory:], held_out, tokenizer),
    }
    millions = (len(training) + len(held_out)) / 1e6
    return {
        name: Baseline(_SECONDS_A_MILLION[name] * millions, functools.cache(functions[name]))
        for name in BASELINES
    }


def unigram(training: AnyIds, held_out: AnyIds, vocabulary_size: int) -> float:
    """Return the nats per character of character frequencies, with add-one smoothing."""
    counts = _counts(training, vocabulary_size) + 1
    occurrences = _counts(held_out, vocabulary_size)
    occurrences[held_out[:1]] -= 1
    return float(-np.log(counts / counts.sum()) @ occurrences / occurrences.sum())


def _counts(ids: AnyIds, vocabulary_size: int) -> Int64Array:
    """Count how often each id occurs, (V,)."""
    counts = np.zeros(vocabulary_size, dtype=np.int64)
    for piece in chunks(ids):
        counts += np.bincount(piece, minlength=vocabulary_size)
    return counts


def xz(training: AnyIds, held_out: AnyIds, tokenizer: Tokenizer) -> float:
    """Return the nats per character of xz (LZMA2, its strongest preset).

    The size of the held-out text is the number of bytes it adds to the compressed training text.
    """
    added = _compressed_size(tokenizer, training, held_out) - _compressed_size(tokenizer, training)
    return max(added, 1) * 8 * float(np.log(2)) / len(held_out)


def _compressed_size(tokenizer: Tokenizer, *texts: AnyIds) -> int:
    """Return the compressed size in bytes, without the container's checksum and padding."""
    settings = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    compressor = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=settings)
    size = 0
    for ids in texts:
        for piece in chunks(ids, 1 << 16):  # small pieces, as Ctrl-C waits for xz to finish one
            # A piece may end within the bytes of a character; its parts pass as surrogates.
            encoded = tokenizer.decode(piece).encode("utf-8", "surrogateescape")
            size += len(compressor.compress(encoded))
    return size + len(compressor.flush())


def n_gram(training: AnyIds, held_out: AnyIds, vocabulary_size: int, *, context: int = 6) -> float:
    """Return the nats per character of an NGram on the held-out text, without its first
    character."""
    context = min(context, len(held_out) - 1)
    return NGram(training, vocabulary_size, context=context).nats(held_out)


class NGram:
    """An n-gram model with interpolated modified Kneser-Ney smoothing.

    Chen & Goodman, 1999, section 3.

    Args:
        training: the ids (N,) of the training text.
        vocabulary_size: V.
        context: the characters of context, fewer if a large vocabulary would not fit in 64 bits.
            Six was best, or within 1 % of it, on prose, names and manuals.
    """

    def __init__(self, training: AnyIds, vocabulary_size: int, *, context: int = 6) -> None:
        training = training[-LARGEST_TRAINING_CHARACTERS:]
        size = self.vocabulary_size = vocabulary_size
        # A context and its next character are packed into one 64-bit number, base V.
        deepest = int(63 * np.log(2) / np.log(max(size, 2))) - 1
        self.context = min(context, deepest, len(training) - 1)
        tables = _tables(training, size, self.context)
        self._tables = [_Table(keys, counts, size) for keys, counts in tables]

    def nats(self, text: AnyIds) -> float:
        """Return the nats per character of a text, without its first character."""
        nats = 0.0
        for piece, new in _overlapping(text, self.context):
            likelihood = np.full(len(piece) - 1, 1 / self.vocabulary_size)
            for length, table in enumerate(self._tables[: len(piece)]):
                seen = _pack(piece, length + 1, self.vocabulary_size)[-len(likelihood) :]
                table.sharpen(likelihood[len(likelihood) - len(seen) :], seen)
            nats -= float(np.log(likelihood[-new:]).sum())
        return nats / (len(text) - 1)

    def next(self, before: npt.ArrayLike) -> Float64Array:
        """Return the probabilities (B, V) of the character after texts (B, T), for T of 0 or
        more."""
        before = np.asarray(before, dtype=np.int64)
        size = self.vocabulary_size
        likelihood = np.full(len(before) * size, 1 / size)
        for length, table in enumerate(self._tables[: before.shape[1] + 1]):
            packed = np.zeros(len(before), dtype=np.int64)
            for column in before[:, before.shape[1] - length :].T:
                packed = packed * size + column
            table.sharpen(likelihood, (packed[:, None] * size + np.arange(size)).ravel())
        return likelihood.reshape(len(before), size)


class _Table:
    """The counts of one context length, sorted for look-up.

    Args:
        keys, counts: (K,) from `_tables`.
        size: V.
    """

    def __init__(self, keys: Int64Array, counts: Int64Array, size: int) -> None:
        self.keys, self.counts, self.size = keys, counts, size
        self.discounts = _discounts(counts)  # (4)
        owners = keys // size  # (K) contexts, sorted as the keys are
        self.contexts, starts = np.unique(owners, return_index=True)
        self.total = np.add.reduceat(counts, starts).astype(np.float64)  # (C)
        self.spared = np.add.reduceat(self.discounts[np.minimum(counts, 3)], starts)

    def sharpen(self, likelihood: Float64Array, seen: Int64Array) -> None:
        """Interpolate the likelihoods (M,) under the next shorter context with these counts."""
        known, where = _find(self.contexts, seen // self.size)
        counted, entry = _find(self.keys, seen)
        counts = self.counts[entry]
        share = np.where(counted, counts - self.discounts[np.minimum(counts, 3)], 0.0)
        sharper = (share + self.spared[where] * likelihood) / self.total[where]
        likelihood[known] = sharper[known]


def _overlapping(ids: AnyIds, context: int) -> Iterator[tuple[Ids, int]]:
    """Yield pieces of ids that overlap by a context, each with the number of its new ids."""
    for begin in range(1, len(ids), CHUNK):
        end = min(begin + CHUNK, len(ids))
        yield ids[max(0, begin - max(context, 1)) : end], end - begin
        release_pages(ids)


def _tables(training: Ids, size: int, context: int) -> list[tuple[Int64Array, Int64Array]]:
    """Return the sorted keys that occur, and their counts, for each context length from 0.

    The longest context counts occurrences; the others count the distinct characters that precede a
    key (Kneser-Ney's continuation counts).
    """
    keys, counts = np.unique(_pack(training, context + 1, size), return_counts=True)
    tables = [(keys, counts.astype(np.int64))]
    for length in range(context, 0, -1):
        shorter, counts = np.unique(keys % size**length, return_counts=True)
        tables.append((shorter, counts.astype(np.int64)))
        keys = shorter
    return tables[::-1]


def _pack(ids: Ids, length: int, size: int) -> Int64Array:
    """Pack every run of `length` characters into one number, (N - length + 1,)."""
    count = len(ids) - length + 1
    packed = np.zeros(count, dtype=np.int64)
    for offset in range(length):
        packed *= size
        packed += ids[offset : offset + count]
    return packed


def _discounts(counts: Int64Array) -> Float64Array:
    """Return the discounts of counts of 0, 1, 2 and 3 or more (Chen & Goodman, equation 17)."""
    n1, n2, n3, n4 = (max(int((counts == n).sum()), 1) for n in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    steps = np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    # A short text gives poor estimates: each discount is kept above 0 and below its count.
    return np.array([0, 1, 2, 3]) * np.clip(steps / [1, 1, 2, 3], 0.05, 0.95)


def _find(keys: Int64Array, wanted: Int64Array) -> tuple[npt.NDArray[np.bool_], npt.NDArray[Any]]:
    """Return whether each wanted key is among the sorted keys, and its index (else any index)."""
    where = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[where] == wanted, where
