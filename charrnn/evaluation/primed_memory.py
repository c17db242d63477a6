"""A memory that knows the training text of a model."""

from typing import Final

import numpy as np

from charrnn.data.excerpt import AnyIds
from charrnn.engines.memory import Memory, MemoryConfig

MOST_LEARNED: Final = 20_000_000
"""The ids at the end of a training text that a memory learns; of more, its tables are full."""

_CHUNK: Final = 1 << 20


def primed_memory(
    vocabulary_size: int, training: AnyIds | None, config: MemoryConfig | None = None
) -> Memory:
    """Return a memory that has learned the training text (N,), or nothing for None.

    What was held out of the text is not to be in it.
    """
    memory = Memory(vocabulary_size, config)
    if training is not None:
        for begin in range(max(len(training) - MOST_LEARNED, 0), len(training), _CHUNK):
            memory.learn(np.asarray(training[begin : begin + _CHUNK]))
    return memory
