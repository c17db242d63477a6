"""Windows of a text: pieces that are read each by itself, with context on both sides of what
matters.

    to be or not to be that is the question
    [to be or not to ]
             [not to be that is]             the middle of each is kept, its margins are context
                       [hat is the question]

Legend: N characters, B windows, T time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.data.excerpt import AnyIds
from charrnn.data.memmap import release_pages
from charrnn.errors import ConfigError

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WindowLayout:
    """Windows of one length over a text, such that of each a part is kept, and each character is
    kept of one window.

    Attributes:
        length: T, of every window.
        starts: (B,) where each begins.
        begins, ends: (B,) the places of the text that are kept of it.
    """

    length: int
    starts: Int64Array
    begins: Int64Array
    ends: Int64Array

    def __len__(self) -> int:
        """B."""
        return len(self.starts)

    def positions(self, windows: slice | Int64Array) -> Int64Array:
        """The places in the text (b, T) of some windows."""
        return self.starts[windows, None] + np.arange(self.length)

    def kept(self, windows: slice | Int64Array) -> npt.NDArray[np.bool_]:
        """Which of those (b, T) are kept."""
        positions = self.positions(windows)
        after = positions >= self.begins[windows, None]
        kept: npt.NDArray[np.bool_] = after & (positions < self.ends[windows, None])
        return kept


def cover(characters: int, length: int, margin: int) -> WindowLayout:
    """Windows that cover so many characters, each with a margin on both sides of what is kept of
    it, but where the text ends.

    Args:
        length: T of each, more than both margins; that of the text where that is shorter.
        margin: characters of context at least.
    """
    length = min(length, characters)
    count = 1 if characters <= length else -(-(characters - 2 * margin) // (length - 2 * margin))
    # Evenly, so that no margin is much longer than another.
    last = characters - length
    starts = spread(np.arange(count, dtype=np.int64), last, max(count - 1, 1))  # (B,)
    between = (starts[1:] + starts[:-1] + length) // 2  # amid of what two windows share
    begins = np.concatenate([np.zeros(1, dtype=np.int64), between])
    ends = np.concatenate([between, np.full(1, characters, dtype=np.int64)])
    return WindowLayout(length, starts, begins, ends)


@dataclass(frozen=True)
class WindowBatch:
    """One training step's worth of windows.

    Attributes:
        ids: (B, T).
        characters: how many those are.
    """

    ids: Int64Array

    @property
    def characters(self) -> int:
        """All of its characters are predicted."""
        return self.ids.size


class WindowLoader:
    """Epochs of a text, windows in random order, for ever. Its position is its state.

    Each epoch is a pure function of (ids, settings, epoch): the text, a ring, is cut into windows
    from another offset, all of one length, so that some overlap their neighbour by a little; they
    are shuffled, and dealt to batches of one size but for one window.

    Args:
        ids: (N,) of the training text.
        batch_size: B, windows at most.
        sequence_length: T, characters of a window at most.
        seed: of the offsets and orders.
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
        """Steps that an epoch takes."""
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
        """Where it is."""
        return {"epoch": self.epoch, "chunk": self.chunk}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where another loader of the same text and settings was."""
        epoch, chunk = int(state["epoch"]), int(state["chunk"])
        if epoch < 0 or not 0 <= chunk <= self.chunks_per_epoch:
            raise ConfigError(f"no chunk {chunk} in epoch {epoch} of this corpus")
        self.epoch, self.chunk = epoch, chunk
        self._starts = self._shuffle()

    def _shuffle(self) -> Int64Array:
        """Where the windows of this epoch begin (W,), in its order."""
        generator = np.random.default_rng([self.seed, self.epoch])
        first = int(generator.integers(len(self.ids)))
        order = generator.permutation(self.windows)
        return first + spread(order, len(self.ids), self.windows)


def spread(numbers: Int64Array, length: int, intervals: int) -> Int64Array:
    """Where the intervals of these numbers begin in a length, number * length // intervals, which
    is itself too large for 64 bits in a text of 34 GB. Right for up to half a trillion of them."""
    each, more = divmod(length, intervals)
    high, low = divmod(more, 1 << 16)  # so that no product is larger than 64 bits
    of_high, rest = np.divmod(numbers * high, intervals)
    starts: Int64Array = numbers * each + (of_high << 16)
    return starts + ((rest << 16) + numbers * low) // intervals


def windows_per_epoch(characters: int, sequence_length: int) -> int:
    """How many windows hold all of so many characters."""
    return -(-characters // sequence_length)
