"""MemoryConfig: the parts and the size of a memory."""

from dataclasses import dataclass, field
from typing import Final

from charrnn.option_declaration import check, limits

PROBABILITY_BITS: Final = 22
"""The probability of a decision is a whole number of 2^-22, from 1 to 2^22 - 1."""

CONTEXT: Final = 32
"""The ids before the next one on which its distribution depends, other than by what was learned."""


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """The parts and the size of a memory. Raises ConfigError when a setting is out of range.

    Attributes:
        table_bits: the tables of counts have 2^table_bits slots.
        history_bits: the last 2^history_bits ids are searched for earlier places.
        matches: whether to use a match model.
    """

    table_bits: int = field(default=20, metadata=limits(least=10, most=24))
    history_bits: int = field(default=22, metadata=limits(least=6, most=26))
    matches: bool = True

    def __post_init__(self) -> None:
        check(self)
