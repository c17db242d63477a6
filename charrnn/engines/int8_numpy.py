"""Int8NumPyEngine: the int8 engine in NumPy, the reference for the one in C.

Legend: B lanes, T time, V vocabulary, H hidden, L layers, G gates.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines.array_lanes import ArrayLanes
from charrnn.engines.engine import Array, State, check_ids, chunks, id_array
from charrnn.engines.int8_numbers import STEPS, fold, quantized, sigmoid, tanh
from charrnn.engines.int8_weights import Rows, int8_layers
from charrnn.model.config import STATES, ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors


class Int8NumPyEngine:
    """The network of a model directory in NumPy, with weights and activations of int8.

    All numbers are those of Int8Engine, to the last bit, on any processor. BLAS multiplies whole
    numbers, which floating-point numbers add up exactly, in any order.
    """

    parallel = True

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.vocabulary_size = len(tensors["head.weight"])
        self.symbols = len(tensors["embedding.weight"])  # V, plus 1 with a mask
        self.hidden_size, self.layer_count = config.hidden_size, config.layers
        self.states = len(STATES[config.cell])
        self.cell = _CELLS[config.cell]
        *self.layers, self.head = (
            _Layer(each.start, each.inner, _product(each.input), _product(each.recurrent))
            for each in int8_layers(config, tensors, fold)
        )

    @classmethod
    def of(cls, model: Model) -> "Int8NumPyEngine":
        """Return the engine of a model."""
        return cls(model.config, model.tensors)

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Read ids (B, T); see Engine."""
        ids = id_array(ids)
        check_ids(ids, self.symbols)
        states = self._blank(len(ids), state)
        logits = np.empty((*ids.T.shape, self.vocabulary_size), dtype=np.float32)
        done = 0
        with np.errstate(all="ignore"):  # an overflow shows in the logits
            for outputs in self._outputs(ids, states):
                logits[done : done + len(outputs)] = self.scores(outputs)
                done += len(outputs)
        return logits.swapaxes(0, 1), states

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """Return the state that `advance` returns; see Engine."""
        ids = id_array(ids)
        check_ids(ids, self.symbols)
        states = self._blank(len(ids), state)
        with np.errstate(all="ignore"):
            for _ in self._outputs(ids, states):
                pass
        return states

    def lanes(self, count: int) -> "Int8NumPyLanes":
        """Return `count` lanes, each before the first character."""
        return Int8NumPyLanes(self, count)

    def scores(self, outputs: Array) -> Array:
        """Return the logits (..., V) of whole-number outputs (..., H) of the top layer."""
        assert self.head.input is not None
        return np.asarray(self.head.start[0, 0] + self.head.input.of(outputs)[..., 0, :])

    def run_layer(self, number: int, below: npt.NDArray[Any], states: tuple[Array, ...]) -> Array:
        """Return the whole-number outputs (T, B, H) of a layer.

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
        whole = quantized(parts[0])
        for t, start in enumerate(starts):
            self.cell(layer, start, layer.recurrent.of(whole), parts)
            outputs[t] = whole = quantized(parts[0])
        return outputs

    def _outputs(self, ids: npt.NDArray[Any], states: tuple[Array, ...]) -> Iterator[Array]:
        """Yield the outputs (t, B, H) of the top layer for each chunk of ids (B, T)."""
        for chunk in chunks(ids, len(ids)):
            outputs: npt.NDArray[Any] = chunk.T
            for number in range(self.layer_count):
                outputs = self.run_layer(number, outputs, states)
            yield outputs

    def _blank(self, count: int, state: State | None = None) -> tuple[Array, ...]:
        """Return a copy of a state; None is the one before the first character."""
        shape = self.layer_count, count, self.hidden_size
        parts = tuple(np.zeros(shape, dtype=np.float32) for _ in range(self.states))
        for part, given in zip(parts, state or (), strict=False):
            part[:] = given
        return parts


class Int8NumPyLanes(ArrayLanes):
    """Lanes of an Int8NumPyEngine; see Lanes."""

    def __init__(self, engine: Int8NumPyEngine, count: int) -> None:
        super().__init__(engine._blank(count), engine.hidden_size, None)
        self._engine = engine
        self._logits = np.empty((count, engine.vocabulary_size), dtype=np.float32)

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Read one id in each lane (B,). Returns the logits (B, V)."""
        engine = self._engine
        outputs: npt.NDArray[Any] = np.asarray(ids)[None]
        check_ids(outputs, engine.symbols)
        with np.errstate(all="ignore"):  # an overflow shows in the logits
            for number in range(engine.layer_count):
                outputs = engine.run_layer(number, outputs, self._states)
            self._logits[:] = engine.scores(outputs[0])
        return self._logits


class _Product(NamedTuple):
    """The product with a weight of whole numbers."""

    weight: npt.NDArray[Any]  # (I, G N), of a type that adds up whole numbers exactly
    scale: Array  # (G, N)

    def of(self, whole: Array) -> Array:
        """Return the product (..., G, N) with whole numbers (..., I). NaN makes a row NaN."""
        rows = whole.reshape(-1, len(self.weight))
        sums = rows.astype(self.weight.dtype, copy=False) @ self.weight
        sums[np.isnan(rows).any(axis=1)] = np.nan
        shape = *whole.shape[:-1], *self.scale.shape
        return np.asarray(sums.astype(np.float32).reshape(shape) * self.scale)


def _product(rows: Rows | None) -> _Product | None:
    if rows is None:
        return None
    *_, inputs = rows.weight.shape
    exact = np.float32 if inputs * int(STEPS) ** 2 < 1 << 24 else np.float64
    return _Product(rows.weight.reshape(-1, inputs).T.astype(exact, order="C"), rows.scale)


class _Layer(NamedTuple):
    """An Int8Layer in the form that NumPy computes with."""

    start: Array
    inner: Array
    input: _Product | None
    recurrent: _Product | None


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
