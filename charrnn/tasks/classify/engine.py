"""ClassifyingEngine: computes classes or numbers of whole texts, without torch.

Legend: B texts, T time, N characters, H hidden, D directions, F features (D H), G gates, C classes
(1 for a number).
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from charrnn.data.tokenizer import Ids
from charrnn.engines.bidirectional import CHUNK, BidirectionalStack, stream
from charrnn.engines.deterministic_matmul import multiply
from charrnn.engines.engine import Array, Reader
from charrnn.engines.stack import stack_engine
from charrnn.errors import CorpusError, ModelError
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks.classify.engine_pooling import pooler

BATCH_SIZE: Final = 32
"""The texts of a batch, which have similar lengths."""

_MOST_OUTPUTS: Final = 1 << 26
_MOST_OF_ONE: Final = 1 << 28
"""The most outputs that are kept where those of all steps are needed: for a batch, and for a single
text that alone has more."""


class ClassifyingEngine:
    """The network of a model directory that classifies or regresses, float32, on the CPU.

    Its layers run on the engines of language models. A text's results are the same to the last bit
    in any batch.

    A text that is read in one direction is a stream, in memory that does not depend on its length.
    With both directions, all outputs of a layer are kept, since each direction of the next layer
    reads both.

    Args:
        config: a configuration of the task `classify` or `regress`.
        native: whether to compute in C; None: where C is available.
    """

    def __init__(
        self, config: ModelConfig, tensors: Tensors, *, native: bool | None = None
    ) -> None:
        assert config.pooling is not None
        self.config = config
        self._pooling, self._weight = config.pooling, tensors.get("pooling.weight")
        self._head = np.ascontiguousarray(tensors["head.weight"].T)  # (F, C)
        self._head_bias = tensors["head.bias"]
        self._one_direction: Reader | None = None
        self._both: BidirectionalStack | None = None
        if config.bidirectional:
            self._both = BidirectionalStack(config, tensors, native=native)
        else:  # its head returns the outputs unchanged
            unchanged = np.eye(config.hidden_size, dtype=np.float32)
            self._one_direction = stack_engine(config, tensors, head=unchanged, native=native)

    @classmethod
    def of(cls, model: Model) -> "ClassifyingEngine":
        """Return the engine of a model that was read from disk. Raises ModelError when the model
        neither classifies nor regresses."""
        model.require("classify", "regress")
        return cls(model.config, model.tensors)

    def logits(self, texts: Sequence[Ids]) -> Array:
        """Compute the logits (B, C) of texts, or their numbers (B, 1); each text has at least one
        character.

        Raises ModelError when the model's numbers overflow, CorpusError for a text too long to be
        read in both directions.
        """
        result = np.empty((len(texts), len(self._head_bias)), dtype=np.float32)
        longest_first = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        start = 0
        while start < len(texts):
            places = longest_first[
                start : start + self._batch_size(len(texts[longest_first[start]]))
            ]
            start += len(places)
            with np.errstate(all="ignore"):  # the result is checked
                pooled = self._pooled([texts[place] for place in places])
                result[places] = multiply(pooled, self._head) + self._head_bias
        if not np.isfinite(result).all():
            raise ModelError("the model's weights are so large that its numbers overflow")
        return result

    @property
    def _streams(self) -> bool:
        """Whether texts are read as streams, in one direction only."""
        return not self.config.bidirectional

    @property
    def longest(self) -> float:
        """The largest number of characters that a text may have."""
        return math.inf if self._streams else _MOST_OF_ONE // self._features

    @property
    def _features(self) -> int:
        return self.config.hidden_size * (2 if self.config.bidirectional else 1)

    def _batch_size(self, longest: int) -> int:
        """Return the number of texts in a batch whose longest text has `longest` characters."""
        if self._streams:
            return BATCH_SIZE
        features = self._features
        if longest > self.longest:
            raise CorpusError(
                f"a text of {longest:,} characters is too long to read in both directions: cut it "
                f"into pieces of up to {self.longest:,}, or train without --bidirectional"
            )
        return min(max(_MOST_OUTPUTS // (longest * features), 1), BATCH_SIZE)

    def _pooled(self, texts: Sequence[Ids]) -> Array:
        """Return the pooled outputs (B, F) of texts, the longest first."""
        lengths = np.array([len(text) for text in texts])
        pool = pooler(self._pooling, lengths, self.config.hidden_size, self._weight)
        if self._both is None:
            assert self._one_direction is not None
            for begin, outputs in stream(self._one_direction, texts, chunk=CHUNK):
                pool.add(begin, outputs)
            return pool.result()
        read = self._both.read(texts, chunk=CHUNK)
        for begin in range(0, int(lengths[0]), CHUNK):
            active = int((lengths > begin).sum())
            pool.add(begin, np.asarray(read[:active, begin : begin + CHUNK]))
        return pool.result()
