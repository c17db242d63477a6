"""The recurrent part of each cell over a whole sequence, forth and back, in plain PyTorch.

What a layer reads enters by its input product, which is one for the whole sequence and comes ready
(`sums`). Left is, step after step, the product with the layer's own h and the gates; and, on the
way back, the gradients of those sums, from which whole-sequence products make the rest
(`sequence.py`). The equations are those of `cells.py`; the way back is derived from them by hand.

Legend: T time, B batch, H hidden, G gates, V rows of a table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from charrnn.model.cells import LayerState


@dataclass(frozen=True)
class Reading:
    """What a layer has read of a sequence, and what the way back needs of it.

    Attributes:
        outputs: (T + 1, B, H): h before the first character, then after each.
        gates: what the gates were, 4 H numbers of each lane and step, in an order of the
            Recurrence's own; empty where no way back was asked for.
        c: (T + 1, B, H) the LSTM's cell state, as `outputs`; empty for the other cells.
        state: h, or h and c, (B, H), after the last character.
    """

    outputs: Tensor
    gates: Tensor
    c: Tensor
    state: LayerState


@dataclass(frozen=True)
class Gradients:
    """What comes back from a layer's steps.

    Attributes:
        sums: (T, B, G H) of the sums with what the layer read.
        hidden_sums: (T, B, G H) of the recurrent product; another only for the GRU, whose reset
            gate stands between.
        state: of the state before the first character.
    """

    sums: Tensor
    hidden_sums: Tensor
    state: LayerState


class Recurrence(Protocol):
    """A way to compute the steps of one kind of cell."""

    def forward(
        self,
        sums: Tensor,
        index: Tensor | None,
        state: LayerState,
        weight_hh: Tensor,
        inner_bias: Tensor,
        *,
        keep: bool,
    ) -> Reading:
        """Reads a sequence.

        Args:
            sums: (T, B, G H) input products and biases; or (V, G H), rows that the index names.
            index: (T, B), or None.
            state: before, each (B, H).
            weight_hh: (G H, H), of any floating type.
            inner_bias: (H) of the GRU's candidate, inside the reset gate; unused by other cells.
            keep: what the way back needs.
        """

    def backward(
        self,
        reading: Reading,
        weight_hh: Tensor,
        doutputs: Tensor | None,
        dstate: LayerState,
    ) -> Gradients:
        """The way back, once. `doutputs` is (T, B, H), `dstate` that of the state after."""

    def sum_rows(self, rows: Tensor, index: Tensor | None, count: int) -> Tensor:
        """Rows (..., N) added up in float32 (or wider): those that the index (...) gives the same
        number are one row of the sums (count, N); without an index, all are one."""


class PlainRecurrence:
    """PyTorch's own operations, one step after another: for every type, device and processor."""

    def __init__(self, cell: str) -> None:
        self.cell = cell
        self._forth, self._back = _STEPS[cell]

    def forward(
        self,
        sums: Tensor,
        index: Tensor | None,
        state: LayerState,
        weight_hh: Tensor,
        inner_bias: Tensor,
        *,
        keep: bool,
    ) -> Reading:
        """See Recurrence."""
        time, batch = (sums if index is None else index).shape[:2]
        hidden = weight_hh.shape[1]
        weight = weight_hh.to(sums.dtype).T
        outputs = sums.new_empty(time + 1, batch, hidden)
        gates = sums.new_empty(time if keep else 0, batch, _GATES_KEPT[self.cell] * hidden)
        c = state[-1].new_empty(time + 1 if keep and self.cell == "lstm" else 0, batch, hidden)
        outputs[0] = state[0]
        c[:1] = state[-1]
        for step in range(time):
            x = sums[step] if index is None else sums[index[step]]
            state, kept = self._forth(x, outputs[step] @ weight, state, inner_bias)
            outputs[step + 1] = state[0]
            gates[step : step + 1] = kept
            c[step + 1 : step + 2] = state[-1]
        return Reading(outputs, gates, c, state)

    def backward(
        self,
        reading: Reading,
        weight_hh: Tensor,
        doutputs: Tensor | None,
        dstate: LayerState,
    ) -> Gradients:
        """See Recurrence."""
        outputs = reading.outputs
        weight = weight_hh.to(outputs.dtype)
        time, batch = len(outputs) - 1, outputs.shape[1]
        sums = outputs.new_empty(time, batch, len(weight))
        hidden_sums = torch.empty_like(sums) if self.cell == "gru" else sums
        for step in reversed(range(time)):
            dh = dstate[0] if doutputs is None else dstate[0] + doutputs[step]
            sums[step], hidden_sums[step], dstate = self._back(reading, step, (dh, *dstate[1:]))
            dstate = (dstate[0] + hidden_sums[step] @ weight, *dstate[1:])
        return Gradients(sums, hidden_sums, dstate)

    def sum_rows(self, rows: Tensor, index: Tensor | None, count: int) -> Tensor:
        """See Recurrence."""
        rows = rows.flatten(0, -2).to(torch.promote_types(rows.dtype, torch.float32))
        if index is None:
            return rows.sum(0, keepdim=True)
        return rows.new_zeros(count, rows.shape[1]).index_add_(0, index.flatten(), rows)


_Forth = Callable[[Tensor, Tensor, LayerState, Tensor], tuple[LayerState, Tensor]]
"""Sums of the input, of h, state before, inner bias -> state after, gates."""

_Back = Callable[[Reading, int, LayerState], tuple[Tensor, Tensor, LayerState]]
"""The reading, a step, the gradient of the state after -> of both sums, and of the state before but
for what comes through the recurrent product."""


def _rnn(
    x: Tensor, recurrent: Tensor, state: LayerState, inner_bias: Tensor
) -> tuple[LayerState, Tensor]:
    h = torch.tanh((x + recurrent).to(state[0].dtype))
    return (h,), h.new_empty(len(h), 0)


def _rnn_back(reading: Reading, step: int, dstate: LayerState) -> tuple[Tensor, Tensor, LayerState]:
    (dh,) = dstate
    h = reading.outputs[step + 1]
    dsums = dh * (1 - h * h)
    return dsums, dsums, (torch.zeros_like(dh),)


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


def _gru_back(reading: Reading, step: int, dstate: LayerState) -> tuple[Tensor, Tensor, LayerState]:
    (dh,) = dstate
    r, z, n, inner = reading.gates[step].to(dh.dtype).chunk(4, dim=-1)
    dn = dh * (1 - z) * (1 - n * n)
    dz = dh * (reading.outputs[step] - n) * z * (1 - z)
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


def _lstm_back(
    reading: Reading, step: int, dstate: LayerState
) -> tuple[Tensor, Tensor, LayerState]:
    dh, dc = dstate
    i, f, g, o = reading.gates[step].to(dh.dtype).chunk(4, dim=-1)
    tanh_c = torch.tanh(reading.c[step + 1])
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    di = dc * g * i * (1 - i)
    df = dc * reading.c[step] * f * (1 - f)
    dg = dc * i * (1 - g * g)
    do = dh * tanh_c * o * (1 - o)
    dsums = torch.cat([di, df, dg, do], dim=-1)
    return dsums, dsums, (torch.zeros_like(dh), dc * f)


_STEPS: Final[dict[str, tuple[_Forth, _Back]]] = {
    "rnn": (_rnn, _rnn_back),
    "gru": (_gru, _gru_back),
    "lstm": (_lstm, _lstm_back),
}

_GATES_KEPT: Final = {"rnn": 0, "gru": 4, "lstm": 4}
"""What the way back needs beside h and c, in units of the hidden size."""
