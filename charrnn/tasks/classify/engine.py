"""ClassifyingEngine: computes classes or numbers of whole texts, without torch.

Legend: B texts, T time, N characters, H hidden, D directions, F features (D H), G gates, C classes
(1 for a number).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.data.tokenizer import Ids
from charrnn.engines.deterministic_matmul import multiply, whole_rows
from charrnn.engines.engine import Array, Reader, State
from charrnn.engines.layers import prepared_layer
from charrnn.engines.numpy_engine import run_layer
from charrnn.engines.stack import stack_engine
from charrnn.errors import CorpusError, ModelError
from charrnn.model.config import STATES, ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks.classify.engine_pooling import pooler

CHUNK: Final = 256
"""The characters of each text that are read at once. A text's chunks end at the same positions in
any batch, so that its sums are added up in the same order."""

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
        self._directions = ("", "_reverse") if config.bidirectional else ("",)
        # The layers that read one direction only; their heads return the outputs unchanged.
        self._lower: list[Reader] = [
            stack_engine(
                config,
                tensors,
                head=np.eye(config.hidden_size, dtype=np.float32),
                reverse=direction == "_reverse",
                layers=1 if config.bidirectional else None,
                native=native,
            )
            for direction in self._directions
        ]
        self._upper = [
            [_MixedLayer(config, tensors, layer, direction) for direction in self._directions]
            for layer in range(1, config.layers if config.bidirectional else 1)
        ]

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
        return self.config.hidden_size * len(self._directions)

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
        if self._streams:
            for begin, outputs in _stream(self._lower[0], texts):
                pool.add(begin, outputs)
            return pool.result()
        shape = (len(texts), int(lengths[0]), len(self._directions) * self.config.hidden_size)
        read = np.empty(shape, dtype=np.float32)
        for side, engine in enumerate(self._lower):
            backwards = side == 1
            ordered = [text[::-1] for text in texts] if backwards else texts
            for begin, outputs in _stream(engine, ordered):
                self._put(read, lengths, side, begin, outputs)
        for layer in self._upper:
            below, read = read, np.empty(shape, dtype=np.float32)
            for side, direction in enumerate(layer):
                for begin, outputs in direction.stream(below, lengths, backwards=side == 1):
                    self._put(read, lengths, side, begin, outputs)
        for begin in range(0, int(lengths[0]), CHUNK):
            active = int((lengths > begin).sum())
            pool.add(begin, np.asarray(read[:active, begin : begin + CHUNK]))
        return pool.result()

    def _put(self, read: Array, lengths: Int64Array, side: int, begin: int, outputs: Array) -> None:
        """Copy a chunk's outputs (b, T, H) of one direction to their steps and columns."""
        hidden = self.config.hidden_size
        columns = slice(side * hidden, (side + 1) * hidden)
        for lane, (length, each) in enumerate(zip(lengths, outputs, strict=False)):
            steps = _steps(begin, int(length), len(each), backwards=side == 1)
            read[lane, steps, columns] = each[: len(range(begin, min(begin + len(each), length)))]


class _MixedLayer:
    """One direction of a layer that reads both directions of the layer below."""

    def __init__(self, config: ModelConfig, tensors: Tensors, layer: int, direction: str) -> None:
        self._cell, self._hidden_size = config.cell, config.hidden_size
        self._layer = prepared_layer(config.cell, tensors, f"_l{layer}{direction}")

    def stream(
        self, below: Array, lengths: Int64Array, *, backwards: bool
    ) -> Iterator[tuple[int, Array]]:
        """Yield the start and the outputs (b, T, H) of each chunk of inputs (B, T, 2 H), read from
        their ends where `backwards`."""
        layer, features = self._layer, below.shape[2]
        states = tuple(
            np.zeros((whole_rows(len(lengths)), layer.weight_hh.shape[1]), dtype=np.float32)
            for _ in STATES[self._cell]
        )
        for begin in range(0, int(lengths[0]), CHUNK):
            active = lengths[lengths > begin]
            time, rows = min(CHUNK, int(active[0]) - begin), whole_rows(len(active))
            inputs = np.zeros((time, rows, layer.weight_ih.shape[1]), dtype=np.float32)
            for lane, length in enumerate(active):
                steps = _steps(begin, int(length), time, backwards=backwards)
                found = below[lane, steps]
                inputs[: len(found), lane, :features] = found
            states = tuple(part[:rows] for part in states)
            outputs = run_layer(self._cell, layer, inputs, states)
            yield begin, outputs.swapaxes(0, 1)[: len(active), :, : self._hidden_size]


def _stream(engine: Reader, texts: Sequence[Ids]) -> Iterator[tuple[int, Array]]:
    """Yield the start of each chunk, and the outputs (b, T, H) of the texts that reach it, the
    longest first."""
    state: State | None = None
    lengths = np.array([len(text) for text in texts])
    for begin in range(0, int(lengths[0]), CHUNK):
        active = int((lengths > begin).sum())
        ids = np.zeros((active, min(CHUNK, int(lengths[0]) - begin)), dtype=np.int64)
        for lane in range(active):
            piece = texts[lane][begin : begin + CHUNK]
            ids[lane, : len(piece)] = piece
        if state is not None:
            state = tuple(part[:, :active] for part in state)
        outputs, state = engine.advance(ids, state)
        yield begin, outputs


def _steps(begin: int, length: int, time: int, *, backwards: bool) -> slice:
    """Return the steps of a text in a chunk that begins `begin` steps from one of the text's
    ends."""
    end = min(begin + time, length)
    if not backwards:
        return slice(begin, end)
    return slice(length - 1 - begin, length - 1 - end if end < length else None, -1)
