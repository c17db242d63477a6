"""The weights of a layer as the engines on the CPU compute with them.

Sigmoids are computed as sigmoid(x) = (1 + tanh(x / 2)) / 2, the halving folded into the weights, so
that a step's gates take one tanh and nothing can overflow. Gates lie one after another in memory.

Legend: I inputs, H hidden, G gates.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from charrnn.engines.deterministic_matmul import padded
from charrnn.engines.engine import Array
from charrnn.model.config import GATES


class Layer(NamedTuple):
    """A layer's weights, transposed for row vectors, gates in the order of `_GATES`, those of
    sigmoids halved. I and H are padded with zeros."""

    weight_ih: Array  # (G, I, H)
    weight_hh: Array  # (G, H, H)
    bias: Array  # (G, 1, H): all biases but the inner one
    inner_bias: Array  # (1, H): of the GRU's candidate, inside the reset gate


def prepared_layer(cell: str, tensors: Mapping[str, Array], suffix: str) -> Layer:
    """Prepares the layer whose weights are named `rnn.weight_ih` and so on, with a suffix
    (`_l0`)."""
    order, scales = _GATES[cell]
    scale = np.array(scales, dtype=np.float32)[:, None]
    weight_ih, weight_hh, bias_ih, bias_hh = (
        tensors[f"rnn.{name}{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    gates, hidden = len(order), weight_hh.shape[1]

    def planes(array: Array, rows: int) -> Array:
        """Returns weights (G H, I) as (G, I, H), gates reordered and scaled, sizes padded."""
        filled = np.zeros((gates, rows, padded(hidden)), dtype=np.float32)
        split = array.reshape(gates, hidden, -1)[order]
        filled[:, : split.shape[2], :hidden] = split.swapaxes(1, 2) * scale[..., None]
        return filled

    with np.errstate(all="ignore"):  # the logits show it
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


_GATES: Final[dict[str, tuple[list[int], tuple[float, ...]]]] = {
    "rnn": ([0], (1.0,)),
    "gru": ([0, 1, 2], (0.5, 0.5, 1.0)),
    "lstm": ([0, 1, 3, 2], (0.5, 0.5, 0.5, 1.0)),
}
"""The gates in the order they are kept here, as places in torch.nn's (h), (r, z, n), (i, f, g, o);
and by what each is scaled: half for a sigmoid."""
assert {cell: len(order) for cell, (order, _) in _GATES.items()} == GATES
