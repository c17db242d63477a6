"""PyTorch's own recurrent operators: oneDNN's LSTM on the CPU, cuDNN's cells on a GPU.

`torch.nn.RNN/GRU/LSTM` call the same operators. Here they compute one layer at a time, so that a
dropout mask can be applied between layers. Under bf16 autocast they compute in bf16; without
AVX-512, oneDNN's LSTM computes in float32 on inputs rounded to bf16.
"""

import functools

import torch
from torch import Tensor

from charrnn.model.cells import Cell, LayerState, LayerWeights


def fused(cell: str) -> Cell:
    """Return the operator for a cell of CELLS."""
    return functools.partial(_compute, {"rnn": _rnn, "gru": _gru, "lstm": _lstm}[cell])


def _compute(
    operator: Cell, x: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    if not x.is_cuda:
        return operator(x, state, weights)
    # On a GPU, autocast casts the inputs of cuDNN's cells to float16, whatever type it was given,
    # and the gradients of a mean over many characters are too small for float16.
    dtype = weights.weight_hh.dtype
    if torch.is_autocast_enabled("cuda"):
        dtype = torch.get_autocast_dtype("cuda")
    with torch.autocast("cuda", enabled=False):
        before = tuple(part.to(dtype) for part in state)
        return operator(x.to(dtype), before, in_one_block(weights, dtype))


def in_one_block(weights: LayerWeights, dtype: torch.dtype) -> LayerWeights:
    """Return a layer's weights in a type, one after another in the same block of memory.

    cuDNN reads them so; weights that lie elsewhere would be copied in every call, with a warning.
    """
    block = torch.cat([each.flatten() for each in weights]).to(dtype)
    parts = block.split_with_sizes([each.numel() for each in weights])
    return LayerWeights(*(part.view_as(each) for part, each in zip(parts, weights, strict=True)))


def _lstm(x: Tensor, state: LayerState, weights: LayerWeights) -> tuple[Tensor, LayerState]:
    if _lacks_bf16(x):
        with torch.autocast("cpu", enabled=False):
            x, *wide = (each.bfloat16().float() for each in (x, *weights))
            outputs, state = _lstm(x, tuple(p.float() for p in state), LayerWeights(*wide))
        return outputs.bfloat16(), state
    h, c = (part.unsqueeze(0) for part in state)
    train = torch.is_grad_enabled()
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    outputs, h, c = torch.lstm(x, (h, c), tuple(weights), True, 1, 0.0, train, False, False)
    return outputs, (h[0], c[0])


def _gru(x: Tensor, state: LayerState, weights: LayerWeights) -> tuple[Tensor, LayerState]:
    h, train = state[0].unsqueeze(0), torch.is_grad_enabled()
    outputs, h = torch.gru(x, h, tuple(weights), True, 1, 0.0, train, False, False)
    return outputs, (h[0],)


def _rnn(x: Tensor, state: LayerState, weights: LayerWeights) -> tuple[Tensor, LayerState]:
    h, train = state[0].unsqueeze(0), torch.is_grad_enabled()
    outputs, h = torch.rnn_tanh(x, h, tuple(weights), True, 1, 0.0, train, False, False)
    return outputs, (h[0],)


def _lacks_bf16(x: Tensor) -> bool:
    """Return whether autocast asks for a bf16 LSTM that oneDNN does not have for this processor."""
    if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return False
    wanted = torch.get_autocast_dtype("cpu") == torch.bfloat16
    return wanted and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
