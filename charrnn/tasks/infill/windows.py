"""Windows of a text, each read by itself.

A text to evaluate is laid out in windows that overlap: the middle of each is kept, and its margins
are context only.

    to be or not to be that is the question
    [to be or not to ]
             [not to be that is]
                       [hat is the question]

Legend: N characters, B windows, T time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Int64Array
from charrnn.data.excerpt import AnyIds
from charrnn.data.memmap import release_pages
from charrnn.errors import ConfigError


@dataclass(frozen=True)
class WindowLayout:
    """Windows of one length over a text. A part of each is kept, so that every character of the
    text is kept once.

    Attributes:
        length: T, of every window.
        starts: (B,) the position in the text where each window begins.
        keep_begins, keep_ends: (B,) the positions in the text between which each is kept.
    """

    length: int
    starts: Int64Array
    keep_begins: Int64Array
    keep_ends: Int64Array

    def __len__(self) -> int:
        """Return the number of windows, B."""
        return len(self.starts)

    def positions(self, windows: slice | Int64Array) -> Int64Array:
        """Return the positions in the text (b, T) of the characters of some windows."""
        return self.starts[windows, None] + np.arange(self.length)

    def kept(self, windows: slice | Int64Array) -> npt.NDArray[np.bool_]:
        """Return which of the positions (b, T) of some windows are kept."""
        positions = self.positions(windows)
        after = positions >= self.keep_begins[windows, None]
        kept: npt.NDArray[np.bool_] = after & (positions < self.keep_ends[windows, None])
        return kept


def lay_out_windows(characters: int, length: int, margin: int) -> WindowLayout:
    """Lay out windows over a text of `characters` characters, each with a margin on both sides of
    the kept part, except at the ends of the text.

    Args:
        length: T of each window, more than both margins; the length of a text that is shorter.
        margin: the fewest characters of context on each side.
    """
    length = min(length, characters)
    count = 1 if characters <= length else -(-(characters - 2 * margin) // (length - 2 * margin))
    # Windows are spaced evenly, so that no margin is much longer than another.
    last = characters - length
    starts = spread(np.arange(count, dtype=np.int64), last, max(count - 1, 1))  # (B,)
    between = (starts[1:] + starts[:-1] + length) // 2  # the middle of each overlap
    begins = np.concatenate([np.zeros(1, dtype=np.int64), between])
    ends = np.concatenate([between, np.full(1, characters, dtype=np.int64)])
    return WindowLayout(length, starts, begins, ends)


@dataclass(frozen=True)
class WindowBatch:
    """The windows of one training step.

    Attributes:
        ids: (B, T).
        characters: the number of ids, B x T.
    """

    ids: Int64Array

    @property
    def characters(self) -> int:
        """The number of characters, all of which are predicted."""
        return self.ids.size


class WindowLoader:
    """Endless epochs of the windows of a text, in random order; its position is its state.

    Each epoch is a pure function of (ids, settings, epoch): the text, taken as a ring, is cut into
    windows of one length from a random offset, so that some overlap their neighbour a little. They
    are shuffled and dealt to batches whose sizes differ by one window at most.

    Args:
        ids: (N,) the training text.
        batch_size: B, the most windows of a batch.
        sequence_length: T, the most characters of a window.
        seed: the seed of the offsets and orders.
    """

    def __init__(self, ids: AnyIds, *, batch_size: int, sequence_length: int, seed: int) -> None:
        if len(ids) == 0 or batch_size < 1 or sequence_length < 1:
            raise ConfigError("a loader needs characters, and a batch and a window of at least 1")
        self.ids = ids
        self.sequence_length = min(sequence_length, len(ids))
        self.windows = windows_per_epoch(len(ids), sequence_length)
        self.batch_size = min(batch_size, self.windows)
        self.seed = seed
        self.epoch = 0
        self.chunk = 0
        self._starts = self._shuffle()

    @property
    def chunks_per_epoch(self) -> int:
        """The number of batches of an epoch."""
        return -(-self.windows // self.batch_size)

    def __iter__(self) -> Iterator[WindowBatch]:
        return self

    def __next__(self) -> WindowBatch:
        if self.chunk == self.chunks_per_epoch:
            self.epoch, self.chunk = self.epoch + 1, 0
            self._starts = self._shuffle()
        begin = self.chunk * self.windows // self.chunks_per_epoch
        end = (self.chunk + 1) * self.windows // self.chunks_per_epoch
        positions = self._starts[begin:end, None] + np.arange(self.sequence_length)  # (B, T)
        window = self.ids[positions % len(self.ids)].astype(np.int64)
        release_pages(self.ids)
        self.chunk += 1
        return WindowBatch(window)

    def state_dict(self) -> dict[str, int]:
        """Return the position: the epoch, and its next batch."""
        return {"epoch": self.epoch, "chunk": self.chunk}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the position of another loader of the same text and settings."""
        epoch, chunk = int(state["epoch"]), int(state["chunk"])
        if epoch < 0 or not 0 <= chunk <= self.chunks_per_epoch:
            raise ConfigError(f"no chunk {chunk} in epoch {epoch} of this corpus")
        self.epoch, self.chunk = epoch, chunk
        self._starts = self._shuffle()

    def _shuffle(self) -> Int64Array:
        """Return the positions where the windows of this epoch begin (W,), in its order."""
        generator = np.random.default_rng([self.seed, self.epoch])
        first = int(generator.integers(len(self.ids)))
        order = generator.permutation(self.windows)
        return first + spread(order, len(self.ids), self.windows)


def spread(numbers: Int64Array, length: int, intervals: int) -> Int64Array:
    """Return where equal intervals of a length begin: number * length // intervals.

    The product itself overflows 64 bits for a text of 34 GB; this is exact for up to half a
    trillion intervals."""
    each, more = divmod(length, intervals)
    high, low = divmod(more, 1 << 16)  # so that no product is larger than 64 bits
    of_high, rest = np.divmod(numbers * high, intervals)
    starts: Int64Array = numbers * each + (of_high << 16)
    return starts + ((rest << 16) + numbers * low) // intervals


def windows_per_epoch(characters: int, sequence_length: int) -> int:
    """Return the number of windows that hold all characters of a text."""
    return -(-characters // sequence_length)
