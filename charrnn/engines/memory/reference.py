"""The memory in NumPy, whose bits native/memory.c has too.

Legend: V vocabulary, D decisions of an id, N ids.
"""

import numpy as np

from charrnn.array_types import Float32Array
from charrnn.engines.int8_numbers import exp
from charrnn.engines.memory.config import CONTEXT, PROBABILITY_BITS, MemoryConfig

ONE = 1 << PROBABILITY_BITS


class ReferenceMemory:
    """See Memory."""

    def __init__(self, vocabulary_size: int, config: MemoryConfig) -> None:
        self.vocabulary_size, self.config = vocabulary_size, config
        self.decisions = (vocabulary_size - 1).bit_length()
        self.context = np.full(CONTEXT, -1, dtype=np.int64)
        self.counters = np.full(1 << config.table_bits, 1 << 15, dtype=np.uint16)
        self._shares: list[int] | None = None
        self._prefix, self._left = 0, 0

    def begin(self, logits: Float32Array | None) -> None:
        """See Memory."""
        self._shares = None if logits is None else shares(logits)
        self._prefix, self._left = 0, self.decisions
        self._skip()

    def _skip(self) -> None:
        """Take the decisions whose other side holds no id."""
        while self._left and (self._prefix * 2 + 1) << (self._left - 1) >= self.vocabulary_size:
            self._prefix, self._left = self._prefix * 2, self._left - 1

    @property
    def undecided(self) -> bool:
        """See Memory."""
        return self._left > 0

    def _slot(self) -> int:
        hashed = 0
        for each in (*(int(x) + 1 for x in self.context[-2:]), self._prefix + (1 << self._left)):
            hashed = (hashed + each) * 0x9E3779B1 % (1 << 32)
        return hashed >> (32 - self.config.table_bits)

    def predict_bit(self) -> int:
        """See Memory."""
        p = int(self.counters[self._slot()]) << (PROBABILITY_BITS - 16)
        if self._shares is not None:
            half = 1 << (self._left - 1)
            first = self._prefix << self._left
            zero = sum(self._shares[first : first + half])
            one = sum(self._shares[first + half : first + 2 * half])
            p = (p + 3 * ((one << PROBABILITY_BITS) // (zero + one))) // 4
        return min(max(p, 1), ONE - 1)

    def update_bit(self, bit: int) -> None:
        """See Memory."""
        slot = self._slot()
        p = int(self.counters[slot])
        self.counters[slot] = p + (65535 - p >> 4) if bit else p - (p >> 4)
        self._prefix, self._left = self._prefix * 2 + bit, self._left - 1
        self._skip()

    def end(self) -> int:
        """See Memory."""
        self.context[:-1] = self.context[1:]
        self.context[-1] = self._prefix
        return self._prefix

    def bit(self, number: int) -> int:
        """Return the next decision of an id."""
        return number >> (self._left - 1) & 1


def shares(logits: Float32Array) -> list[int]:
    """Return whole numbers in proportion to the probabilities, each at least 1."""
    return [int(x) + 1 for x in exp(logits - logits.max()) * np.float32(1 << 24)]
