"""Batches of pairs of similar length.

Legend: D pairs, B batch, S source ids, U target symbols.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Int64Array
from charrnn.data.buckets import BucketLoader, similar_in_length
from charrnn.tasks.transduce.tokenizer import END

MOST_NODES: Final = 100_000
"""The most nodes (source position, target position) of a batch of several pairs, with padding."""


@dataclass(frozen=True)
class PairBatch:
    """Pairs side by side, time first, padded after the end of each.

    Attributes:
        sources: (S, B) ids.
        source_lengths: (B,).
        targets: (U, B) the numbers of symbols.
        target_lengths: (B,).
        copies: (S, B) the number of the symbol that equals the source's character; -1 where none
            does.
        unread: (U, B) which symbols the decoder reads as nothing, as it reads a copied character
            that equals no symbol; None: none of them.
    """

    sources: Int64Array
    source_lengths: Int64Array
    targets: Int64Array
    target_lengths: Int64Array
    copies: Int64Array
    unread: npt.NDArray[np.bool_] | None = None

    @property
    def characters(self) -> int:
        """The number of characters and features of the sources, and of symbols of the targets."""
        ends = 2 * len(self.source_lengths)
        return int(self.source_lengths.sum() + self.target_lengths.sum()) - ends

    def backwards(self) -> "PairBatch":
        """Return the same pairs, each read and written from its end."""
        inner = reversed_columns(self.sources[1:], self.source_lengths - 2)
        sources = np.concatenate([self.sources[:1], inner])
        copies = np.concatenate(
            [self.copies[:1], reversed_columns(self.copies[1:], self.source_lengths - 2)]
        )
        targets = reversed_columns(self.targets, self.target_lengths)
        unread = self.unread
        if unread is not None:
            unread = reversed_columns(unread.astype(np.int64), self.target_lengths) > 0
        return replace(self, sources=sources, targets=targets, copies=copies, unread=unread)


class Pairs:
    """Pairs as ids.

    Args:
        sources, targets: the ids of each.
        copies: (V,) the number of the symbol that equals each id; see PairBatch.
    """

    def __init__(
        self,
        sources: Sequence[npt.NDArray[Any]],
        targets: Sequence[npt.NDArray[Any]],
        copies: Int64Array,
    ) -> None:
        self.sources, self.targets, self.copies = sources, targets, copies
        self.source_lengths = np.array([len(each) for each in sources], dtype=np.int64)
        self.target_lengths = np.array([len(each) for each in targets], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def characters(self) -> int:
        """See PairBatch."""
        return int(self.source_lengths.sum() + self.target_lengths.sum()) - 2 * len(self)

    def batch(self, places: Int64Array) -> PairBatch:
        """Return the pairs at some places (B,)."""
        sources = pad([self.sources[place] for place in places], END)
        return PairBatch(
            sources,
            self.source_lengths[places],
            pad([self.targets[place] for place in places], 0),
            self.target_lengths[places],
            self.copies[sources],
        )

    def batches(self, order: Int64Array, batch_size: int) -> list[Int64Array]:
        """Cut an order (D,) of places into batches of pairs of similar length, of at most
        MOST_NODES nodes each."""
        found: list[Int64Array] = []
        for places in similar_in_length(
            self.source_lengths + self.target_lengths, order, batch_size
        ):
            found += self._divided(places)
        return found

    def _divided(self, places: Int64Array) -> Iterator[Int64Array]:
        begin = 0
        while begin < len(places):
            rest = places[begin:]
            largest = np.maximum.accumulate(self.source_lengths[rest]) * (
                np.maximum.accumulate(self.target_lengths[rest]) + 1
            )
            fitting = int((np.arange(1, len(rest) + 1) * largest <= MOST_NODES).sum())
            yield rest[: max(fitting, 1)]
            begin += max(fitting, 1)


def pad(rows: Sequence[npt.NDArray[Any]], value: int) -> Int64Array:
    """Return rows of different lengths as columns (T, B), with a value after the end of each."""
    columns = np.full((max(map(len, rows)), len(rows)), value, dtype=np.int64)
    for number, row in enumerate(rows):
        columns[: len(row), number] = row
    return columns


def reversed_columns(columns: Int64Array, lengths: Int64Array) -> Int64Array:
    """Return columns (T, B) of which the first `lengths` (B,) rows are reversed."""
    steps = np.arange(len(columns))[:, None]
    return np.take_along_axis(
        columns, np.where(steps < lengths, lengths - 1 - steps, steps), axis=0
    )


class PairLoader(BucketLoader):
    """Endless epochs of pairs in batches; see BucketLoader."""

    def __init__(self, pairs: Pairs, *, batch_size: int, seed: int) -> None:
        self.pairs = pairs
        super().__init__(len(pairs), batch_size=batch_size, seed=seed)

    def cut(self, order: Int64Array) -> list[Int64Array]:
        """See BucketLoader."""
        return self.pairs.batches(order, self.batch_size)

    def read(self, places: Int64Array) -> PairBatch:
        """See BucketLoader."""
        return self.pairs.batch(places)
