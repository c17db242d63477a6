"""Int8Engine: the int8 engine in C, if it is compiled.

Legend: B lanes, T time, V vocabulary, H hidden, L layers.
"""

import contextlib
import ctypes
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines.attention import AttentionLanes, AttentionWeights
from charrnn.engines.compiled_lanes import CModel, CompiledLanes, aligned
from charrnn.engines.engine import Array, State, check_ids, chunk_length, chunks, id_array
from charrnn.engines.int8_attention import projection_layer
from charrnn.engines.int8_layout import SUMS, UNITS, arrange
from charrnn.engines.int8_structures import (
    CAttention,
    CLanes,
    CLayer,
    CQueue,
    CWeights,
    CWriter,
    available,
    fold,
    library,
    processors,
)
from charrnn.engines.int8_weights import Int8Layer, int8_layers
from charrnn.errors import ConfigError
from charrnn.model.config import STATES, ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors

_CELLS: Final = ("rnn", "gru", "lstm")
"""The cells in the order of int8.c."""


class AttentionHead(NamedTuple):
    """What int8.c reads after attention."""

    layer: CLayer  # the head, which begins with zeros
    bias: Array  # (V, padded)
    output: Array  # (D, H)


class Int8Engine:
    """The network of a model directory in C, with weights and activations of int8.

    Whole numbers are added up exactly, and everything else is computed in one fixed order. So the
    numbers are the same to the last bit on every processor, in Int8NumPyEngine, alone and in any
    batch, and whether a text is read at once or by the character.

    Several threads may step lanes of one engine at the same time, each its own lanes.

    Args:
        processor: one of `processors()`; None takes the fastest.

    Raises ConfigError if the C is not available.
    """

    precision = "int8"
    parallel = True

    def __init__(
        self, config: ModelConfig, tensors: Tensors, *, processor: str | None = None
    ) -> None:
        opened = library() if available() else None
        if opened is None:
            raise ConfigError(
                "the int8 engine in C is switched off or not compiled; "
                "reinstall charrnn with a C compiler"
            )
        supported = processors()
        self.processor = next(iter(supported)) if processor is None else processor
        if self.processor not in supported:
            raise ConfigError(f"processor {processor!r}: this one supports {', '.join(supported)}")
        entry = supported[self.processor]
        self._library = opened
        self._offset: int = opened.charrnn_int8_offset(entry)
        self.vocabulary_size = len(tensors["head.weight"])
        self.symbols = len(tensors["embedding.weight"])  # V, plus 1 with a mask
        self.hidden_size, self.layers = config.hidden_size, config.layers
        self.states = len(STATES[config.cell])
        self._arrays: list[npt.NDArray[Any]] = []  # what the C structures point to
        *layers, head = int8_layers(config, tensors, fold)
        prepared = [self._layer(config.cell, layer) for layer in layers]
        self.sums = prepared[0].panels * SUMS  # the sums of a layer in one lane
        self.padded_size = self.sums if config.cell == "rnn" else prepared[0].panels * UNITS
        self.attention: AttentionWeights | None = None
        self.attention_head: AttentionHead | None = None
        if config.attention is None:
            prepared.append(self._layer("head", head))
        else:  # the projections of attention read the layers
            self.attention = AttentionWeights(config, tensors)
            prepared.append(self._layer("head", projection_layer(self.attention)))
            self.attention_head = self._attention_head(self.attention, head)
        self.padded_vocabulary = prepared[-1].panels * SUMS
        self._layers = (CLayer * len(prepared))(*prepared)
        self.model = CModel(
            entry,
            _CELLS.index(config.cell),
            self.symbols,
            self.hidden_size,
            len(prepared),
            ctypes.addressof(self._layers),
        )

    @classmethod
    def of(cls, model: Model) -> "Int8Engine":
        """Return the engine of a model. Raises ConfigError if it is not available."""
        return cls(model.config, model.tensors)

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Read ids (B, T); see Engine."""
        ids = id_array(ids)
        return self.lanes(len(ids)).advance(ids, state)

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """Return the state that `advance` returns; see Engine."""
        ids = id_array(ids)
        return self.lanes(len(ids)).read(ids, state)

    def lanes(self, count: int) -> "Int8Lanes":
        """Return `count` lanes, each before the first character."""
        return Int8Lanes(self, count)

    @property
    def part_shapes(self) -> list[tuple[int, int]]:
        """The shapes (L, H) and (W, D) of the parts of one lane's state, padded."""
        shapes = [(self.layers, self.padded_size)] * self.states
        if self.attention is not None:
            shapes += [(self.attention.window, len(self.attention.output))] * 2
        return shapes

    def write(self, writer: CWriter, queue: CQueue | None, steps: int) -> int:
        """Write characters; see Int8Writer. Returns the number of steps."""
        waiting = None if queue is None else ctypes.addressof(queue)
        done: int = self._library.charrnn_int8_write(ctypes.byref(writer), waiting, steps)
        return done

    def _layer(self, cell: str, layer: Int8Layer) -> CLayer:
        """Arrange a layer, or the head, as int8.c reads it."""
        arranged = arrange(layer, cell, self._offset)
        weights = (
            CWeights() if each is None else CWeights(*map(self._keep, each))
            for each in (arranged.input, arranged.recurrent)
        )
        return CLayer(arranged.start.shape[1], self._keep(arranged.start), *weights)

    def _attention_head(self, weights: AttentionWeights, head: Int8Layer) -> AttentionHead:
        zeros = self._layer("head", head._replace(start=np.zeros_like(head.start)))
        bias = aligned((zeros.panels * SUMS,), np.float32)
        bias[: self.vocabulary_size] = head.start[0, 0]
        output = np.ascontiguousarray(weights.output[:, : self.hidden_size])
        return AttentionHead(zeros, bias, output)

    def _keep(self, array: npt.NDArray[Any] | None) -> int | None:
        """Return the address of an array, which stays valid as long as the engine lives; None for
        none."""
        if array is None:
            return None
        self._arrays.append(array)
        return array.ctypes.data


class Int8Lanes(CompiledLanes):
    """Lanes of an Int8Engine; see Lanes. A step allocates no arrays."""

    _engine: Int8Engine
    _attention: CAttention

    def __init__(self, engine: Int8Engine, count: int) -> None:
        self._engine, self._count = engine, count
        shape = (engine.layers, count, engine.padded_size)
        super().__init__(
            tuple(aligned(shape, np.float32) for _ in range(engine.states)),
            engine.hidden_size,
            None if engine.attention is None else AttentionLanes(engine.attention, count, count),
        )
        self._bytes = aligned((2, count, 2 * engine.padded_size), np.uint8)
        self._lost = np.zeros((2, count), dtype=np.uint8)
        self._scores = aligned((count, engine.padded_vocabulary), np.float32)
        rows = self._scores
        if engine.attention_head is not None:  # the scores hold the projections
            rows = self._begin_attention(engine.attention_head)
        self._logits = rows[:, : engine.vocabulary_size]
        self._ids = np.zeros(count, dtype=np.int64)
        self._lanes = CLanes(
            ctypes.addressof(engine.model),
            count,
            count,
            engine.padded_size,
            engine.padded_vocabulary,
            self._ids.ctypes.data,
            self._states[0].ctypes.data,
            self._states[-1].ctypes.data,
            self._bytes.ctypes.data,
            self._lost.ctypes.data,
            self._scores.ctypes.data,
        )
        self._step = engine._library.charrnn_int8_step
        self._attend_in_c = engine._library.charrnn_int8_attend
        self._pointer = ctypes.byref(self._lanes)

    def _read(self, ids: npt.NDArray[Any], *, scored: bool) -> Iterator[tuple[Array, Array]]:
        """Read ids (B, T) in chunks; see CompiledLanes."""
        engine, count = self._engine, self._count
        longest = min(chunk_length(count), ids.shape[1])
        scores = aligned((longest if scored else 0, *self._scores.shape), np.float32)
        starts = aligned((longest, count, engine.sums), np.float32)
        attends = scored and self._memory is not None
        tops = aligned((longest if attends else 0, count, engine.padded_size), np.float32)
        history = aligned((longest, *self._bytes.shape[1:]), np.uint8)
        lost = np.zeros((longest, count), dtype=np.uint8)
        for chunk in chunks(ids, count):
            steps = np.ascontiguousarray(chunk.T, dtype=np.int64)  # (t, B)
            if engine._library.charrnn_int8_read(
                self._pointer,
                steps.ctypes.data,
                scores.ctypes.data if scored else None,
                starts.ctypes.data,
                history.ctypes.data,
                lost.ctypes.data,
                tops.ctypes.data if attends else None,
                len(steps),
            ):
                check_ids(ids, engine.symbols)
            yield scores[: len(steps) if scored else 0], tops[: len(steps)]

    @property
    def structure(self) -> CLanes:
        """The lanes in C."""
        return self._lanes

    @property
    def next_ids(self) -> npt.NDArray[np.int64]:
        """The ids (B,) that C reads next."""
        return self._ids

    @property
    def logits(self) -> Array:
        """The logits (B, V) that the last step has written."""
        return self._logits

    @property
    def attention_address(self) -> int | None:
        """The address of attention in C; None without attention."""
        return None if self._memory is None else ctypes.addressof(self._attention)

    @contextlib.contextmanager
    def attending(self) -> Iterator[None]:
        """Let C move the window of attention in this block."""
        if self._memory is not None:
            self._attention.start = self._memory.start
        yield
        if self._memory is not None:
            self._memory.start = self._attention.start

    @property
    def attended(self) -> Array | None:
        """See ArrayLanes."""
        return None if self._memory is None else self._shares[:, : self._memory.weights.window]

    def _begin_attention(self, head: AttentionHead) -> Array:
        """Make the structure and the arrays of attention. Returns the rows for logits."""
        memory = self._memory
        assert memory is not None
        weights, count, size = memory.weights, self._count, memory.keys.shape[2]
        self._shares = aligned((count, weights.window + -weights.window % UNITS), np.float32)
        found = aligned((size,), np.float32)
        width = self._engine.padded_size
        joined = aligned((count * width + count,), np.float32)  # and the largest of each lane
        logits = aligned((count, len(head.bias)), np.float32)
        arrays = memory.keys, memory.values, weights.biases, self._shares, found, head.output
        more = weights.norm_weight, weights.norm_bias, joined, logits, head.bias
        self._kept = arrays, more
        self._attention = CAttention(
            weights.window,
            size,
            0,
            self._shares.shape[1],
            len(head.bias),
            *(each.ctypes.data for each in (*arrays, *more)),
            head.layer,
        )
        self._attention_pointer = ctypes.byref(self._attention)
        self._tops = self._states[0][-1].ctypes.data, self._scores.ctypes.data
        return logits
