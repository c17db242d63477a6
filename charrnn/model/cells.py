"""CELLS: the recurrent equations over a whole sequence, the reference that faster kernels match.

Letters: x input, h hidden state (and output), c cell state; gates i input, f forget, g candidate, o
output (LSTM), r reset, z update, n candidate (GRU). Weights have the layout of
`torch.nn.RNN/GRU/LSTM`.

Legend: T time, B batch, I input (E in the first layer, H in the others), H hidden, G gates.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear


class LayerWeights(NamedTuple):
    """The weights of one layer."""

    weight_ih: Tensor  # (G H, I)
    weight_hh: Tensor  # (G H, H)
    bias_ih: Tensor  # (G H)
    bias_hh: Tensor  # (G H)


LayerState = tuple[Tensor, ...]
"""The state of one layer: (h,) or (h, c), each (B, H)."""

Cell = Callable[[Tensor, LayerState, LayerWeights], tuple[Tensor, LayerState]]
"""A function: x (T, B, I), state before -> outputs (T, B, H), state after."""


def rnn(x: Tensor, state: LayerState, weights: LayerWeights) -> tuple[Tensor, LayerState]:
    """Compute Elman's network: h = tanh(W_i x + b_i + W_h h + b_h). Elman, 1990, Finding structure
    in time."""
    (h,) = state
    outputs = []
    for x_t in linear(x, weights.weight_ih, weights.bias_ih):
        h = torch.tanh(x_t + linear(h, weights.weight_hh, weights.bias_hh))
        outputs.append(h)
    return torch.stack(outputs), (h,)


def gru(x: Tensor, state: LayerState, weights: LayerWeights) -> tuple[Tensor, LayerState]:
    """Compute a gated recurrent unit. Cho et al., 2014, arXiv:1406.1078, the reset gate applied
    after the matrix product, as in cuDNN and PyTorch."""
    (h,) = state
    outputs = []
    for x_t in linear(x, weights.weight_ih, weights.bias_ih):
        x_r, x_z, x_n = x_t.chunk(3, dim=-1)
        h_r, h_z, h_n = linear(h, weights.weight_hh, weights.bias_hh).chunk(3, dim=-1)
        r = torch.sigmoid(x_r + h_r)
        z = torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        h = (1 - z) * n + z * h
        outputs.append(h)
    return torch.stack(outputs), (h,)


def lstm(x: Tensor, state: LayerState, weights: LayerWeights) -> tuple[Tensor, LayerState]:
    """Compute a long short-term memory. Hochreiter & Schmidhuber, 1997; forget gate of Gers et al.,
    2000."""
    h, c = state
    outputs = []
    for x_t in linear(x, weights.weight_ih, weights.bias_ih):
        i, f, g, o = (x_t + linear(h, weights.weight_hh, weights.bias_hh)).chunk(4, dim=-1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * c + i * g
        h = o * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs), (h, c)


CELLS: Final[dict[str, Cell]] = {"rnn": rnn, "gru": gru, "lstm": lstm}
