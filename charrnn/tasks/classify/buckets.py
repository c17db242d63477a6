"""Batches of whole documents, grouped by similar length.

Of a document longer than a step reads, each epoch reads a window at a random position.

Legend: D documents, B batch, T time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.data import buckets
from charrnn.data.memmap import release_pages
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError


@dataclass(frozen=True)
class DocumentBatch:
    """Documents side by side, padded with zeros after the end of each.

    Attributes:
        ids: (B, T).
        lengths: (B,), each at least 1.
        targets: (B,) classes or numbers.
        numbers: (B,) the numbers of the documents.
        weights: (B,) the weight of each document; None where all are equal.
    """

    ids: Int64Array
    lengths: Int64Array
    targets: npt.NDArray[Any]
    numbers: Int64Array
    weights: Float64Array | None

    @property
    def characters(self) -> int:
        """The number of characters in all documents, without padding."""
        return int(self.lengths.sum())


class Documents:
    """Documents of a stream of ids, and their targets.

    Args:
        ids: (N,) the ids of all documents, one after another.
        bounds: (D + 1,) where each document begins, and where the last one ends.
        targets: (D,) the classes or numbers.
        numbers: the numbers of the documents to use, in this order.
        weights: (D,) the weight of each document; None where all are equal.
    """

    def __init__(
        self,
        ids: Ids,
        bounds: Int64Array,
        targets: npt.NDArray[Any],
        numbers: Int64Array,
        weights: Float64Array | None = None,
    ) -> None:
        self.ids, self.numbers = ids, numbers
        self.weights = None if weights is None else weights[numbers]
        self.starts = bounds[:-1][numbers]
        self.lengths = np.diff(bounds)[numbers]
        self.targets = targets[numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    def characters(self, longest: int) -> int:
        """Return the number of characters that are read, at most `longest` of each document."""
        return int(np.minimum(self.lengths, longest).sum())

    def batch(
        self, places: Int64Array, longest: int, offsets: Int64Array | None = None
    ) -> DocumentBatch:
        """Return the documents at some places (B,), up to `longest` characters of each, from an
        offset (B,) on."""
        lengths = np.minimum(self.lengths[places], longest)
        starts = self.starts[places] + (0 if offsets is None else offsets)
        steps = np.arange(lengths.max(initial=1))
        real = steps < lengths[:, None]
        positions = np.where(real, starts[:, None] + steps, 0)
        ids = np.where(real, self.ids[positions], 0).astype(np.int64)
        release_pages(self.ids)
        return DocumentBatch(
            ids,
            lengths,
            self.targets[places],
            self.numbers[places],
            None if self.weights is None else self.weights[places],
        )

    def batches(self, order: Int64Array, batch_size: int) -> list[Int64Array]:
        """Cut an order (D,) of places into batches of documents of similar length."""
        return buckets.similar_in_length(self.lengths, order, batch_size)


class DocumentLoader(buckets.BucketLoader):
    """Endless epochs of documents in batches; see BucketLoader.

    Args:
        documents: the documents to learn from.
        batch_size: B, the most documents of a batch.
        longest: the largest T; of a longer document, a window is read.
        seed: the seed of the orders and windows.
    """

    def __init__(self, documents: Documents, *, batch_size: int, longest: int, seed: int) -> None:
        if longest < 1:
            raise ConfigError("a loader needs a window of at least 1")
        self.documents, self.longest = documents, longest
        super().__init__(len(documents), batch_size=batch_size, seed=seed)

    def cut(self, order: Int64Array) -> list[Int64Array]:
        """See BucketLoader."""
        return self.documents.batches(order, self.batch_size)

    def draw(self, generator: np.random.Generator) -> None:
        """Draw where the window in each document begins."""
        spare = np.maximum(self.documents.lengths - self.longest, 0)  # (D,)
        self._offsets = generator.integers(spare + 1)  # (D,)

    def read(self, places: Int64Array) -> DocumentBatch:
        """See BucketLoader."""
        return self.documents.batch(places, self.longest, self._offsets[places])
