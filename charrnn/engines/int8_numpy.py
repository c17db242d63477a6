"""Int8NumPyEngine: the int8 engine in NumPy, the reference for the one in C.

Legend: B lanes, T time, V vocabulary, H hidden, L layers, G gates.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines.array_lanes import ArrayLanes
from charrnn.engines.attention import AttentionLanes, AttentionWeights
from charrnn.engines.engine import Array, State, check_ids, chunks, id_array
from charrnn.engines.int8_attention import look_up, normalized, projection_layer
from charrnn.engines.int8_numbers import (
    REST_STEPS,
    STEPS,
    fold,
    quantized,
    remainders,
    sigmoid,
    tanh,
)
from charrnn.engines.int8_weights import Int8Layer, Rows, int8_layers
from charrnn.model.config import STATES, ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors


class Int8NumPyEngine:
    """The network of a model directory in NumPy, with weights and activations of int8.

    All numbers are those of Int8Engine, to the last bit, on any processor. BLAS multiplies whole
    numbers, which floating-point numbers add up exactly, in any order.
    """

    precision = "int8"
    parallel = True

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.vocabulary_size = len(tensors["head.weight"])
        self.symbols = len(tensors["embedding.weight"])  # V, plus 1 with a mask
        self.hidden_size, self.layer_count = config.hidden_size, config.layers
        self.states = len(STATES[config.cell])
        self.cell = _CELLS[config.cell]
        *self.layers, self.head = (_Layer.of(each) for each in int8_layers(config, tensors, fold))
        self.attention: AttentionWeights | None = None
        if config.attention is not None:
            self.attention = AttentionWeights(config, tensors)
            self.projection = _Layer.of(projection_layer(self.attention))

    @classmethod
    def of(cls, model: Model) -> "Int8NumPyEngine":
        """Return the engine of a model."""
        return cls(model.config, model.tensors)

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Read ids (B, T); see Engine."""
        ids = id_array(ids)
        return self.lanes(len(ids)).advance(ids, state)

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """Return the state that `advance` returns; see Engine."""
        ids = id_array(ids)
        return self.lanes(len(ids)).read(ids, state)

    def lanes(self, count: int) -> "Int8NumPyLanes":
        """Return `count` lanes, each before the first character."""
        return Int8NumPyLanes(self, count)

    def run_layer(self, number: int, below: npt.NDArray[Any], states: tuple[Array, ...]) -> Array:
        """Return the outputs (T, B, H) of a layer.

        Args:
            number: the number of the layer.
            below: ids (T, B) for the first layer, otherwise the outputs of the layer below.
            states: h, or h and c, (L, B, H), updated in place.
        """
        layer, parts = self.layers[number], [part[number] for part in states]
        if layer.input is None:
            starts = layer.start[below]
        else:
            starts = layer.start[0] + layer.input.of(below)
        outputs = np.empty((*below.shape[:2], self.hidden_size), dtype=np.float32)
        assert layer.recurrent is not None
        for t, start in enumerate(starts):
            self.cell(layer, start, layer.recurrent.of(parts[0]), parts)
            outputs[t] = parts[0]
        return outputs


class Int8NumPyLanes(ArrayLanes):
    """Lanes of an Int8NumPyEngine; see Lanes. A step allocates arrays: this engine is written to be
    read beside the one in C."""

    def __init__(self, engine: Int8NumPyEngine, count: int) -> None:
        shape = engine.layer_count, count, engine.hidden_size
        states = tuple(np.zeros(shape, dtype=np.float32) for _ in range(engine.states))
        weights = engine.attention
        memory = None if weights is None else AttentionLanes(weights, count, count)
        super().__init__(states, engine.hidden_size, memory)
        self._engine = engine
        self._logits = np.empty((count, engine.vocabulary_size), dtype=np.float32)

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Read one id in each lane (B,). Returns the logits (B, V)."""
        given = np.asarray(ids)
        check_ids(given, self._engine.symbols)
        with np.errstate(all="ignore"):  # an overflow shows in the logits
            self._logits[:] = self._scores(self._run(given[None]))[0]
        return self._logits

    def advance(self, ids: npt.NDArray[Any], state: State | None) -> tuple[Array, State]:
        """Read ids (B, T) after a state of all lanes; see Engine.advance."""
        check_ids(ids, self._engine.symbols)
        self._put(slice(None), state)
        logits = np.empty((*ids.T.shape, self._engine.vocabulary_size), dtype=np.float32)
        done = 0
        with np.errstate(all="ignore"):
            for chunk in chunks(ids, len(ids)):
                steps = logits[done : done + chunk.shape[1]]
                steps[:] = self._scores(self._run(chunk.T))
                done += len(steps)
        return logits.swapaxes(0, 1), self._get(slice(None))

    def read(self, ids: npt.NDArray[Any], state: State | None) -> State:
        """Read ids (B, T) after a state of all lanes; see Engine.read."""
        check_ids(ids, self._engine.symbols)
        self._put(slice(None), state)
        with np.errstate(all="ignore"):
            for chunk in chunks(ids, len(ids)):
                self._remember(chunk.T)
        return self._get(slice(None))

    def _remember(self, ids: npt.NDArray[Any]) -> None:
        """Read ids (T, B) without computing logits."""
        outputs = self._run(ids)
        if self._memory is not None:
            for projected in self._engine.projection.scores(outputs):
                self._memory.remember_projected(projected)

    def _run(self, ids: npt.NDArray[Any]) -> Array:
        """Return the outputs (T, B, H) of the top layer for ids (T, B)."""
        outputs = ids
        for number in range(self._engine.layer_count):
            outputs = self._engine.run_layer(number, outputs, self._states)
        return outputs

    def _scores(self, outputs: Array) -> Array:
        """Return the logits (T, B, V) of outputs (T, B, H) of the top layer."""
        head = self._engine.head
        if self._memory is None:
            return head.scores(outputs)
        assert head.input is not None
        logits = np.empty((*outputs.shape[:2], self._engine.vocabulary_size), dtype=np.float32)
        projections = self._engine.projection.scores(outputs)
        for h, projected, scores in zip(outputs, projections, logits, strict=True):
            x, largest = normalized(look_up(self._memory, h, projected))
            sums = np.float32(0) + head.input.of(x)[:, 0]
            scores[:] = sums * largest + head.start[0, 0]
        return logits


class _Product(NamedTuple):
    """The product with a weight, whose arrays add up whole numbers exactly."""

    weight: npt.NDArray[Any]  # (I, G N)
    scale: Array  # (G, N)
    rest: npt.NDArray[Any] | None  # (2 I, G N), of weights of 16 bits: remainders, then weights

    def of(self, x: Array) -> Array:
        """Return the product (..., G, N) with activations (..., I). NaN makes a row NaN."""
        rows = x.reshape(-1, len(self.weight))
        whole = quantized(rows)
        sums = _exact_product(whole, self.weight)
        if self.rest is not None:
            both = np.concatenate([whole, remainders(rows, whole)], axis=1)
            sums += _exact_product(both, self.rest) * (np.float32(1) / REST_STEPS)
        sums[np.isnan(whole).any(axis=1)] = np.nan
        return np.asarray(sums.reshape(*x.shape[:-1], *self.scale.shape) * self.scale)


def _exact_product(x: Array, weight: npt.NDArray[Any]) -> Array:
    return np.asarray(x.astype(weight.dtype, copy=False) @ weight, dtype=np.float32)


def _product(rows: Rows | None) -> _Product | None:
    if rows is None:
        return None
    rest = None if rows.rest is None else np.concatenate([rows.rest, rows.weight], axis=-1)
    return _Product(_exact(rows.weight), rows.scale, None if rest is None else _exact(rest))


def _exact(weight: npt.NDArray[np.int8]) -> npt.NDArray[Any]:
    """Return weights (G, N, I) as (I, G N), of a type that adds up whole numbers exactly."""
    *_, inputs = weight.shape
    exact = np.float32 if inputs * int(STEPS) ** 2 < 1 << 24 else np.float64
    return weight.reshape(-1, inputs).T.astype(exact, order="C")


class _Layer(NamedTuple):
    """An Int8Layer in the form that NumPy computes with."""

    start: Array
    inner: Array
    input: _Product | None
    recurrent: _Product | None

    @classmethod
    def of(cls, layer: Int8Layer) -> "_Layer":
        return cls(layer.start, layer.inner, _product(layer.input), _product(layer.recurrent))

    def scores(self, outputs: Array) -> Array:
        """Return the products (..., N) of the head with outputs (..., H)."""
        assert self.input is not None
        return np.asarray(self.start[0, 0] + self.input.of(outputs)[..., 0, :])


# Each cell updates the parts of its state, (B, H), in place, given the starts of the sums and the
# recurrent products, both (B, G, H).


def _rnn(layer: _Layer, start: Array, recurrent: Array, parts: list[Array]) -> None:
    parts[0][:] = tanh(start + recurrent)[:, 0]


def _gru(layer: _Layer, start: Array, recurrent: Array, parts: list[Array]) -> None:
    (h,) = parts
    r, z = sigmoid((start + recurrent)[:, :2]).swapaxes(0, 1)
    n = tanh(start[:, 2] + r * (layer.inner + recurrent[:, 2]))
    h[:] = n + z * (h - n)


def _lstm(layer: _Layer, start: Array, recurrent: Array, parts: list[Array]) -> None:
    h, c = parts
    gates = tanh(start + recurrent)
    i, f, o = (gates[:, :3] * np.float32(0.5) + np.float32(0.5)).swapaxes(0, 1)
    c[:] = f * c + i * gates[:, 3]
    h[:] = o * tanh(c)


_CELLS: Final[dict[str, Callable[[_Layer, Array, Array, list[Array]], None]]] = {
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
}
