"""Baselines: what simpler means reach on the same text, in nats per character.

Each learns from the training text and is scored on the held-out text, as the network is.

Legend: N characters, V vocabulary.
"""

import lzma
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import Ids, Tokenizer

LARGEST_TRAINING_CHARACTERS = 10_000_000
"""The n-gram counts this much text at most, the nearest to the held-out text."""

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]


def baselines(training: Ids, held_out: Ids, tokenizer: Tokenizer) -> dict[str, float]:
    """Nats per character of each baseline on the held-out text, but for its first character."""
    return {
        "order_0": order_0(training, held_out, tokenizer.vocabulary_size),
        "n_gram": n_gram(training, held_out, tokenizer.vocabulary_size),
        "xz": xz(training, held_out, tokenizer),
    }


def order_0(training: Ids, held_out: Ids, vocabulary_size: int) -> float:
    """Character frequencies alone, each count one too high so that none is zero."""
    counts = np.bincount(training, minlength=vocabulary_size) + 1
    return float(-np.log(counts / counts.sum())[held_out[1:]].mean())


def xz(training: Ids, held_out: Ids, tokenizer: Tokenizer) -> float:
    """What xz (LZMA2, its strongest preset) adds to the file for the held-out text."""
    before, after = (
        tokenizer.decode(ids).encode("utf-8", "surrogateescape") for ids in (training, held_out)
    )
    added = _compressed_size(before + after) - _compressed_size(before)
    return max(added, 1) * 8 * float(np.log(2)) / len(held_out)


def _compressed_size(text: bytes) -> int:
    """Bytes under xz, without the container, whose checksum and padding are of no interest."""
    settings = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    compressor = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=settings)
    # In pieces, for no Ctrl-C is heeded while the library works.
    pieces = (text[start : start + (1 << 16)] for start in range(0, len(text), 1 << 16))
    return sum(len(compressor.compress(piece)) for piece in pieces) + len(compressor.flush())


def n_gram(training: Ids, held_out: Ids, vocabulary_size: int, *, context: int = 6) -> float:
    """Interpolated modified Kneser-Ney (Chen & Goodman, 1999, section 3) over the characters.

    Args:
        context: characters it looks back, fewer where the alphabet is so large that they do not
            fit in 64 bits. Six did best, or within 1 %, on prose, names and manuals.
    """
    training = training[-LARGEST_TRAINING_CHARACTERS:]
    size = vocabulary_size
    # A context and its next character are packed into one 64-bit number, base V.
    deepest = int(63 * np.log(2) / np.log(max(size, 2))) - 1
    context = min(context, deepest, len(training) - 1, len(held_out) - 1)

    likelihood = np.full(len(held_out) - 1, 1 / size)
    tables = _tables(training, size, context)
    for length, (keys, counts) in enumerate(tables):
        owners = keys // size  # (K) contexts, sorted as the keys are
        contexts, starts = np.unique(owners, return_index=True)
        discounts = _discounts(counts)[np.minimum(counts, 3)]  # (K)
        total = np.add.reduceat(counts, starts).astype(np.float64)  # (C)
        spared = np.add.reduceat(discounts, starts)
        seen = _pack(held_out, length + 1, size)[-len(likelihood) :]  # where there is so much
        known, where = _find(contexts, seen // size)
        counted, entry = _find(keys, seen)
        targets = likelihood[len(likelihood) - len(seen) :]  # a view
        share = np.where(counted, counts[entry] - discounts[entry], 0.0)
        targets[known] = ((share + spared[where] * targets) / total[where])[known]
    return float(-np.log(likelihood).mean())


def _tables(training: Ids, size: int, context: int) -> list[tuple[Int64Array, Int64Array]]:
    """For each context length from 0: the sorted keys that occur, and their counts.

    The longest counts occurrences; the others count the distinct characters that precede a key
    (Kneser-Ney's continuation counts).
    """
    keys, counts = np.unique(_pack(training, context + 1, size), return_counts=True)
    tables = [(keys, counts.astype(np.int64))]
    for length in range(context, 0, -1):
        shorter, counts = np.unique(keys % size**length, return_counts=True)
        tables.append((shorter, counts.astype(np.int64)))
        keys = shorter
    return tables[::-1]


def _pack(ids: Ids, length: int, size: int) -> Int64Array:
    """Every run of `length` characters as a number, (N - length + 1,)."""
    count = len(ids) - length + 1
    packed = np.zeros(count, dtype=np.int64)
    for offset in range(length):
        packed *= size
        packed += ids[offset : offset + count]
    return packed


def _discounts(counts: Int64Array) -> Float64Array:
    """What is taken from counts of 0, 1, 2 and 3 or more (Chen & Goodman, equation 17)."""
    n1, n2, n3, n4 = (max(int((counts == n).sum()), 1) for n in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    steps = np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    # Little text gives wild estimates: a discount stays above 0 and below the count it reduces.
    return np.array([0, 1, 2, 3]) * np.clip(steps / [1, 1, 2, 3], 0.05, 0.95)


def _find(keys: Int64Array, wanted: Int64Array) -> tuple[npt.NDArray[np.bool_], npt.NDArray[Any]]:
    """Whether each of the wanted is among the sorted keys, and where (anywhere, when not)."""
    where = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[where] == wanted, where
