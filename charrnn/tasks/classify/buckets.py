"""Batches of whole documents, those of a batch of similar length.

Each epoch shuffles the documents, sorts them by length within pools of many batches, cuts the pools
into batches and shuffles those: what is padded stays little, and a batch's company is another every
time. Of a document longer than a step reads, it is a window that is read, anywhere in it and
another in every epoch, so that in time all of it is.

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
"""Batches whose documents are sorted by length together."""


@dataclass(frozen=True)
class DocumentBatch:
    """Documents side by side, filled up with zeros behind the end of each.

    Attributes:
        ids: (B, T).
        lengths: (B,), each at least 1.
        targets: (B,) classes or numbers.
        numbers: (B,) of the documents.
        weights: (B,) how much each counts; None where all count the same.
    """

    ids: Int64Array
    lengths: Int64Array
    targets: npt.NDArray[Any]
    numbers: Int64Array
    weights: Float64Array | None

    @property
    def characters(self) -> int:
        """In all of them, less what was filled up."""
        return int(self.lengths.sum())


class Documents:
    """Documents of a stream of ids, and their targets.

    Args:
        ids: (N,) of all documents, one after another.
        bounds: (D + 1,) where each begins, and the last one ends.
        targets: (D,).
        numbers: which of them these are, in this order.
        weights: (D,) how much each counts; None where all count the same.
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
        """How many are read of all, where `longest` are of one at most."""
        return int(np.minimum(self.lengths, longest).sum())

    def batch(
        self, places: Int64Array, longest: int, offsets: Int64Array | None = None
    ) -> DocumentBatch:
        """The documents at some places (B,), up to `longest` characters of each, from an offset
        (B,) on."""
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
        """An order (D,) of places cut into batches, those of a batch of similar length."""
        return similar_in_length(self.lengths, order, batch_size)


def similar_in_length(lengths: Int64Array, order: Int64Array, batch_size: int) -> list[Int64Array]:
    """An order (D,) of places cut into batches, those of a batch of similar length."""
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
    """An order (D,) of places cut into batches, the shortest first, that have no more characters
    than
    at_once when they are filled up: a longer document is alone."""
    order = order[np.argsort(lengths[order], kind="stable")]
    begin = 0
    while begin < len(order):
        some = order[begin : begin + batch_size]
        fitting = (np.arange(1, len(some) + 1) * lengths[some] <= at_once).sum()
        yield some[: max(int(fitting), 1)]
        begin += max(int(fitting), 1)


class BucketLoader:
    """Epochs of documents, batch after batch, for ever. Its position is its state.

    Each epoch is a pure function of (documents, settings, epoch).

    Args:
        documents: what is learned from.
        batch_size: B, documents at most.
        longest: T, at most: of a longer document, a window.
        seed: of the orders and windows.
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
        """Steps that an epoch takes."""
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
        """Where it is."""
        return {"epoch": self.epoch, "chunk": self.chunk}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where another loader of the same documents and settings was."""
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
