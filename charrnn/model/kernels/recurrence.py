"""The recurrent part of each cell over a whole sequence, forward and backward, in plain PyTorch.

The input product is computed for the whole sequence beforehand, with biases (`preactivations`).
Each step computes the product with the layer's own h and the gates; backward, the gradients of the
preactivations, from which `sequence.py` computes those of the weights in products over the whole
sequence. The equations are those of `cells.py`; their derivatives are written by hand.

Legend: T time, B batch, H hidden, G gates, V rows of a table of preactivations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from charrnn.model.cells import LayerState


@dataclass(frozen=True)
class LayerInputs:
    """The inputs of a layer's steps.

    Attributes:
        preactivations: (T, B, G H) input products with all biases except `inner_bias`; or (V, G H),
            a table whose rows the index names.
        index: (T, B) rows of the preactivations, or None.
        state: h, or h and c, before the first step, each (B, H).
        weight_hh: (G H, H), of any floating type.
        inner_bias: (H), the bias of the GRU's candidate inside the reset gate; other cells ignore
            it.
    """

    preactivations: Tensor
    index: Tensor | None
    state: LayerState
    weight_hh: Tensor
    inner_bias: Tensor

    @property
    def steps(self) -> tuple[int, int]:
        """T and B."""
        time, batch = (self.preactivations if self.index is None else self.index).shape[:2]
        return time, batch


@dataclass(frozen=True)
class Activations:
    """The results of a layer over a sequence, which the backward pass reads.

    Attributes:
        outputs: (T + 1, B, H): h before the first character, then after each.
        gates: the gates' values, 4 H numbers per lane and step, in the Recurrence's own order;
            empty if there is no backward pass.
        c: (T + 1, B, H) the LSTM's cell state, like `outputs`; empty for other cells.
        state: h, or h and c, (B, H), after the last character.
    """

    outputs: Tensor
    gates: Tensor
    c: Tensor
    state: LayerState


@dataclass(frozen=True)
class Gradients:
    """The gradients from a layer's backward pass.

    Attributes:
        preactivations: (T, B, G H), the gradients of the input products.
        recurrent: (T, B, G H), the gradients of the recurrent products; the same tensor except for
            the GRU, whose reset gate stands between the two.
        state: the gradient of the state before the first character.
    """

    preactivations: Tensor
    recurrent: Tensor
    state: LayerState


class Recurrence(Protocol):
    """A way to compute the steps of one kind of cell."""

    def forward(self, inputs: LayerInputs, *, keep: bool) -> Activations:
        """Compute all steps; `keep`: save what `backward` reads."""

    def backward(
        self,
        activations: Activations,
        weight_hh: Tensor,
        doutputs: Tensor | None,
        dstate: LayerState,
    ) -> Gradients:
        """Compute the gradients, once for each forward pass, since this may overwrite the
        activations.

        Args:
            activations: the result of `forward`.
            weight_hh: (G H, H), as in the inputs.
            doutputs: (T, B, H), the gradient of the outputs after each step; None is zeros.
            dstate: the gradient of the state after the last step.
        """

    def sum_rows(self, rows: Tensor, index: Tensor | None, count: int) -> Tensor:
        """Add up rows (..., N) in float32 (or wider): all rows of the same index (...) into one row
        of the result (count, N); without an index, all into one."""


class PlainRecurrence:
    """PyTorch's own operations, step by step: for every type, device and processor."""

    def __init__(self, cell: str) -> None:
        self.cell = cell
        self._forward_step, self._backward_step = _STEPS[cell]

    def forward(self, inputs: LayerInputs, *, keep: bool) -> Activations:
        """See Recurrence."""
        (time, batch), hidden = inputs.steps, inputs.weight_hh.shape[1]
        preactivations, index, state = inputs.preactivations, inputs.index, inputs.state
        weight = inputs.weight_hh.to(preactivations.dtype).T
        outputs = preactivations.new_empty(time + 1, batch, hidden)
        gates = preactivations.new_empty(
            time if keep else 0, batch, _GATES_KEPT[self.cell] * hidden
        )
        c = state[-1].new_empty(time + 1 if keep and self.cell == "lstm" else 0, batch, hidden)
        outputs[0] = state[0]
        c[:1] = state[-1]
        for step in range(time):
            x = preactivations[step if index is None else index[step]]
            state, kept = self._forward_step(x, outputs[step] @ weight, state, inputs.inner_bias)
            outputs[step + 1] = state[0]
            gates[step : step + 1] = kept
            c[step + 1 : step + 2] = state[-1]
        return Activations(outputs, gates, c, state)

    def backward(
        self,
        activations: Activations,
        weight_hh: Tensor,
        doutputs: Tensor | None,
        dstate: LayerState,
    ) -> Gradients:
        """See Recurrence."""
        outputs = activations.outputs
        weight = weight_hh.to(outputs.dtype)
        time, batch = len(outputs) - 1, outputs.shape[1]
        dx = outputs.new_empty(time, batch, len(weight))
        drecurrent = torch.empty_like(dx) if self.cell == "gru" else dx
        for step in reversed(range(time)):
            dh = dstate[0] if doutputs is None else dstate[0] + doutputs[step]
            dx[step], drecurrent[step], dstate = self._backward_step(
                activations, step, (dh, *dstate[1:])
            )
            dstate = (dstate[0] + drecurrent[step] @ weight, *dstate[1:])
        return Gradients(dx, drecurrent, dstate)

    def sum_rows(self, rows: Tensor, index: Tensor | None, count: int) -> Tensor:
        """See Recurrence."""
        rows = rows.flatten(0, -2).to(torch.promote_types(rows.dtype, torch.float32))
        if index is None:
            return rows.sum(0, keepdim=True)
        return rows.new_zeros(count, rows.shape[1]).index_add_(0, index.flatten(), rows)


_ForwardStep = Callable[[Tensor, Tensor, LayerState, Tensor], tuple[LayerState, Tensor]]
"""A step: input product, recurrent product, state before, inner bias -> state after, gates."""

_BackwardStep = Callable[[Activations, int, LayerState], tuple[Tensor, Tensor, LayerState]]
"""A backward step: activations, number of the step, gradient of the state after -> gradients of the
input product, of the recurrent product, and of the state before (without the part through the
recurrent product)."""


def _rnn(
    x: Tensor, recurrent: Tensor, state: LayerState, inner_bias: Tensor
) -> tuple[LayerState, Tensor]:
    h = torch.tanh((x + recurrent).to(state[0].dtype))
    return (h,), h.new_empty(len(h), 0)


def _rnn_backward(
    activations: Activations, step: int, dstate: LayerState
) -> tuple[Tensor, Tensor, LayerState]:
    (dh,) = dstate
    h = activations.outputs[step + 1]
    dx = dh * (1 - h * h)
    return dx, dx, (torch.zeros_like(dh),)


def _gru(
    x: Tensor, recurrent: Tensor, state: LayerState, inner_bias: Tensor
) -> tuple[LayerState, Tensor]:
    (h,) = state
    x_r, x_z, x_n = x.to(h.dtype).chunk(3, dim=-1)
    h_r, h_z, h_n = recurrent.to(h.dtype).chunk(3, dim=-1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    inner = h_n + inner_bias
    n = torch.tanh(x_n + r * inner)
    return ((1 - z) * n + z * h,), torch.cat([r, z, n, inner], dim=-1)


def _gru_backward(
    activations: Activations, step: int, dstate: LayerState
) -> tuple[Tensor, Tensor, LayerState]:
    (dh,) = dstate
    r, z, n, inner = activations.gates[step].to(dh.dtype).chunk(4, dim=-1)
    dn = dh * (1 - z) * (1 - n * n)
    dz = dh * (activations.outputs[step] - n) * z * (1 - z)
    dr = dn * inner * r * (1 - r)
    return torch.cat([dr, dz, dn], -1), torch.cat([dr, dz, dn * r], -1), (dh * z,)


def _lstm(
    x: Tensor, recurrent: Tensor, state: LayerState, inner_bias: Tensor
) -> tuple[LayerState, Tensor]:
    _, c = state
    i, f, g, o = (x + recurrent).to(c.dtype).chunk(4, dim=-1)
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = f * c + i * g
    return (o * torch.tanh(c), c), torch.cat([i, f, g, o], dim=-1)


def _lstm_backward(
    activations: Activations, step: int, dstate: LayerState
) -> tuple[Tensor, Tensor, LayerState]:
    dh, dc = dstate
    i, f, g, o = activations.gates[step].to(dh.dtype).chunk(4, dim=-1)
    tanh_c = torch.tanh(activations.c[step + 1])
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    di = dc * g * i * (1 - i)
    df = dc * activations.c[step] * f * (1 - f)
    dg = dc * i * (1 - g * g)
    do = dh * tanh_c * o * (1 - o)
    dx = torch.cat([di, df, dg, do], dim=-1)
    return dx, dx, (torch.zeros_like(dh), dc * f)


_STEPS: Final[dict[str, tuple[_ForwardStep, _BackwardStep]]] = {
    "rnn": (_rnn, _rnn_backward),
    "gru": (_gru, _gru_backward),
    "lstm": (_lstm, _lstm_backward),
}

_GATES_KEPT: Final = {"rnn": 0, "gru": 4, "lstm": 4}
"""The size of the gates that the backward pass reads, in units of the hidden size."""
