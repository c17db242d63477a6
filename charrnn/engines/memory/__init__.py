"""A memory: counts of what followed in a text, and where it came before, mixed with a network."""

from charrnn.engines.memory.compiled import available
from charrnn.engines.memory.config import CONTEXT, PARTS, PROBABILITY_BITS, MemoryConfig
from charrnn.engines.memory.memory import Memory

__all__ = ["CONTEXT", "PARTS", "PROBABILITY_BITS", "Memory", "MemoryConfig", "available"]
