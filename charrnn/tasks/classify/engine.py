"""ClassifyingEngine: what a network tells of whole texts, without torch.

Legend: B texts, T time, N characters, H hidden, D directions, F features (D H), G gates, C classes
(1 for a number).
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import Ids
from charrnn.engines.deterministic_matmul import multiply, product, whole_rows
from charrnn.engines.engine import Array, Reader, State
from charrnn.engines.layers import prepared_layer
from charrnn.engines.native_engine import NativeEngine, available
from charrnn.engines.numpy_engine import NumPyEngine, run_layer
from charrnn.errors import CorpusError, ModelError
from charrnn.model.config import STATES, ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors
from charrnn.tasks.classify.engine_pooling import pooler

CHUNK: Final = 256
"""Characters of each text that are read at once. Chunks of every text end at the same places,
however long the others are, and so its sums are added up in the same order."""

TOGETHER: Final = 32
"""Texts that are read side by side, those of similar length."""

_MOST_OUTPUTS: Final = 1 << 26
_MOST_OF_ONE: Final = 1 << 28
"""Numbers that are kept where outputs are needed all at once: of texts that are read side by side,
and of one that is longer than that."""


class ClassifyingEngine:
    """The network of a model directory that classifies or regresses, float32, on the CPU.

    Its layers run on the engines that language models run on, each with a head that changes
    nothing. As there, what comes of a text is the same to the last bit alone and in any company.

    In one direction a text is read as a stream, in memory that does not depend on its length. In
    both, a chunk's outputs wait for those of the other direction.

    Args:
        config: of the task `classify` or `regress`.
        native: whether to compute in C; None where that can be.
    """

    def __init__(
        self, config: ModelConfig, tensors: Tensors, *, native: bool | None = None
    ) -> None:
        assert config.pooling is not None
        self.config = config
        native = available() if native is None else native
        engine = NativeEngine if native else NumPyEngine
        self._pooling, self._weight = config.pooling, tensors.get("pooling.weight")
        self._head = np.ascontiguousarray(tensors["head.weight"].T)  # (F, C)
        self._head_bias = tensors["head.bias"]
        self._directions = ("", "_reverse") if config.bidirectional else ("",)
        depth = 1 if config.bidirectional else config.layers
        stack = dataclasses.replace(_plain(config), layers=depth)
        self._first: list[Reader] = [
            engine(stack, _stack(config, tensors, direction, depth))
            for direction in self._directions
        ]
        self._above = [
            [_Above(config, tensors, layer, direction) for direction in self._directions]
            for layer in range(1, config.layers if config.bidirectional else 1)
        ]

    @classmethod
    def of(cls, model: Model) -> "ClassifyingEngine":
        """The engine of a model that was read from disk. Raises ModelError when it tells nothing of
        texts."""
        model.require("classify", "regress")
        return cls(model.config, model.tensors)

    def logits(self, texts: Sequence[Ids]) -> Array:
        """The logits (B, C) of texts, or their numbers (B, 1), each of one character at least.

        Raises ModelError when the model's numbers overflow, CorpusError for a text too long to be
        read in both directions.
        """
        result = np.empty((len(texts), len(self._head_bias)), dtype=np.float32)
        longest_first = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        start = 0
        while start < len(texts):
            places = longest_first[start : start + self._together(len(texts[longest_first[start]]))]
            start += len(places)
            with np.errstate(all="ignore"):  # the result shows it
                pooled = self._pooled([texts[place] for place in places])
                result[places] = multiply(pooled, self._head) + self._head_bias
        if not np.isfinite(result).all():
            raise ModelError("the model's weights are so large that its numbers overflow")
        return result

    @property
    def _streams(self) -> bool:
        """Whether no output has to wait for another."""
        return not self.config.bidirectional

    @property
    def longest(self) -> float:
        """The most characters that a text may have."""
        return math.inf if self._streams else _MOST_OF_ONE // self._features

    @property
    def _features(self) -> int:
        return self.config.hidden_size * len(self._directions)

    def _together(self, longest: int) -> int:
        """How many texts are read side by side, the longest of so many characters."""
        if self._streams:
            return TOGETHER
        features = self._features
        if longest > self.longest:
            raise CorpusError(
                f"a text of {longest:,} characters is too long to be read from both ends: cut "
                "it into "
                f"pieces of up to {self.longest:,}, or train without --bidirectional"
            )
        return min(max(_MOST_OUTPUTS // (longest * features), 1), TOGETHER)

    def _pooled(self, texts: Sequence[Ids]) -> Array:
        """The pooled outputs (B, F) of texts, the longest first."""
        lengths = np.array([len(text) for text in texts])
        pool = pooler(self._pooling, lengths, self.config.hidden_size, self._weight)
        if self._streams:
            for begin, outputs in _stream(self._first[0], texts):
                pool.add(begin, outputs)
            return pool.result()
        shape = (len(texts), int(lengths[0]), len(self._directions) * self.config.hidden_size)
        read = np.empty(shape, dtype=np.float32)
        for side, engine in enumerate(self._first):
            backwards = side == 1
            ordered = [text[::-1] for text in texts] if backwards else texts
            for begin, outputs in _stream(engine, ordered):
                self._put(read, lengths, side, begin, outputs)
        for layer in self._above:
            below, read = read, np.empty(shape, dtype=np.float32)
            for side, above in enumerate(layer):
                for begin, outputs in above.stream(below, lengths, backwards=side == 1):
                    self._put(read, lengths, side, begin, outputs)
        for begin in range(0, int(lengths[0]), CHUNK):
            active = int((lengths > begin).sum())
            pool.add(begin, np.asarray(read[:active, begin : begin + CHUNK]))
        return pool.result()

    def _put(
        self,
        read: Array,
        lengths: npt.NDArray[np.int64],
        side: int,
        begin: int,
        outputs: Array,
    ) -> None:
        """Puts a chunk's outputs (b, T, H) of one direction where they belong."""
        hidden = self.config.hidden_size
        columns = slice(side * hidden, (side + 1) * hidden)
        for lane, (length, each) in enumerate(zip(lengths, outputs, strict=False)):
            steps = _steps(begin, int(length), len(each), backwards=side == 1)
            read[lane, steps, columns] = each[: len(range(begin, min(begin + len(each), length)))]


class _Above:
    """A layer in one direction that reads both directions of the one below."""

    def __init__(self, config: ModelConfig, tensors: Tensors, layer: int, direction: str) -> None:
        self._cell, self._hidden_size = config.cell, config.hidden_size
        self._layer = prepared_layer(config.cell, tensors, f"_l{layer}{direction}")

    def stream(
        self, below: Array, lengths: npt.NDArray[np.int64], *, backwards: bool
    ) -> Iterator[tuple[int, Array]]:
        """Outputs (b, T, H) chunk after chunk, of inputs (B, T, 2 H) read from either end of
        each."""
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
            sums = product(inputs.reshape(time * rows, -1), layer.weight_ih)
            sums += layer.bias
            states = tuple(part[:rows] for part in states)
            outputs = run_layer(self._cell, layer, sums.reshape(len(sums), time, rows, -1), states)
            yield begin, outputs.swapaxes(0, 1)[: len(active), :, : self._hidden_size]


def _stream(engine: Reader, texts: Sequence[Ids]) -> Iterator[tuple[int, Array]]:
    """Where each chunk begins, and the outputs (b, T, H) of the texts that have not ended before,
    the longest first."""
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
    """Which steps of a text a chunk is, that begins so far from one of its ends."""
    end = min(begin + time, length)
    if not backwards:
        return slice(begin, end)
    return slice(length - 1 - begin, length - 1 - end if end < length else None, -1)


def _plain(config: ModelConfig) -> ModelConfig:
    """A language model's config of the same sizes."""
    return dataclasses.replace(
        config, task="generate", bidirectional=False, pooling=None, outputs=None
    )


def _layer(tensors: Tensors, layer: int, direction: str) -> dict[str, Array]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {name: tensors[f"rnn.{name}_l{layer}{direction}"] for name in names}


def _stack(config: ModelConfig, tensors: Tensors, direction: str, layers: int) -> Tensors:
    """The first layers of one direction under the names of a network of its own, whose head gives
    their outputs as they are."""
    own = {
        "embedding.weight": tensors["embedding.weight"],
        "head.weight": np.eye(config.hidden_size, dtype=np.float32),
        "head.bias": np.zeros(config.hidden_size, dtype=np.float32),
    }
    for layer in range(layers):
        for name, weight in _layer(tensors, layer, direction).items():
            own[f"rnn.{name}_l{layer}"] = weight
    return own
