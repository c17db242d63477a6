"""Batches for truncated backpropagation through time.

A stream of characters is cut into B contiguous lanes, read side by side, chunk after chunk, so that
each chunk begins with the hidden state that the last one ended with:

    lane 0:  to be or not| to be that |is the quest
    lane 1:  ion whether |tis nobler i|n the mind t
              chunk 0      chunk 1      chunk 2

Where several processes train together, each reads a slice of the lanes; all else is the same.

Legend: N characters, B batch, b lanes of one process (all B with one process), T time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.data.excerpt import AnyIds
from charrnn.data.memmap import release_pages
from charrnn.data.splitting import positions_after
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError

IGNORED: Final = -100
"""The target where a lane has already ended (PyTorch's own `ignore_index`)."""


class Lanes:
    """The targets of a stretch of a stream, `count` characters from `first` on, cut into lanes.

    Each target's input is the character before it; the stream is a ring, so the first follows the
    last. Lanes differ in length by one character at most, and so do the chunks of a lane: every
    target is visited exactly once, and no chunk is much shorter than the others.

    Args:
        ids: (N,).
        batch_size: B, the most lanes; there are fewer when there are fewer targets.
        sequence_length: T, the most characters of a chunk.
        first: the position of the first target in the stream.
        count: the number of targets; None: N.
        rank: the rank of the process whose lanes are read.
        world_size: how many processes there are.
    """

    def __init__(
        self,
        ids: "AnyIds | ShuffledDocuments",
        batch_size: int,
        sequence_length: int,
        *,
        first: int = 0,
        count: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.ids = ids
        count = len(ids) if count is None else count
        batch_size = min(batch_size, count)
        bounds = np.arange(batch_size + 1, dtype=np.int64) * count // batch_size
        self.starts, self.ends = first + bounds[:-1], first + bounds[1:]  # (B,)
        self.own = lane_slice(batch_size, rank, world_size)
        self.length = int((self.ends - self.starts).max())
        self.chunks = -(-self.length // sequence_length)

    def __len__(self) -> int:
        """Return the number of chunks of a lane."""
        return self.chunks

    def __iter__(self) -> Iterator[tuple[Int64Array, Int64Array]]:
        return (self[chunk] for chunk in range(self.chunks))

    def __getitem__(self, chunk: int) -> tuple[Int64Array, Int64Array]:
        """Return the inputs (b, T) and targets (b, T) of a chunk; targets past a lane's end are
        IGNORED."""
        begin, end = self._bounds(chunk)
        starts, ends = self.starts[self.own], self.ends[self.own]  # (b,)
        positions = starts[:, None] + np.arange(begin - 1, end)  # (b, 1 + T)
        window = self.ids[positions % len(self.ids)].astype(np.int64)
        release_pages(self.ids.ids if isinstance(self.ids, ShuffledDocuments) else self.ids)
        inputs, targets = window[:, :-1], window[:, 1:]
        if chunk == self.chunks - 1:
            targets = np.where(positions[:, 1:] < ends[:, None], targets, IGNORED)
        return inputs, targets

    def characters(self, chunk: int) -> int:
        """Return the number of targets of a chunk in all B lanes, without IGNORED ones."""
        begin, end = self._bounds(chunk)
        return int(np.clip(self.ends - self.starts - begin, 0, end - begin).sum())

    def _bounds(self, chunk: int) -> tuple[int, int]:
        """Return where in a lane the chunk begins and ends."""
        if not 0 <= chunk < self.chunks:
            raise IndexError(chunk)
        return chunk * self.length // self.chunks, (chunk + 1) * self.length // self.chunks


def lane_slice(lanes: int, rank: int, world_size: int) -> slice:
    """Return the slice of the lanes that a process reads; if they cannot be divided evenly, the
    first processes read one more.

    Raises ConfigError when there are fewer lanes than processes.
    """
    if lanes < world_size:
        raise ConfigError(
            f"{lanes} lanes are too few for {world_size} processes; "
            "give each at least one: a larger --batch-size, or more text"
        )
    each, more = divmod(lanes, world_size)
    start = rank * each + min(rank, more)
    return slice(start, start + each + (rank < more))


@dataclass(frozen=True)
class Chunk:
    """The text of one training step.

    Attributes:
        inputs: (b, T) ids.
        targets: (b, T) the ids that follow them, IGNORED where a lane has ended.
        starts_epoch: whether an epoch begins here, with a fresh hidden state.
        characters: the number of targets in all B lanes, without IGNORED ones.
        batch_size: B.
        lanes: the slice of the B lanes that these are.
    """

    inputs: Int64Array
    targets: Int64Array
    starts_epoch: bool
    characters: int
    batch_size: int
    lanes: slice


class TBPTTLoader:
    """Endless epochs of a corpus in chunks. Its position is its state.

    Each epoch is a pure function of (ids, settings, epoch). In each epoch, plain text starts at
    another offset, so that lanes and chunks are cut elsewhere; documents, which `separator` ends,
    come in another order.

    Args:
        ids: (N,) the training text.
        batch_size: B, at most (see Lanes).
        sequence_length: T, at most.
        seed: the seed of the offsets and orders.
        separator: the id that ends a document, such as the newline's; None for plain text.
        rank: the rank of the process whose lanes are read.
        world_size: how many processes there are.
    """

    def __init__(
        self,
        ids: AnyIds,
        *,
        batch_size: int,
        sequence_length: int,
        seed: int,
        separator: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if len(ids) == 0 or batch_size < 1 or sequence_length < 1:
            raise ConfigError("a loader needs characters, and a batch and a chunk of at least 1")
        self.ids = ids
        self.batch_size = min(batch_size, len(ids))
        self.sequence_length = sequence_length
        self.seed = seed
        self.separator = separator
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.chunk = 0
        self._lanes = self._deal()

    @property
    def chunks_per_epoch(self) -> int:
        """The number of steps of an epoch."""
        return len(self._lanes)

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        if self.chunk == len(self._lanes):
            self.epoch, self.chunk = self.epoch + 1, 0
            del self._lanes  # frees memory before the next order: each takes as much as the corpus
            self._lanes = self._deal()
        inputs, targets = self._lanes[self.chunk]
        chunk = Chunk(
            inputs,
            targets,
            starts_epoch=self.chunk == 0,
            characters=self._lanes.characters(self.chunk),
            batch_size=self.batch_size,
            lanes=self._lanes.own,
        )
        self.chunk += 1
        return chunk

    def state_dict(self) -> dict[str, int]:
        """Return the position of the loader."""
        return {"epoch": self.epoch, "chunk": self.chunk}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the position of another loader of the same corpus and settings."""
        epoch, chunk = int(state["epoch"]), int(state["chunk"])
        if epoch < 0 or not 0 <= chunk <= len(self._lanes):
            raise ConfigError(f"no chunk {chunk} in epoch {epoch} of this corpus")
        self.epoch, self.chunk = epoch, chunk
        del self._lanes
        self._lanes = self._deal()

    def _deal(self) -> Lanes:
        generator = np.random.default_rng([self.seed, self.epoch])
        ids: AnyIds | ShuffledDocuments
        if self.separator is None:
            ids, first = self.ids, int(generator.integers(len(self.ids)))
        else:
            ids, first = ShuffledDocuments(self.ids, self.separator, generator), 0
        return Lanes(
            ids,
            self.batch_size,
            self.sequence_length,
            first=first,
            rank=self.rank,
            world_size=self.world_size,
        )


class ShuffledDocuments:
    """A view of ids (N,) with their documents, each ended by the separator, in a random order.

    Nothing is copied. A position of the new order is mapped to its document by bisection, and to
    the same distance from the document's end.

    Args:
        ids: (N,).
        separator: the id that ends a document; the last may lack it.
        generator: draws the order.
    """

    def __init__(self, ids: AnyIds, separator: int, generator: np.random.Generator) -> None:
        self.ids = ids
        # A file of names has N / 8 documents, so little is stored for each.
        small = np.min_scalar_type(len(ids))
        stops = positions_after(ids, separator, small)  # (D,) where each document ends
        lengths = stops.copy()
        lengths[1:] -= stops[:-1]
        # Both are shuffled in the same order, without a third array that holds it.
        state = generator.bit_generator.state
        generator.shuffle(stops)
        generator.bit_generator.state = state
        generator.shuffle(lengths)
        self._stops = stops  # (D,) ends in `ids`, in the new order
        self._new_stops = np.cumsum(lengths, out=lengths)  # (D,) ends in the new order

    def __len__(self) -> int:
        """Return N."""
        return len(self.ids)

    def __getitem__(self, positions: Int64Array) -> Ids:
        """Return the ids at positions of the new order."""
        # With another type, all of the stops would be converted for every chunk.
        wanted = positions.astype(self._new_stops.dtype)
        documents = np.searchsorted(self._new_stops, wanted, side="right")
        before_end = self._new_stops[documents] - wanted
        found: Ids = self.ids[self._stops[documents] - before_end]
        return found
