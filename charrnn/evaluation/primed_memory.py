"""A memory that knows the training text of a model."""

from collections.abc import Callable
from typing import Final

import numpy as np

from charrnn.data.excerpt import AnyIds
from charrnn.data.tokenizer import Tokenizer
from charrnn.engines.memory import Memory, MemoryConfig

MOST_LEARNED: Final = 20_000_000
"""The ids at the end of a training text that a memory learns; of more, its tables are full."""

_CHUNK: Final = 1 << 14


def primed_memory(
    tokenizer: Tokenizer,
    training: AnyIds | None,
    config: MemoryConfig | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Memory:
    """Return a memory of a tokenizer's ids that has learned a training text (N,), or nothing for
    None.

    What was held out of the text is not to be in it. `progress` is called with the number of ids
    learned so far, and their total.
    """
    memory = Memory.of(tokenizer, config)
    if training is not None:
        first, end = max(len(training) - MOST_LEARNED, 0), len(training)
        for begin in range(first, end, _CHUNK):
            memory.learn(np.asarray(training[begin : begin + _CHUNK]))
            if progress is not None:
                progress(min(begin + _CHUNK, end) - first, end - first)
    return memory
