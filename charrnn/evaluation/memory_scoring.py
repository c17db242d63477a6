"""Scoring with a memory: a network's predictions, mixed with counts and matches of what was read.

The memory has learned the training text, and goes on to learn from every character after
predicting it (see `engines/memory/`). It takes the network's logits from the int8 engine, so that
the result is the same on every machine, and is what `charrnn compress` reaches.

Legend: N characters, T time, V vocabulary.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from charrnn.array_types import Float32Array, Int64Array
from charrnn.data.excerpt import AnyIds
from charrnn.engines import Reader, State
from charrnn.engines.memory import Memory
from charrnn.evaluation.dynamic_evaluation import AdaptationConfig, Adapter
from charrnn.generation.draw import check_finite, log_probabilities
from charrnn.storage.model_directory import Model

_CHUNK = 512
_LARGEST_LOGITS = 1 << 22
"""The most logits computed at once."""

Progress = Callable[[int, int], None] | None


class MemoryScore(NamedTuple):
    """The mean nats of ids after the first, read as one stream.

    Attributes:
        nats: with the memory.
        network: of the network alone.
    """

    nats: float
    network: float


def score_with_memory(
    engine: Reader, memory: Memory, ids: AnyIds, progress: Progress = None
) -> MemoryScore:
    """Score ids (N,), at least two, with a network and a memory, which learns from them.

    `progress` is called with the number of ids read so far, and their total. Raises ModelError when
    the model's numbers overflow.
    """
    sums = _Sums(memory, ids)
    state: State | None = None
    chunk = max(min(_LARGEST_LOGITS // engine.vocabulary_size, _CHUNK), 1)
    for begin in range(0, len(ids) - 1, chunk):
        read = np.asarray(ids[begin : begin + chunk + 1]).astype(np.int64)
        logits, state = engine.advance(read[None, : min(chunk, len(read) - 1)], state)
        sums.add(read[1:], logits[0])
        if progress is not None:
            progress(begin + len(read), len(ids))
    return sums.means()


def score_adapted_with_memory(
    model: Model,
    adaptation: AdaptationConfig | None,
    memory: Memory,
    ids: AnyIds,
    progress: Progress = None,
) -> MemoryScore:
    """Score ids (N,), at least two, with a network that learns from them and a memory that does.

    The network, which learns in float32, is the mixture that dynamic evaluation measures; see
    Adapter. The rest is as for `score_with_memory`.
    """
    sums = _Sums(memory, ids)
    adapter = Adapter(model, adaptation, observe=sums.add)
    for begin in range(0, len(ids), _CHUNK):
        adapter.read(ids[begin : begin + _CHUNK])
        if progress is not None:
            progress(min(begin + _CHUNK, len(ids)), len(ids))
    adapter.finish()
    return sums.means()


class _Sums:
    """The sums of nats over ids that are predicted in parts.

    Args:
        memory: it learns the first id, and then each part after predicting it.
        ids: (N,).
    """

    def __init__(self, memory: Memory, ids: AnyIds) -> None:
        self._memory = memory
        self._memory.learn(np.asarray(ids[:1]).astype(np.int64))
        self._nats = self._network = 0.0
        self._count = 0

    def add(self, targets: Int64Array, logits: Float32Array) -> None:
        """Predict ids (T,) from the network's logits (T, V) of each, and learn from them."""
        check_finite(logits)
        self._nats += float(self._memory.score(targets, logits).sum())
        self._network -= float(log_probabilities(logits, targets.astype(np.intp)).sum())
        self._count += len(targets)

    def means(self) -> MemoryScore:
        """Return the means over all parts."""
        if not self._count:
            return MemoryScore(math.nan, math.nan)
        return MemoryScore(self._nats / self._count, self._network / self._count)
