"""Attention in the int8 engine: the equations of `model/attention.py`, a character at a time.

The projections of the states and the head multiply whole numbers. The scores, their softmax, the
weighted sums of values, their product with the output weights and the layer normalization are
float32 in one fixed order. The normalized states may exceed 1, so each is divided by its largest
number before it is rounded.

Legend: B lanes, W window, H hidden, D of a key, padded.
"""

from typing import Final

import numpy as np

from charrnn.engines.attention import EPSILON, AttentionLanes, AttentionWeights
from charrnn.engines.engine import Array
from charrnn.engines.int8_numbers import exp, fold, total
from charrnn.engines.int8_weights import Int8Layer, product_layer

SMALLEST: Final = np.float32(1e-30)
"""The largest number of a normalized state that is not taken for zeros."""


def projection_layer(weights: AttentionWeights) -> Int8Layer:
    """Return the projection of states to query, key and value side by side (3 D), as a layer."""
    return product_layer(weights.projection[: weights.hidden_size].T, weights.bias)


def look_up(memory: AttentionLanes, h: Array, projected: Array) -> Array:
    """Attend from states h (B, H), given their projections (B, 3 D), and remember them.

    Returns the normalized states (B, H) that the head reads.
    """
    weights, hidden, size = memory.weights, memory.weights.hidden_size, memory.keys.shape[2]
    memory.append(projected)
    queries, first, window = projected[:, None, :size], memory.start, weights.window
    scores = weights.biases + total(queries * memory.keys[:, first : first + window])
    each = exp(scores - scores.max(axis=1, keepdims=True))
    shares = each / total(each)[:, None]
    memory.attended[:] = shares
    # a value is one state newer than the key of the same place
    values = memory.values[:, first + 1 : first + 1 + window]
    found = np.add.accumulate(shares[..., None] * values, axis=1)[:, -1]
    memory.slide()
    x = fold(found, weights.output[:, :hidden].T, h)
    count = np.float32(hidden)
    x -= (total(x) / count)[:, None]
    deviation = np.sqrt(total(x * x) / count + EPSILON)[:, None]
    return np.asarray(x / deviation * weights.norm_weight + weights.norm_bias)


def normalized(x: Array) -> tuple[Array, Array]:
    """Return rows (B, H) within 1, and what each was divided by (B, 1)."""
    largest = np.abs(x).max(axis=1, keepdims=True)
    inverse = np.where(largest > SMALLEST, np.float32(1) / largest, np.float32(0))
    inverse = np.where(np.isnan(largest), largest, inverse)
    return np.asarray(x * inverse), largest
