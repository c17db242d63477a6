"""Batches of whole documents, grouped by similar length.

Each epoch shuffles the documents, sorts them by length within pools of many batches, cuts the pools
into batches and shuffles the batches. So there is little padding, and every epoch has other
batches. Of a document longer than a step reads, each epoch reads a window at a random position.

Legend: D documents, B batch, T time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.data.memmap import release_pages
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError

POOL: Final = 50
"""The number of batches in a pool, whose documents are sorted by length."""


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
        return similar_in_length(self.lengths, order, batch_size)


def similar_in_length(lengths: Int64Array, order: Int64Array, batch_size: int) -> list[Int64Array]:
    """Cut an order (D,) of places into batches of documents of similar length."""
    pool = POOL * batch_size
    found = []
    for start in range(0, len(order), pool):
        members = order[start : start + pool]
        members = members[np.argsort(lengths[members], kind="stable")]
        found += [members[at : at + batch_size] for at in range(0, len(members), batch_size)]
    return found


def in_characters(
    lengths: Int64Array, order: Int64Array, *, batch_size: int, at_once: int
) -> Iterator[Int64Array]:
    """Cut an order (D,) of places into batches, the shortest documents first, of at most `at_once`
    characters with padding; a longer document is a batch by itself."""
    order = order[np.argsort(lengths[order], kind="stable")]
    begin = 0
    while begin < len(order):
        some = order[begin : begin + batch_size]
        fitting = (np.arange(1, len(some) + 1) * lengths[some] <= at_once).sum()
        yield some[: max(int(fitting), 1)]
        begin += max(int(fitting), 1)


class BucketLoader:
    """Endless epochs of documents in batches. Its position is its state.

    Each epoch is a pure function of (documents, settings, epoch).

    Args:
        documents: the documents to learn from.
        batch_size: B, the most documents of a batch.
        longest: the largest T; of a longer document, a window is read.
        seed: the seed of the orders and windows.
    """

    def __init__(self, documents: Documents, *, batch_size: int, longest: int, seed: int) -> None:
        if len(documents) == 0 or batch_size < 1 or longest < 1:
            raise ConfigError("a loader needs documents, and a batch and a window of at least 1")
        self.documents, self.longest, self.seed = documents, longest, seed
        self.batch_size = min(batch_size, len(documents))
        self.epoch = 0
        self.chunk = 0
        self._deal()

    @property
    def chunks_per_epoch(self) -> int:
        """The number of steps of an epoch."""
        return len(self._batches)

    def __iter__(self) -> "BucketLoader":
        return self

    def __next__(self) -> DocumentBatch:
        if self.chunk == len(self._batches):
            self.epoch, self.chunk = self.epoch + 1, 0
            self._deal()
        places = self._batches[self.chunk]
        self.chunk += 1
        return self.documents.batch(places, self.longest, self._offsets[places])

    def state_dict(self) -> dict[str, int]:
        """Return the position of the loader."""
        return {"epoch": self.epoch, "chunk": self.chunk}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the position of another loader of the same documents and settings."""
        epoch, chunk = int(state["epoch"]), int(state["chunk"])
        if epoch < 0 or not 0 <= chunk <= len(self._batches):
            raise ConfigError(f"no chunk {chunk} in epoch {epoch} of this corpus")
        self.epoch, self.chunk = epoch, chunk
        self._deal()

    def _deal(self) -> None:
        generator = np.random.default_rng([self.seed, self.epoch])
        order = generator.permutation(len(self.documents))
        batches = self.documents.batches(order, self.batch_size)
        self._batches = [batches[number] for number in generator.permutation(len(batches))]
        spare = np.maximum(self.documents.lengths - self.longest, 0)  # (D,)
        self._offsets = generator.integers(spare + 1)  # (D,)
