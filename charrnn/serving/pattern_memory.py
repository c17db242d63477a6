"""How many texts that match a pattern may be written at the same time, by their memory."""

from typing import Final

from charrnn.engines import Engine
from charrnn.generation.smc import PARTICLES

_MOST_BYTES: Final = 256 << 20
"""The memory for all of these texts, about."""

_COPIES: Final = 3
"""How often lanes have their state in memory, with what a step needs."""

_DRAFT_BYTES: Final = 4096
"""About what a draft takes."""

_FEWEST: Final = 4
_MOST: Final = 256


def most_begun(engine: Engine) -> int:
    """Return how many texts that match a pattern may be written at the same time. Each of them is
    many particles (see `charrnn.generation.smc`)."""
    state = engine.lanes(1).get(0)
    particle = _DRAFT_BYTES + _COPIES * sum(getattr(part, "nbytes", 0) for part in state)
    return min(max(_MOST_BYTES // (PARTICLES * particle), _FEWEST), _MOST)
