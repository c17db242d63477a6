"""Memory: what followed where in the text that was read, mixed with what a network predicts.

An id is coded as D decisions, its bits from the highest on; a decision whose other side holds no id
is certain, and left out. Each decision has a probability, a mixture of what the network says and of
what was counted, so that a whole distribution, a score and an arithmetic coder all use the same
numbers. They are the same on every machine.

Legend: V vocabulary, D decisions of an id, N ids.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.engines.memory.compiled import CMemory, CompiledMemory, available
from charrnn.engines.memory.config import CONTEXT, MemoryConfig
from charrnn.engines.memory.reference import ReferenceMemory
from charrnn.errors import ConfigError


class Memory:
    """A predictor that remembers the text it has read.

    Args:
        vocabulary_size: V, at least 2; 256 for bytes.
        config: the parts and the size.
        native: whether to compute in C; None does where C is available. The bits are the same.

    Raises ConfigError when C is wanted and not available.
    """

    def __init__(
        self,
        vocabulary_size: int,
        config: MemoryConfig | None = None,
        *,
        native: bool | None = None,
    ) -> None:
        if vocabulary_size < 2:
            raise ConfigError(f"a vocabulary of {vocabulary_size}: give at least 2 symbols")
        if native and not available():
            raise ConfigError(
                "the memory in C is switched off or not compiled; "
                "reinstall charrnn with a C compiler"
            )
        native = available() if native is None else native
        self.vocabulary_size, self.config = vocabulary_size, config or MemoryConfig()
        kind = CompiledMemory if native else ReferenceMemory
        self._core: CompiledMemory | ReferenceMemory = kind(vocabulary_size, self.config)

    @property
    def context(self) -> Int64Array:
        """The last ids that were read, at most CONTEXT."""
        context = self._core.context.astype(np.int64)
        return context[context >= 0]

    @property
    def structure(self) -> CMemory | None:
        """The memory in C, for other functions in C; None when computed in NumPy."""
        return self._core.structure if isinstance(self._core, CompiledMemory) else None

    def forget_context(self) -> None:
        """Begin another text: no ids come before its first one. What was learned stays."""
        self._core.context[:] = -1

    def learn(self, ids: npt.ArrayLike) -> None:
        """Read ids (N,) in order, and count what followed what. Mixture weights do not change."""
        for each in self._checked(ids):
            self.begin()
            while self.undecided:
                self.update_bit(self._core.bit(int(each)))
            self.end()

    def score(self, ids: npt.ArrayLike, network: Float32Array | None = None) -> Float64Array:
        """Return the nats (N,) of ids one after another, and learn from each.

        Args:
            network: the logits (N, V) of a network for each id; None for none.
        """
        checked = self._checked(ids)
        nats = np.zeros(len(checked))
        for place, each in enumerate(checked):
            self.begin(None if network is None else network[place])
            while self.undecided:
                p, bit = self.predict_bit() / 2**22, self._core.bit(int(each))
                nats[place] -= np.log(p if bit else 1 - p)
                self.update_bit(bit)
            self.end()
        return nats

    def distribution(
        self,
        context_ids: npt.ArrayLike,
        logits: Float32Array | None = None,
        *,
        matches: bool = True,
    ) -> Float64Array:
        """Return the probabilities (V,) of the id after `context_ids`, of which the last CONTEXT
        count. They sum to 1. Nothing changes.

        Args:
            logits: the logits (V,) of a network; None for none.
            matches: whether to use the match model, which copies long passages.
        """
        asked = self.copy()
        context = self._checked(context_ids)[-CONTEXT:]
        asked._core.context[:] = -1
        if len(context):
            asked._core.context[-len(context) :] = context
        found = np.zeros(self.vocabulary_size)
        for each in range(self.vocabulary_size):
            trial = asked.copy()
            trial.begin(logits)
            p = 1.0
            while trial.undecided:
                one, bit = trial.predict_bit() / 2**22, trial._core.bit(each)
                p *= one if bit else 1 - one
                trial.update_bit(bit)
            found[each] = p
        return found

    def copy(self) -> "Memory":
        """Return an independent copy."""
        made = Memory(self.vocabulary_size, self.config, native=self.structure is not None)
        made._core.context[:] = self._core.context
        made._core.counters[:] = self._core.counters
        return made

    def begin(self, logits: Float32Array | None = None) -> None:
        """Begin the next id, of which a network predicts `logits` (V,)."""
        self._core.begin(logits)

    @property
    def undecided(self) -> bool:
        """Whether the id that was begun has further decisions."""
        return self._core.undecided

    def bit(self, number: int) -> int:
        """Return the next decision of id `number`, if the decisions so far are its."""
        return self._core.bit(number)

    def predict_bit(self) -> int:
        """Return the probability that the next decision is 1, in units of 2^-PROBABILITY_BITS."""
        return self._core.predict_bit()

    def update_bit(self, bit: int) -> None:
        """Take the next decision, and learn from it."""
        self._core.update_bit(bit)

    def end(self) -> int:
        """Append the id that was decided to what was read. Returns it."""
        return self._core.end()

    def _checked(self, ids: npt.ArrayLike) -> npt.NDArray[Any]:
        array = np.asarray(ids)
        if array.size == 0:
            array = array.astype(np.int64)
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ConfigError(f"ids of type {array.dtype}: give whole numbers of shape (N,)")
        if array.size and not 0 <= int(array.min()) <= int(array.max()) < self.vocabulary_size:
            raise ConfigError(f"ids go from 0 to {self.vocabulary_size - 1}")
        return array.astype(np.int32)
