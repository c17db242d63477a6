"""Batches of sequences of similar length, so that there is little padding.

Each epoch shuffles the sequences, sorts them by length within pools of many batches, cuts the pools
into batches and shuffles the batches, so every epoch has other batches.

Legend: D sequences, B batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.errors import ConfigError

POOL: Final = 50
"""The number of batches in a pool, whose sequences are sorted by length."""


def similar_in_length(lengths: Int64Array, order: Int64Array, batch_size: int) -> list[Int64Array]:
    """Cut an order (D,) of places into batches of sequences of similar length."""
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
    """Cut an order (D,) of places into batches, the shortest sequences first, of at most `at_once`
    characters with padding; a longer sequence is a batch by itself."""
    order = order[np.argsort(lengths[order], kind="stable")]
    begin = 0
    while begin < len(order):
        some = order[begin : begin + batch_size]
        fitting = (np.arange(1, len(some) + 1) * lengths[some] <= at_once).sum()
        yield some[: max(int(fitting), 1)]
        begin += max(int(fitting), 1)


class Sequences(Protocol):
    """What is cut into batches of sequences of similar length."""

    def __len__(self) -> int: ...

    def batches(self, order: Int64Array, batch_size: int) -> list[Int64Array]:
        """Cut an order (D,) of places into batches."""
        ...


def count_batches(sequences: Sequences, batch_size: int) -> int:
    """Return the number of batches of an epoch."""
    places = np.arange(len(sequences))
    return len(sequences.batches(places, min(batch_size, len(places))))


class BucketLoader(ABC):
    """Endless epochs of sequences in batches. Its position is its state.

    Each epoch is a pure function of (sequences, settings, epoch). Subclasses implement `cut` and
    `read`.

    Args:
        count: D.
        batch_size: B, the most sequences of a batch.
        seed: the seed of the orders, and of all else that is drawn.
    """

    def __init__(self, count: int, *, batch_size: int, seed: int) -> None:
        if count == 0 or batch_size < 1:
            raise ConfigError("a loader needs sequences, and a batch of at least 1")
        self.count, self.seed = count, seed
        self.batch_size = min(batch_size, count)
        self.epoch = 0
        self.chunk = 0
        self._deal()

    @property
    def chunks_per_epoch(self) -> int:
        """The number of steps of an epoch."""
        return len(self._batches)

    @abstractmethod
    def cut(self, order: Int64Array) -> list[Int64Array]:
        """Cut an order (D,) of places into batches."""

    def draw(self, generator: np.random.Generator) -> None:  # noqa: B027
        """Draw what else is random in an epoch; by default, nothing is."""

    @abstractmethod
    def read(self, places: Int64Array) -> Any:
        """Return the batch of some places (B,)."""

    def __iter__(self) -> "BucketLoader":
        return self

    def __next__(self) -> Any:
        if self.chunk == len(self._batches):
            self.epoch, self.chunk = self.epoch + 1, 0
            self._deal()
        places = self._batches[self.chunk]
        self.chunk += 1
        return self.read(places)

    def state_dict(self) -> dict[str, int]:
        """Return the position of the loader."""
        return {"epoch": self.epoch, "chunk": self.chunk}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the position of another loader of the same sequences and settings."""
        epoch, chunk = int(state["epoch"]), int(state["chunk"])
        if epoch < 0 or not 0 <= chunk <= len(self._batches):
            raise ConfigError(f"no chunk {chunk} in epoch {epoch} of this corpus")
        self.epoch, self.chunk = epoch, chunk
        self._deal()

    def _deal(self) -> None:
        generator = np.random.default_rng([self.seed, self.epoch])
        batches = self.cut(generator.permutation(self.count))
        self._batches = [batches[number] for number in generator.permutation(len(batches))]
        self.draw(generator)
