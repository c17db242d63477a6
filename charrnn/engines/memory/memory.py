"""Memory: what followed where in the text that was read, mixed with what a network predicts.

An id is coded as D decisions, its bits from the highest on; a decision whose other side holds no id
is certain, and left out. Each decision has a probability, a mixture of what the network says and of
what was counted, so that a whole distribution, a score and an arithmetic coder all use the same
numbers. They are the same on every machine.

Counted is what followed the last 1 to 7 ids, the beginning of a word, and this with the word
before; and where the same 12 or 20 last ids came before, and what followed there.

Legend: V vocabulary, D decisions of an id, N ids.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.data.tokenizer import CharTokenizer, Tokenizer
from charrnn.engines.memory.compiled import CMemory, CompiledMemory, available
from charrnn.engines.memory.config import CONTEXT, MemoryConfig
from charrnn.engines.memory.reference import ReferenceMemory
from charrnn.engines.memory.tables import Tables, new_tables
from charrnn.engines.memory.words import WordIds, word_ids_of_bytes, word_ids_of_characters
from charrnn.errors import ConfigError

_LARGEST_VOCABULARY = 1 << 20


class Memory:
    """A predictor that remembers the text it has read.

    Args:
        vocabulary_size: V; 256 for bytes.
        config: the parts and the size.
        word_ids: for each id, a number of the letter that it is, or 0 outside words; None takes
            those of bytes for V = 256, and no words for others. `Memory.of` takes those of a
            tokenizer.
        native: whether to compute in C; None does where C is available. The bits are the same.

    Raises ConfigError when C is wanted and not available.
    """

    def __init__(
        self,
        vocabulary_size: int,
        config: MemoryConfig | None = None,
        *,
        word_ids: WordIds | None = None,
        native: bool | None = None,
        _tables: Tables | None = None,
    ) -> None:
        if not 1 <= vocabulary_size <= _LARGEST_VOCABULARY:
            raise ConfigError(f"a vocabulary of {vocabulary_size}: give 1 to 2^20 symbols")
        if native and not available():
            raise ConfigError(
                "the memory in C is switched off or not compiled; "
                "reinstall charrnn with a C compiler"
            )
        native = available() if native is None else native
        self.vocabulary_size, self.config = vocabulary_size, config or MemoryConfig()
        if word_ids is None:
            none = np.zeros(vocabulary_size, dtype=np.int32)
            word_ids = word_ids_of_bytes() if vocabulary_size == 256 else none
        if word_ids.shape != (vocabulary_size,):
            raise ConfigError(f"word ids of shape {word_ids.shape}: give one for each symbol")
        self._word_ids = np.ascontiguousarray(word_ids, dtype=np.int32)
        kind = CompiledMemory if native else ReferenceMemory
        tables = new_tables(self.config) if _tables is None else _tables
        self._core: CompiledMemory | ReferenceMemory = kind(self._word_ids, self.config, tables)

    @classmethod
    def of(cls, tokenizer: Tokenizer, config: MemoryConfig | None = None) -> "Memory":
        """Return a memory of the ids of a tokenizer."""
        if isinstance(tokenizer, CharTokenizer):
            words = word_ids_of_characters(tokenizer.characters)
            return cls(len(words), config, word_ids=words)
        return cls(tokenizer.vocabulary_size, config)

    @property
    def context(self) -> Int64Array:
        """The last ids that were read, at most CONTEXT."""
        context = self._core.tables.context.astype(np.int64)
        return context[context >= 0]

    @property
    def structure(self) -> CMemory | None:
        """The memory in C, for other functions in C; None when computed in NumPy."""
        return self._core.structure if isinstance(self._core, CompiledMemory) else None

    def forget_context(self) -> None:
        """Begin another text: no ids come before its first one. What was learned stays."""
        self._core.tables.context[:] = -1

    def learn(self, ids: npt.ArrayLike) -> None:
        """Read ids (N,) in order, and count what followed what. Mixture weights do not change.

        Raises ConfigError for ids that are not whole numbers of the vocabulary.
        """
        self._core.learn(self._checked(ids))

    def score(self, ids: npt.ArrayLike, network: Float32Array | None = None) -> Float64Array:
        """Return the nats (N,) of ids one after another, and learn from each.

        Args:
            network: the logits (N, V) of a network for each id; None for none. Those of an id that
                are not all finite are ignored.

        Raises ConfigError as `learn` does, and for logits of another shape.
        """
        checked = self._checked(ids)
        logits = self._logits(network, (len(checked), self.vocabulary_size))
        return -np.log(self._core.score(checked, logits))

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
        given = self._checked(context_ids)[-CONTEXT:]
        context = np.full(CONTEXT, -1, dtype=np.int32)
        context[CONTEXT - len(given) :] = given
        return self._core.distribution(
            context, self._logits(logits, (self.vocabulary_size,)), matches
        )

    def copy(self) -> "Memory":
        """Return an independent copy."""
        return Memory(
            self.vocabulary_size,
            self.config,
            word_ids=self._word_ids,
            native=self.structure is not None,
            _tables=self._core.tables.copy(),
        )

    def begin(self, logits: Float32Array | None = None) -> None:
        """Begin the next id, of which a network predicts `logits` (V,)."""
        self._core.begin(self._logits(logits, (self.vocabulary_size,)))

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
        """Take the next decision. `predict_bit` must have come before."""
        self._core.update_bit(bit)

    def end(self) -> int:
        """Learn the id that was decided, and return it."""
        return self._core.end()

    def _checked(self, ids: npt.ArrayLike) -> npt.NDArray[np.int32]:
        array: npt.NDArray[Any] = np.asarray(ids)
        if array.size == 0:
            array = array.astype(np.int64)
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ConfigError(f"ids of type {array.dtype}: give whole numbers of shape (N,)")
        if array.size and not 0 <= int(array.min()) <= int(array.max()) < self.vocabulary_size:
            raise ConfigError(
                f"ids from {array.min()} to {array.max()}: the memory's ids go from 0 to "
                f"{self.vocabulary_size - 1}"
            )
        return np.ascontiguousarray(array, dtype=np.int32)

    @staticmethod
    def _logits(logits: Float32Array | None, shape: tuple[int, ...]) -> Float32Array | None:
        if logits is None:
            return None
        given = np.ascontiguousarray(logits, dtype=np.float32)
        if given.shape != shape:
            raise ConfigError(f"logits of shape {given.shape}: give {shape}")
        return given
