"""The structures that the native engine passes to C.

Legend: B lanes, W window, D of a key, F numbers in a vector.
"""

import ctypes
from typing import Final

from charrnn.engines.attention import AttentionLanes
from charrnn.engines.compiled_lanes import CModel, aligned
from charrnn.engines.engine import Array

SUMS: Final = 4
"""The vectors of sums in a panel."""


class CLayer(ctypes.Structure):
    """The structure Layer of step.c."""

    _fields_ = [
        ("panels", ctypes.c_size_t),
        ("start", ctypes.c_void_p),
        ("input", ctypes.c_void_p),
        ("recurrent", ctypes.c_void_p),
    ]
    panels: int
    start: int | None
    input: int | None


class CLanes(ctypes.Structure):
    """The structure Lanes of step.c."""

    _fields_ = [
        ("model", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
        ("state_stride", ctypes.c_size_t),
        ("score_stride", ctypes.c_size_t),
        ("ids", ctypes.c_void_p),
        ("h", ctypes.c_void_p),
        ("c", ctypes.c_void_p),
        ("outputs", ctypes.c_void_p),
        ("scores", ctypes.c_void_p),
        ("helper", ctypes.c_void_p),
    ]


class CAttention(ctypes.Structure):
    """The structure Attention of attention.h."""

    _fields_ = [
        ("window", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
        ("start", ctypes.c_size_t),
        ("found_stride", ctypes.c_size_t),
        ("joined_stride", ctypes.c_size_t),
        ("weight_stride", ctypes.c_size_t),
        ("logit_stride", ctypes.c_size_t),
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("biases", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("found", ctypes.c_void_p),
        ("joined", ctypes.c_void_p),
        ("norm_weight", ctypes.c_void_p),
        ("norm_bias", ctypes.c_void_p),
        ("logits", ctypes.c_void_p),
        ("output", CLayer),
        ("head", CLayer),
    ]
    start: int
    scores: Array
    attended: Array
    kept: tuple[object, ...]

    @classmethod
    def of(cls, memory: AttentionLanes, output: CLayer, head: CLayer, floats: int) -> "CAttention":
        """Return the structure for the lanes of a memory. It keeps the arrays it points to
        alive."""
        weights, (count, _, size) = memory.weights, memory.keys.shape
        units = SUMS * floats
        found = aligned((count, size))
        joined = aligned((count, output.panels * units))
        attended = aligned((count, -weights.window % 4 + weights.window))
        arrays = memory.keys, memory.values, weights.biases, attended, found, joined
        norm = weights.norm_weight, weights.norm_bias
        logits = aligned((count, head.panels * units))
        attention = cls(
            weights.window,
            size,
            0,
            *(each.shape[1] for each in (found, joined, attended, logits)),
            *(each.ctypes.data for each in (*arrays, *norm, logits)),
            output,
            head,
        )
        attention.scores, attention.attended = logits, attended[:, : weights.window]
        attention.kept = (memory, arrays, norm)
        return attention


STRUCTURES: Final = (CLayer, CModel, CLanes, CAttention)
"""The structures in the order of step.c's charrnn_layout."""
