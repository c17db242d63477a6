"""NumPyEngine: the CPU path. It imports no torch, so that the first character comes at once.

Legend: B lanes, T time, V vocabulary, H hidden, L layers, G gates.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.generation.engines.array_lanes import ArrayLanes
from charrnn.generation.engines.attention import AttentionLanes, AttentionWeights
from charrnn.generation.engines.engine import Array, State
from charrnn.generation.engines.product import padded, product, whole_rows
from charrnn.model.config import GATES, STATES, ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors


class NumPyEngine:
    """The network of a model directory in NumPy, float32.

    The first layer's input product is a table look-up: embedding, input weights and biases fold into
    one row of G H numbers for each character. Sigmoids are computed as
    sigmoid(x) = (1 + tanh(x / 2)) / 2, the halving folded into the weights, so that a step's gates
    take one tanh and nothing can overflow. Gates lie one after another in memory, each (B, H).

    A lane's numbers are the same to the last bit alone and in any company, and whether a text is
    read at once or by the character: every product of matrices adds in an order of its own that
    depends on neither. (So it is with OpenBLAS, which NumPy's wheels bring, and it is tested.) Lanes are
    filled up to a multiple of four.
    """

    parallel = True

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.vocabulary_size = len(tensors["head.weight"])
        self.symbols = len(tensors["embedding.weight"])  # that are read; V, or masks too
        self.hidden_size = config.hidden_size
        self.padded_size = padded(config.hidden_size)
        self.cell = _CELLS[config.cell]
        self.states = len(STATES[config.cell])
        with np.errstate(over="ignore", invalid="ignore"):  # the logits show it
            self.layers = [self._prepare(config, tensors, layer) for layer in range(config.layers)]
        padded_vocabulary = padded(self.vocabulary_size)
        self.head = np.zeros((self.padded_size, padded_vocabulary), dtype=np.float32)  # (H, V)
        self.head[: self.hidden_size, : self.vocabulary_size] = tensors["head.weight"].T
        self.head_bias = tensors["head.bias"]
        self.attention: AttentionWeights | None = None
        if config.attention is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                self.attention = AttentionWeights(config, tensors)

    @classmethod
    def of(cls, model: Model) -> "NumPyEngine":
        """The engine of a model that was read from disk."""
        return cls(model.config, model.tensors)

    def _prepare(self, config: ModelConfig, tensors: Tensors, layer: int) -> "_Layer":
        order, scales = _GATES[config.cell]
        gates, hidden, padded = len(order), self.hidden_size, self.padded_size
        scale = np.array(scales, dtype=np.float32)[:, None]

        def planes(array: Array, rows: int) -> Array:
            """Weights (G H, I) as (G, I, H), the gates in order and scaled, filled up."""
            filled = np.zeros((gates, rows, padded), dtype=np.float32)
            split = array.reshape(gates, hidden, -1)[order]
            filled[:, : split.shape[2], :hidden] = split.swapaxes(1, 2) * scale[..., None]
            return filled

        weight_ih, weight_hh, bias_ih, bias_hh = (
            tensors[f"rnn.{name}_l{layer}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        before, inside = bias_ih + bias_hh, np.zeros_like(bias_hh)
        if config.cell == "gru":  # the reset gate multiplies the candidate's recurrent bias
            before[2 * hidden :] = bias_ih[2 * hidden :]
            inside[2 * hidden :] = bias_hh[2 * hidden :]
        bias = planes(before[:, None], 1)  # (G, 1, H)
        if layer == 0:
            folded = (tensors["embedding.weight"] @ weight_ih.T).T  # (G H, V)
            weight = planes(folded, self.symbols)
            weight += bias
        else:
            weight = planes(weight_ih, padded)
        return _Layer(weight, planes(weight_hh, padded), bias, planes(inside[:, None], 1)[-1])

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Reads ids (B, T); see Engine."""
        ids = np.asarray(ids)
        batch, time = ids.shape
        rows = whole_rows(batch)
        states = self._blank(rows)
        memory = self.memory(batch)
        for part, given in zip(states, state or (), strict=False):
            part[:, :batch, : self.hidden_size] = given
        if memory is not None and state is not None:
            memory.put(slice(None), state[self.states :])
        work = _Work.of(self, rows)
        read = np.zeros((time, rows), dtype=np.intp)
        read[:, :batch] = ids.T
        outputs = np.empty((time, rows, self.padded_size), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # the logits show it
            for number, layer in enumerate(self.layers):
                inputs = _inputs(layer, number, read.reshape(-1), outputs)
                inputs = inputs.reshape(-1, time, rows, self.padded_size)  # (G, T, B, H)
                parts = tuple(part[number] for part in states)
                for t in range(time):
                    work.gates[:] = inputs[:, t]
                    self.cell(layer, work, parts)
                    outputs[t] = parts[0]
            if memory is not None:
                for t in range(time):
                    outputs[t] = memory.read(outputs[t])
            logits = product(outputs.reshape(time * rows, -1), self.head)
            logits = logits[:, : self.vocabulary_size] + self.head_bias
        return (
            logits.reshape(time, rows, -1)[:, :batch].swapaxes(0, 1),
            (
                *(part[:, :batch, : self.hidden_size].copy() for part in states),
                *(memory.get() if memory is not None else ()),
            ),
        )

    def lanes(self, count: int) -> "NumPyLanes":
        """So many lanes, each before the first character."""
        return NumPyLanes(self, count)

    def memory(self, count: int) -> AttentionLanes | None:
        """What so many lanes look up; None without attention."""
        if self.attention is None:
            return None
        return AttentionLanes(self.attention, count, whole_rows(count))

    def _blank(self, rows: int) -> tuple[Array, ...]:
        shape = (len(self.layers), rows, self.padded_size)
        return tuple(np.zeros(shape, dtype=np.float32) for _ in range(self.states))


class NumPyLanes(ArrayLanes):
    """Lanes of a NumPyEngine; see Lanes. A step allocates no arrays."""

    def __init__(self, engine: NumPyEngine, count: int) -> None:
        rows = whole_rows(count)
        self._engine, self._count = engine, count
        super().__init__(engine._blank(rows), engine.hidden_size, engine.memory(count))
        self._layers = [
            (layer, tuple(part[number] for part in self._states))
            for number, layer in enumerate(engine.layers)
        ]
        self._work = _Work.of(engine, rows)
        self._ids = np.zeros(rows, dtype=np.intp)
        self._scores = np.empty((rows, engine.head.shape[1]), dtype=np.float32)
        self._logits = self._scores[:count, : engine.vocabulary_size]

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Reads one id in each lane (B,); gives the logits (B, V)."""
        engine, work = self._engine, self._work
        gates = work.gates
        self._ids[: self._count] = ids
        below: Array | None = None
        with np.errstate(over="ignore", invalid="ignore"):  # the logits show it
            for layer, parts in self._layers:
                if below is None:
                    layer.weight_ih.take(self._ids, axis=1, out=gates, mode="clip")
                else:
                    product(below, layer.weight_ih, gates, work.part)
                    gates += layer.bias
                engine.cell(layer, work, parts)
                below = parts[0]
            assert below is not None
            if self._memory is not None:
                below = self._memory.read(below)
            product(below, engine.head, self._scores)
            self._logits += engine.head_bias
        return self._logits


class _Layer(NamedTuple):
    """A layer's weights, transposed for row vectors; the gates in order, those of sigmoids halved."""

    weight_ih: Array  # (G, H, H), or the first layer's table (G, V, H)
    weight_hh: Array  # (G, H, H)
    bias: Array  # (G, 1, H): all that can be added before; the first layer's is in its table too
    inner_bias: Array  # (1, H): the GRU's candidate's, which the reset gate multiplies


class _Work(NamedTuple):
    """Memory that a step writes to, so that it allocates none."""

    gates: Array  # (G, B, H): the input product, then the gates
    recurrent: Array  # (G, B, H)
    part: Array  # (G, B, H)
    scratch: Array  # (B, H)

    @classmethod
    def of(cls, engine: NumPyEngine, rows: int) -> "_Work":
        shape = (len(engine.layers[0].weight_hh), rows, engine.padded_size)
        gates, recurrent, part = (np.zeros(shape, dtype=np.float32) for _ in range(3))
        return cls(gates, recurrent, part, np.zeros(shape[1:], dtype=np.float32))


def _inputs(layer: _Layer, number: int, ids: npt.NDArray[np.intp], below: Array) -> Array:
    """The input product (G, N, H) of ids (N,), or of the outputs of the layer below."""
    if number == 0:
        return layer.weight_ih.take(ids, axis=1)
    return product(below.reshape(len(ids), -1), layer.weight_ih) + layer.bias


_Parts = tuple[Array, ...]  # (h,) or (h, c), each (B, H)


def _rnn(layer: _Layer, work: _Work, parts: _Parts) -> None:
    (h,) = parts
    gates = work.gates
    gates += product(h, layer.weight_hh, work.recurrent, work.part)
    np.tanh(gates[0], out=h)


def _gru(layer: _Layer, work: _Work, parts: _Parts) -> None:
    (h,) = parts
    gates, recurrent, scratch = work.gates, work.recurrent, work.scratch
    product(h, layer.weight_hh, recurrent, work.part)
    sigmoids = gates[:2]
    sigmoids += recurrent[:2]
    _sigmoid(sigmoids)
    r, z, n = gates
    np.add(recurrent[2], layer.inner_bias, out=scratch)
    scratch *= r
    n += scratch
    np.tanh(n, out=n)
    # h = n + z * (h - n)
    h -= n
    h *= z
    h += n


def _lstm(layer: _Layer, work: _Work, parts: _Parts) -> None:
    h, c = parts
    gates, scratch = work.gates, work.scratch
    gates += product(h, layer.weight_hh, work.recurrent, work.part)
    np.tanh(gates, out=gates)
    sigmoids = gates[:3]
    sigmoids *= 0.5
    sigmoids += 0.5
    i, f, o, g = gates
    # c = f * c + i * g; h = o * tanh(c)
    c *= f
    np.multiply(i, g, out=scratch)
    c += scratch
    np.tanh(c, out=h)
    h *= o


def _sigmoid(x: Array) -> None:
    """In place, of what was halved already."""
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5


_CELLS: dict[str, Callable[[_Layer, _Work, _Parts], None]] = {
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
}

_GATES: dict[str, tuple[list[int], tuple[float, ...]]] = {
    "rnn": ([0], (1.0,)),
    "gru": ([0, 1, 2], (0.5, 0.5, 1.0)),
    "lstm": ([0, 1, 3, 2], (0.5, 0.5, 0.5, 1.0)),
}
"""The gates in the order they are kept here, as places in torch.nn's (h), (r, z, n), (i, f, g, o);
and by what each is scaled: half for a sigmoid."""
assert {cell: len(order) for cell, (order, _) in _GATES.items()} == GATES
