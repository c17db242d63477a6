"""MemoryEngine: an engine whose predictions are mixed with those of a memory.

The memory is shared by all lanes and is only looked at, so that a state is a value, as of all
engines: the state of the network, and the last ids. What the memory learns later changes the
predictions after any state.

Legend: B lanes, T time, V vocabulary, C CONTEXT.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array
from charrnn.engines import Array, Engine, Lanes, State
from charrnn.engines.engine import id_array
from charrnn.engines.memory import CONTEXT, Memory
from charrnn.generation.elementary import exponents, log, total

_NONE: Final = -1
"""Stands in a context for each id that a text is shorter than CONTEXT."""

_SMALLEST: Final = 2.0**-1000
"""The smallest probability, whose logarithm is finite."""


class MemoryEngine:
    """An engine and a memory that read and generate together.

    Without a weight, the memory mixes the network's predictions with its own as it has learned to,
    which predicts texts best. With one, the probabilities are (1 - weight) of the network's plus
    weight of the memory's own. The bits are the same on every machine if the engine's are.

    Args:
        engine: the engine of the network.
        memory: it is not changed.
        weight: from 0 to 1, or None.
        matches: whether the memory may continue the longest earlier place that is like the end of
            the text, which copies.
    """

    def __init__(
        self, engine: Engine, memory: Memory, *, weight: float | None = None, matches: bool = True
    ) -> None:
        self.engine, self.memory = engine, memory
        self.weight, self.matches = weight, matches

    @property
    def vocabulary_size(self) -> int:
        """V."""
        return self.engine.vocabulary_size

    @property
    def precision(self) -> str:
        """The precision of the network; see Engine."""
        return self.engine.precision

    @property
    def parallel(self) -> bool:
        """See Engine."""
        return self.engine.parallel

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Read ids (B, T); see Engine."""
        ids = id_array(ids)
        inner, contexts = _parts(state, len(ids))
        logits, inner = self.engine.advance(ids, inner)
        mixed = np.empty(logits.shape, dtype=np.float32)
        for step in range(ids.shape[1]):
            contexts = _shifted(contexts, ids[:, step : step + 1])
            mixed[:, step] = self.mixed(contexts, logits[:, step])
        return mixed, (*inner, contexts[None])

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """Return the state that `advance` returns; see Engine."""
        ids = id_array(ids)
        inner, contexts = _parts(state, len(ids))
        return (*self.engine.read(ids, inner), _shifted(contexts, ids)[None])

    def lanes(self, count: int) -> "MemoryLanes":
        """Return `count` lanes, each before the first character."""
        return MemoryLanes(self, count)

    def mixed(self, contexts: npt.NDArray[np.int64], logits: Array) -> Array:
        """Return the logits (B, V) of the mixture after contexts (B, C), given the network's logits
        (B, V).

        Where those are not finite, they are returned as they are, for the caller to notice.
        """
        if not np.isfinite(logits).all():
            return logits
        found = np.stack(
            [self._probabilities(*each) for each in zip(contexts, logits, strict=True)]
        )
        if self.weight is not None:
            shares = exponents(logits)
            found = (1.0 - self.weight) * (shares / total(shares)) + self.weight * found
        return log(np.maximum(found, _SMALLEST)).astype(np.float32)

    def _probabilities(self, context: npt.NDArray[np.int64], logits: Array) -> Float64Array:
        known = context[context != _NONE]
        given = logits if self.weight is None else None
        return self.memory.distribution(known, given, matches=self.matches)


class MemoryLanes:
    """Lanes of a MemoryEngine; see Lanes."""

    def __init__(self, engine: MemoryEngine, count: int) -> None:
        self._engine = engine
        self._lanes: Lanes = engine.engine.lanes(count)
        self._contexts = np.full((count, CONTEXT), _NONE, dtype=np.int64)

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Read one id in each lane (B,); see Lanes."""
        logits = self._lanes.step(ids)
        self._contexts = _shifted(self._contexts, ids[:, None])
        return self._engine.mixed(self._contexts, logits)

    def get(self, lane: int) -> State:
        """Return the state of a lane, as a value with B = 1."""
        return (*self._lanes.get(lane), self._contexts[None, lane : lane + 1].copy())

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        """Set a lane, or several, to a state; see Lanes."""
        inner, contexts = _parts(state, 1)
        self._lanes.put(lane, inner)
        self._contexts[np.atleast_1d(np.asarray(lane, dtype=np.intp))] = contexts

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        """Set lane i to the previous state of lane `lanes[i]`."""
        self._lanes.take(lanes)
        self._contexts[: len(lanes)] = self._contexts[lanes]


def _parts(state: State | None, count: int) -> tuple[State | None, npt.NDArray[np.int64]]:
    """Return the network's state and the contexts (B, C) of `count` lanes."""
    if state is None:
        return None, np.full((count, CONTEXT), _NONE, dtype=np.int64)
    return state[:-1], state[-1][0]


def _shifted(
    contexts: npt.NDArray[np.int64], ids: npt.NDArray[np.integer]
) -> npt.NDArray[np.int64]:
    """Return the contexts (B, C) after further ids (B, T)."""
    return np.concatenate([contexts, ids], axis=1)[:, ids.shape[1] :].astype(np.int64)
