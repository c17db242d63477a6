"""The weights of a layer in the form that the CPU engines compute with.

A sigmoid is computed as sigmoid(x) = (1 + tanh(x / 2)) / 2, with the halving folded into the
weights. So all gates of a step take one tanh, and nothing can overflow. Each gate is contiguous in
memory.

Legend: I inputs, H hidden, G gates.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from charrnn.engines.deterministic_matmul import padded
from charrnn.engines.engine import Array
from charrnn.model.config import GATES


class Layer(NamedTuple):
    """A layer's weights, transposed for row vectors, with the gates in the order of `GATE_ORDERS`.

    The weights of sigmoid gates are halved. I and H are padded with zeros.
    """

    weight_ih: Array  # (G, I, H)
    weight_hh: Array  # (G, H, H)
    bias: Array  # (G, 1, H): all biases except inner_bias
    inner_bias: Array  # (1, H): the GRU candidate's recurrent bias, which the reset gate multiplies


def prepared_layer(cell: str, tensors: Mapping[str, Array], suffix: str) -> Layer:
    """Prepare the layer whose weights are named `rnn.weight_ih` and so on plus a suffix (`_l0`)."""
    order, scales = GATE_ORDERS[cell]
    scale = np.array(scales, dtype=np.float32)[:, None]
    weight_ih, weight_hh, bias_ih, bias_hh = (
        tensors[f"rnn.{name}{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    gates, hidden = len(order), weight_hh.shape[1]

    def planes(array: Array, rows: int) -> Array:
        """Return weights (G H, I) as (G, I, H), gates reordered and scaled, sizes padded."""
        filled = np.zeros((gates, rows, padded(hidden)), dtype=np.float32)
        split = array.reshape(gates, hidden, -1)[order]
        filled[:, : split.shape[2], :hidden] = split.swapaxes(1, 2) * scale[..., None]
        return filled

    with np.errstate(all="ignore"):  # an overflow shows in the logits
        before, inside = bias_ih + bias_hh, np.zeros_like(bias_hh)
        if cell == "gru":  # the reset gate multiplies the candidate's recurrent bias
            before[2 * hidden :] = bias_ih[2 * hidden :]
            inside[2 * hidden :] = bias_hh[2 * hidden :]
        return Layer(
            planes(weight_ih, padded(weight_ih.shape[1])),
            planes(weight_hh, padded(hidden)),
            planes(before[:, None], 1),
            planes(inside[:, None], 1)[-1],
        )


GATE_ORDERS: Final[dict[str, tuple[list[int], tuple[float, ...]]]] = {
    "rnn": ([0], (1.0,)),
    "gru": ([0, 1, 2], (0.5, 0.5, 1.0)),
    "lstm": ([0, 1, 3, 2], (0.5, 0.5, 0.5, 1.0)),
}
"""For each cell, the order of its gates here, as indices into torch.nn's (h), (r, z, n),
(i, f, g, o), and their scales: a half for a sigmoid."""
assert {cell: len(order) for cell, (order, _) in GATE_ORDERS.items()} == GATES
