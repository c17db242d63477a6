"""MemoryConfig: the parts and the size of a memory."""

from dataclasses import dataclass, field
from typing import Final

from charrnn.errors import ConfigError
from charrnn.option_declaration import check, limits

PROBABILITY_BITS: Final = 22
"""The probability of a decision is a whole number of 2^-22, from 1 to 2^22 - 1."""

CONTEXT: Final = 32
"""The ids before the next one on which its distribution depends, other than by what was learned."""


PARTS: Final = (
    *("order-1", "order-2", "order-3", "order-4", "order-6", "order-8"),
    *("word", "two-words", "matches"),
    *("by-match", "by-knowledge", "by-decision", "by-last-id"),
    *("adjustment", "network-alone"),
)
"""The parts of a memory: counters, matches, the selections of weights, the adjustment, and the
average with the network alone; in the order of the bits of memory.h."""


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """The parts and the size of a memory. Raises ConfigError when a setting is out of range.

    Attributes:
        table_bits: the table of counts has 2^table_bits slots of 64 bytes.
        history_bits: the last 2^history_bits ids are searched for earlier places.
        left_out: the PARTS to leave out.
    """

    table_bits: int = field(default=20, metadata=limits(least=10, most=24))
    history_bits: int = field(default=22, metadata=limits(least=6, most=26))
    left_out: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check(self)
        if unknown := sorted(self.left_out - set(PARTS)):
            raise ConfigError(f"left_out: {unknown[0]}: choose from {', '.join(PARTS)}")

    def has(self, part: str) -> bool:
        """Return whether a part is not left out."""
        return part not in self.left_out
