"""ENGINES: ids, state -> logits, state. What sampling and scoring run on.

`NumPyEngine` is the CPU path: it imports no torch, so that the first character comes at once.
`TorchEngine` runs the training network itself, on a GPU or while training.

State is a value: `advance` never changes the one it is given, so any state can be kept and gone
back to.

Legend: B batch, T time, V vocabulary, E embedding, H hidden, L layers, G gates, I input.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.model.config import GATES, STATES, ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.storage.tensor_file import Tensors

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN

Array = npt.NDArray[np.float32]
State = tuple[Any, ...]
"""What an engine carries on, (h,) or (h, c), each (L, B, H): arrays of its own kind."""


class Engine(Protocol):
    """What everything above asks of an engine."""

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Reads ids (B, T) after a state (None: before the first character).

        Gives the logits (B, T, V) of the character after each, and the state after the last.
        """
        ...


class NumPyEngine:
    """The network of a model directory in NumPy, float32.

    The first layer's input product is a table look-up: embedding, input weights and both biases
    fold into one row of G H numbers for each character. Sigmoids are computed as
    sigmoid(x) = (1 + tanh(x / 2)) / 2, the halving folded into the weights, so that a step's gates
    take one tanh and nothing can overflow.
    """

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self._cell = _CELLS[config.cell]
        self._states = len(STATES[config.cell])
        with np.errstate(over="ignore", invalid="ignore"):  # the logits show it
            self._layers = [_prepare(config, tensors, layer) for layer in range(config.layers)]
            first = self._layers[0]
            self._table = tensors["embedding.weight"] @ first.weight_ih + first.bias_ih  # (V, G H)
        self._head = np.ascontiguousarray(tensors["head.weight"].T)  # (H, V)
        self._head_bias = tensors["head.bias"]
        self._hidden_size = config.hidden_size
        self.vocabulary_size = config.vocabulary_size

    @classmethod
    def of(cls, model: Model) -> "NumPyEngine":
        """The engine of a model that was read from disk."""
        return cls(model.config, model.tensors)

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Reads ids (B, T); see Engine."""
        with np.errstate(over="ignore", invalid="ignore"):  # the logits show it
            return self._advance(np.asarray(ids), state)

    def _advance(self, ids: npt.NDArray[Any], state: State | None) -> tuple[Array, State]:
        if state is None:
            shape = (len(self._layers), len(ids), self._hidden_size)
            state = tuple(np.zeros(shape, dtype=np.float32) for _ in range(self._states))
        x = self._table[ids.T]  # (T, B, G H)
        states = []
        for number, layer in enumerate(self._layers):
            if number > 0:
                x = x @ layer.weight_ih + layer.bias_ih  # (T, B, G H)
            x, after = self._cell(x, tuple(part[number] for part in state), layer)  # (T, B, H)
            states.append(after)
        logits = x @ self._head + self._head_bias  # (T, B, V)
        return logits.swapaxes(0, 1), tuple(np.stack(parts) for parts in zip(*states, strict=True))


class TorchEngine:
    """The training network as an engine, on its own device and without gradients."""

    def __init__(self, network: "CharRNN") -> None:
        self.network = network
        self.vocabulary_size = network.config.vocabulary_size

    @classmethod
    def of(cls, model: Model) -> "TorchEngine":
        """The engine of a model that was read from disk, on a GPU where there is one."""
        import torch

        from charrnn.model.network import CharRNN

        network = CharRNN(model.config)
        network.load_state_dict({k: torch.from_numpy(v) for k, v in model.tensors.items()})
        return cls(network.to("cuda" if torch.cuda.is_available() else "cpu").eval())

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        """Reads ids (B, T); see Engine."""
        import torch

        training = self.network.training
        self.network.eval()
        device = self.network.head.bias.device
        with torch.inference_mode():
            inputs = torch.tensor(np.array(ids, dtype=np.int64), device=device)
            logits, state = self.network(inputs, state)
        self.network.train(training)
        return logits.float().cpu().numpy(), state


ENGINES: dict[str, Callable[[Model], Engine]] = {"numpy": NumPyEngine.of, "torch": TorchEngine.of}


class _Layer(NamedTuple):
    """A layer's weights, transposed for row vectors, sigmoid gates halved, biases joined."""

    weight_ih: Array  # (I, G H)
    weight_hh: Array  # (H, G H)
    bias_ih: Array  # (G H): all biases that can be added before the recurrent product
    bias_hh: Array  # (H): the GRU's candidate's, which the reset gate multiplies


def _prepare(config: ModelConfig, tensors: Tensors, layer: int) -> _Layer:
    hidden = config.hidden_size
    scale = np.repeat(np.array(_SCALES[config.cell], dtype=np.float32), hidden)  # (G H)
    weight_ih, weight_hh, bias_ih, bias_hh = (
        tensors[f"rnn.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    inner = bias_hh.copy()
    if config.cell == "gru":
        inner[2 * hidden :] = 0
    return _Layer(
        np.ascontiguousarray(weight_ih.T * scale),
        np.ascontiguousarray(weight_hh.T * scale),
        (bias_ih + inner) * scale,
        bias_hh[-hidden:],
    )


# Half for each gate that is a sigmoid, in the order of torch.nn: (h), (r, z, n), (i, f, g, o).
_SCALES = {"rnn": (1.0,), "gru": (0.5, 0.5, 1.0), "lstm": (0.5, 0.5, 1.0, 0.5)}
assert {cell: len(scales) for cell, scales in _SCALES.items()} == GATES

_LayerState = tuple[Array, ...]
_Step = tuple[Array, _LayerState]


def _rnn(x: Array, state: _LayerState, layer: _Layer) -> _Step:
    (h,) = state
    outputs = np.empty((*x.shape[:2], h.shape[-1]), dtype=np.float32)
    for t, x_t in enumerate(x):
        h = np.tanh(x_t + h @ layer.weight_hh)
        outputs[t] = h
    return outputs, (h,)


def _gru(x: Array, state: _LayerState, layer: _Layer) -> _Step:
    (h,) = state
    size = h.shape[-1]
    outputs = np.empty((*x.shape[:2], size), dtype=np.float32)
    for t, x_t in enumerate(x):
        product = h @ layer.weight_hh  # (B, 3 H)
        gates = np.tanh(x_t[:, : 2 * size] + product[:, : 2 * size])
        gates *= 0.5
        gates += 0.5
        r, z = gates[:, :size], gates[:, size:]
        n = np.tanh(x_t[:, 2 * size :] + r * (product[:, 2 * size :] + layer.bias_hh))
        h = n + z * (h - n)
        outputs[t] = h
    return outputs, (h,)


def _lstm(x: Array, state: _LayerState, layer: _Layer) -> _Step:
    h, c = state
    size = h.shape[-1]
    outputs = np.empty((*x.shape[:2], size), dtype=np.float32)
    for t, x_t in enumerate(x):
        gates = h @ layer.weight_hh  # (B, 4 H)
        gates += x_t
        np.tanh(gates, out=gates)
        g = gates[:, 2 * size : 3 * size].copy()
        gates *= 0.5
        gates += 0.5
        i, f, o = gates[:, :size], gates[:, size : 2 * size], gates[:, 3 * size :]
        c = f * c + i * g
        h = o * np.tanh(c)
        outputs[t] = h
    return outputs, (h, c)


_CELLS: dict[str, Callable[[Array, _LayerState, _Layer], _Step]] = {
    "rnn": _rnn,
    "gru": _gru,
    "lstm": _lstm,
}
