"""The weights of a network as int8, in the form that both int8 engines compute with.

A row of a weight matrix is s times whole numbers from -127 to 127, and so is a state, with s =
1 / 127. So a product of both is a whole number, the same however it is added up, times one scale.

Where that is too coarse, weights and states have 16 bits: whole numbers, and remainders in steps of
1 / 254, both from -127 to 127. A product then adds weights times the states' remainders and the
weights' remainders times states. Remainders times remainders are left out, below 1 / 64,000 of it.

Legend: V vocabulary, E embedding, H hidden, G gates, I inputs, N rows, L layers.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines.engine import Array
from charrnn.engines.int8_numbers import REST_STEPS, STEPS
from charrnn.engines.layers import GATE_ORDERS
from charrnn.model.config import ModelConfig
from charrnn.storage.tensor_file import Tensors

Whole = npt.NDArray[np.int8]

Fold = Callable[[Array, Array, Array], Array]
"""A function that computes what `int8_numbers.fold` does."""


class Rows(NamedTuple):
    """A weight matrix as int8. The scales have the 1 / 127 of the inputs in them."""

    weight: Whole  # (G, N, I)
    scale: Array  # (G, N)
    rest: Whole | None  # (G, N, I): the remainders of weights of 16 bits


class Int8Layer(NamedTuple):
    """The weights of a layer, its gates in the order of GATE_ORDERS, sigmoid gates halved.

    A pre-activation is (start + input sum * scale) + recurrent sum * scale. The GRU's candidate
    keeps its recurrent part apart, which begins with `inner`.
    """

    start: Array  # (V, G, H): the table of the first layer; (1, G, H): biases
    inner: Array  # (H,): the GRU candidate's recurrent bias, which the reset gate multiplies
    input: Rows | None  # None in the first layer
    recurrent: Rows | None  # None in the head


def quantize(weight: Array, halves: Array) -> Rows:
    """Return a weight (G, N, I) as int8, each gate multiplied by its number of `halves` (G,).

    It has 16 bits if `takes_16_bits` says so.

    A row that has an infinite number is that number's sign times infinity, and one that has NaN
    is NaN, so that both show in the logits as they do in float32.
    """
    with np.errstate(all="ignore"):
        largest = np.maximum(weight.max(axis=-1), -weight.min(axis=-1))
        inverse = np.where(largest > _SMALLEST, STEPS / largest, np.float32(0))
        steps = weight * inverse[..., None]
        whole = np.rint(steps)
        rest = np.rint((steps - whole) * REST_STEPS)
        scale = np.where(largest > _SMALLEST, largest / (STEPS * STEPS), np.float32(0))
        scale = np.where(np.isnan(largest), largest, scale) * halves[:, None]
    for row in np.argwhere(~np.isfinite(largest)):
        whole[*row] = np.isposinf(weight[*row]).astype(np.float32) - np.isneginf(weight[*row])
        rest[*row] = 0
    precise = takes_16_bits(weight)
    rest8 = rest.astype(np.int8) if precise else None
    return Rows(whole.astype(np.int8), scale.astype(np.float32), rest8)


def takes_16_bits(weight: Array) -> bool:
    """Return whether a weight (..., I) has 16 bits instead of 8.

    That is if it has few inputs, as small networks are the most sensitive and fast anyway, or an
    outlier, as the other weights of its row would be rounded to steps that are coarse for them.
    """
    inputs = weight.shape[-1]
    with np.errstate(all="ignore"):
        largest = np.maximum(weight.max(), -weight.min()) * np.sqrt(np.float32(inputs))
    return inputs <= _FEW_INPUTS or bool(largest > _OUTLIER)


def int8_layers(config: ModelConfig, tensors: Tensors, fold: Fold) -> list[Int8Layer]:
    """Return the layers of a model as int8, and its head as the last one."""
    layers = [_layer(config, tensors, f"_l{number}", fold) for number in range(config.layers)]
    return [*layers, product_layer(tensors["head.weight"], tensors["head.bias"])]


def product_layer(weight: Array, bias: Array) -> Int8Layer:
    """Return the product with a weight (N, H) plus a bias (N,), as a layer."""
    rows = quantize(weight[None], np.ones(1, dtype=np.float32))
    return Int8Layer(bias[None, None], np.zeros_like(bias), rows, None)


def _layer(config: ModelConfig, tensors: Tensors, suffix: str, fold: Fold) -> Int8Layer:
    order, scales = GATE_ORDERS[config.cell]
    halves, hidden = np.array(scales, dtype=np.float32), config.hidden_size
    weight_ih, weight_hh, bias_ih, bias_hh = (
        tensors[f"rnn.{name}{suffix}"].reshape(len(order), hidden, -1)[order]
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    inner = np.zeros(hidden, dtype=np.float32)
    with np.errstate(all="ignore"):  # an overflow shows in the logits
        start = (bias_ih + bias_hh)[..., 0] * halves[:, None]
        if config.cell == "gru":
            start[2], inner = bias_ih[2, :, 0], bias_hh[2, :, 0]
        recurrent = quantize(weight_hh, halves)
        if suffix != "_l0":
            return Int8Layer(start[None], inner, quantize(weight_ih, halves), recurrent)
        weight = (weight_ih * halves[:, None, None]).reshape(start.size, -1)
        table = fold(tensors["embedding.weight"], weight, start.reshape(-1))
    return Int8Layer(table.reshape(-1, *start.shape), inner, None, recurrent)


_FEW_INPUTS: Final = 96
"""The most inputs with which a matrix has 16 bits in any case."""

_OUTLIER: Final = np.float32(56)
"""The largest weight of a row, times the square root of the number of inputs, beyond which a matrix
has 16 bits: the errors of a sum of products are proportional to both."""

_SMALLEST: Final = np.float32(1e-30)
"""The largest weight of a row that is not taken for zeros: below, the scale would be inexact."""
