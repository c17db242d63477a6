"""NumPyEngine: the network on the CPU in NumPy, without torch, so that it starts at once.

Legend: B lanes, R rows (B padded), T time, V vocabulary, E embedding, H hidden, L layers, G gates.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines.array_lanes import ArrayLanes
from charrnn.engines.attention import AttentionLanes, AttentionWeights
from charrnn.engines.deterministic_matmul import padded, product, whole_rows
from charrnn.engines.engine import Array, State, check_ids, chunks, id_array
from charrnn.engines.layers import Layer, prepared_layer
from charrnn.model.config import GATES, STATES, ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors


class NumPyEngine:
    """The network of a model directory in NumPy, in float32.

    The first layer's input product is a table look-up: embedding, input weights and biases are
    folded into one row of G H numbers for each character.

    A lane's numbers are the same to the last bit whatever else is in the batch, whether a text is
    read at once or by the character, and however many threads BLAS has: every matrix product adds
    in a fixed order. (Tested with OpenBLAS, which NumPy's wheels contain.) Different kinds of
    processors differ in the last bits. Lanes are padded to a multiple of four.
    """

    precision = "float32"
    parallel = True

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self.vocabulary_size = len(tensors["head.weight"])
        self.symbols = len(tensors["embedding.weight"])  # V, plus 1 with a mask
        self.hidden_size = config.hidden_size
        self.padded_size = padded(config.hidden_size)
        self.cell = config.cell
        self.states = len(STATES[config.cell])
        layers = [
            prepared_layer(config.cell, tensors, f"_l{layer}") for layer in range(config.layers)
        ]
        self.layers = [
            _with_table(tensors["embedding.weight"], layers[0], config.hidden_size),
            *layers[1:],
        ]
        padded_vocabulary = padded(self.vocabulary_size)
        self.head = np.zeros((self.padded_size, padded_vocabulary), dtype=np.float32)  # (H, V)
        self.head[: self.hidden_size, : self.vocabulary_size] = tensors["head.weight"].T
        self.head_bias = tensors["head.bias"]
        self.attention: AttentionWeights | None = None
        if config.attention is not None:
            self.attention = AttentionWeights(config, tensors)

    @classmethod
    def of(cls, model: Model) -> "NumPyEngine":
        """Return the engine of a model."""
        return cls(model.config, model.tensors)

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Read ids (B, T); see Engine."""
        ids = id_array(ids)
        check_ids(ids, self.symbols)
        batch, time = ids.shape
        logits = np.empty((batch, time, self.vocabulary_size), dtype=np.float32)
        reading, done = _Reading(self, batch, state), 0
        with np.errstate(all="ignore"):  # an overflow shows in the logits
            for outputs in reading.outputs(ids):
                if reading.memory is not None:
                    for t, h in enumerate(outputs):
                        outputs[t] = reading.memory.read(h)
                steps, rows, _ = outputs.shape
                scores = product(outputs.reshape(steps * rows, -1), self.head)
                scores = scores[:, : self.vocabulary_size].reshape(steps, rows, -1)[:, :batch]
                np.add(scores.swapaxes(0, 1), self.head_bias, out=logits[:, done : done + steps])
                done += steps
        return logits, reading.state()

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        """Return the state that `advance` returns; see Engine."""
        ids = id_array(ids)
        check_ids(ids, self.symbols)
        reading = _Reading(self, len(ids), state)
        with np.errstate(all="ignore"):
            for outputs in reading.outputs(ids):
                if reading.memory is not None:
                    for h in outputs:
                        reading.memory.remember(h)
        return reading.state()

    def lanes(self, count: int) -> "NumPyLanes":
        """Return `count` lanes, each before the first character."""
        return NumPyLanes(self, count)

    def memory(self, count: int) -> AttentionLanes | None:
        """Return the attention memory of `count` lanes; None without attention."""
        if self.attention is None:
            return None
        return AttentionLanes(self.attention, count, whole_rows(count))

    def blank(self, rows: int) -> tuple[Array, ...]:
        """Return the states of `rows` rows before the first character, each (L, R, H)."""
        shape = (len(self.layers), rows, self.padded_size)
        return tuple(np.zeros(shape, dtype=np.float32) for _ in range(self.states))


def run_layer(
    cell: str, layer: Layer, inputs: Array, states: tuple[Array, ...], work: "Work | None" = None
) -> Array:
    """Run a layer over a sequence. Returns its outputs (T, R, H).

    Args:
        cell: the name of the cell.
        layer: its weights.
        inputs: (T, R, I), the outputs of the layer below. R is a multiple of ROWS.
        states: h, or h and c, (R, H), updated in place.
        work: memory for the steps; None allocates it.
    """
    time, rows, _ = inputs.shape
    products = product(inputs.reshape(time * rows, -1), layer.weight_ih)
    products += layer.bias
    return _run_steps(cell, layer, products, (time, rows), states, work)


def _run_steps(
    cell: str,
    layer: Layer,
    products: Array,
    shape: tuple[int, ...],
    states: tuple[Array, ...],
    work: "Work | None",
) -> Array:
    """Run the steps of a layer, given its input products (G, T R, H) with biases.

    `shape` is T and R.
    """
    time, rows = shape
    gates, _, size = products.shape
    products = products.reshape(gates, time, rows, size)
    outputs = np.empty((time, rows, size), dtype=np.float32)
    work = work or Work.of(gates, rows, size)
    for t in range(time):
        work.gates[:] = products[:, t]
        _CELLS[cell](layer, work, states)
        outputs[t] = states[0]
    return outputs


class NumPyLanes(ArrayLanes):
    """Lanes of a NumPyEngine; see Lanes. A step allocates no arrays."""

    def __init__(self, engine: NumPyEngine, count: int) -> None:
        rows = whole_rows(count)
        self._engine, self._count = engine, count
        super().__init__(engine.blank(rows), engine.hidden_size, engine.memory(count))
        self._layers = [
            (layer, tuple(part[number] for part in self._states))
            for number, layer in enumerate(engine.layers)
        ]
        self._cell = _CELLS[engine.cell]
        self._work = Work.of(GATES[engine.cell], rows, engine.padded_size)
        self._ids = np.zeros(rows, dtype=np.int64)
        self._unsigned = self._ids.view(np.uint64)  # negative ids are large as unsigned numbers
        self._scores = np.empty((rows, engine.head.shape[1]), dtype=np.float32)
        self._logits = self._scores[:count, : engine.vocabulary_size]

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Read one id in each lane (B,). Returns the logits (B, V)."""
        engine, work = self._engine, self._work
        gates = work.gates
        self._ids[: self._count] = ids
        if max(self._unsigned.tolist()) >= engine.symbols:
            check_ids(self._ids, engine.symbols)
        below: Array | None = None
        with np.errstate(all="ignore"):  # an overflow shows in the logits
            for layer, parts in self._layers:
                if below is None:
                    layer.weight_ih.take(self._ids, axis=1, out=gates, mode="clip")
                else:
                    product(below, layer.weight_ih, gates, work.part)
                    gates += layer.bias
                self._cell(layer, work, parts)
                below = parts[0]
            assert below is not None
            if self._memory is not None:
                below = self._memory.read(below)
            product(below, engine.head, self._scores)
            self._logits += engine.head_bias
        return self._logits


class _Reading:
    """A batch of texts that is read chunk by chunk.

    Attributes:
        memory: the keys and values of attention; None without attention.
    """

    def __init__(self, engine: NumPyEngine, batch: int, state: State | None) -> None:
        self._engine, self._batch = engine, batch
        self._rows = whole_rows(batch)
        self._states = engine.blank(self._rows)
        self._work = Work.of(GATES[engine.cell], self._rows, engine.padded_size)
        self.memory = engine.memory(batch)
        for part, given in zip(self._states, state or (), strict=False):
            part[:, :batch, : engine.hidden_size] = given
        if self.memory is not None and state is not None:
            self.memory.put(slice(None), state[engine.states :])

    def outputs(self, ids: npt.NDArray[Any]) -> Iterator[Array]:
        """Yield the outputs (t, R, H) of the top layer for each chunk of ids (B, T)."""
        for chunk in chunks(ids, self._rows):
            filled = np.zeros((chunk.shape[1], self._rows), dtype=np.intp)
            filled[:, : self._batch] = chunk.T
            yield self._run_layers(filled)

    def _run_layers(self, ids: npt.NDArray[np.intp]) -> Array:
        """Return the outputs (t, R, H) of the top layer for ids (t, R)."""
        engine = self._engine
        first, *above = zip(engine.layers, zip(*self._states, strict=True), strict=True)
        table, states = first
        products = table.weight_ih.take(ids.reshape(-1), axis=1)
        outputs = _run_steps(engine.cell, table, products, ids.shape, states, self._work)
        for layer, states in above:
            outputs = run_layer(engine.cell, layer, outputs, states, self._work)
        return outputs

    def state(self) -> State:
        """Return the state after the ids read so far."""
        size = self._engine.hidden_size
        return (
            *(part[:, : self._batch, :size].copy() for part in self._states),
            *(self.memory.get() if self.memory is not None else ()),
        )


class Work(NamedTuple):
    """The memory that a step writes to, so that it allocates nothing."""

    gates: Array  # (G, R, H): the input product, then the gates
    recurrent: Array  # (G, R, H)
    part: Array  # (G, R, H)
    scratch: Array  # (R, H)

    @classmethod
    def of(cls, gates: int, rows: int, size: int) -> "Work":
        first, second, third = (np.zeros((gates, rows, size), dtype=np.float32) for _ in range(3))
        return cls(first, second, third, np.zeros((rows, size), dtype=np.float32))


def _with_table(embedding: Array, layer: Layer, hidden: int) -> Layer:
    """Return the first layer with a table (G, V, H) in place of its input weights.

    The table has the input products of each character, for embeddings (V, E), with biases.
    """
    count, size = embedding.shape
    filled = np.zeros((whole_rows(count), layer.weight_ih.shape[1]), dtype=np.float32)
    filled[:count, :size] = embedding
    with np.errstate(all="ignore"):  # an overflow shows in the logits
        table = product(filled, layer.weight_ih)[:, :count] + layer.bias
    table[..., hidden:] = 0  # where an overflow times 0 gave NaN
    return layer._replace(weight_ih=table)


_Parts = tuple[Array, ...]  # (h,) or (h, c), each (R, H)


def _rnn(layer: Layer, work: Work, parts: _Parts) -> None:
    (h,) = parts
    gates = work.gates
    gates += product(h, layer.weight_hh, work.recurrent, work.part)
    np.tanh(gates[0], out=h)


def _gru(layer: Layer, work: Work, parts: _Parts) -> None:
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


def _lstm(layer: Layer, work: Work, parts: _Parts) -> None:
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
    """Apply the sigmoid in place, to an x that the weights have halved."""
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5


_CELLS: Final[dict[str, Callable[[Layer, Work, _Parts], None]]] = {
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
}
