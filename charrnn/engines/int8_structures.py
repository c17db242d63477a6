"""The C library of the int8 engine: its structures, functions and processors."""

import ctypes
import functools
from pathlib import Path
from typing import Any, Final

import numpy as np

from charrnn.engines.compiled_lanes import CModel
from charrnn.engines.engine import Array
from charrnn.native_library import open_library, switched_off


class CWeights(ctypes.Structure):
    """The structure Weights of int8.c."""

    _fields_ = [
        ("weight", ctypes.c_void_p),
        ("scale", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("rest", ctypes.c_void_p),
        ("rest_start", ctypes.c_void_p),
    ]


class CLayer(ctypes.Structure):
    """The structure Layer of int8.c."""

    _fields_ = [
        ("panels", ctypes.c_size_t),
        ("start", ctypes.c_void_p),
        ("input", CWeights),
        ("recurrent", CWeights),
    ]
    panels: int


class CLanes(ctypes.Structure):
    """The structure Lanes of int8.c."""

    _fields_ = [
        ("model", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
        ("active", ctypes.c_size_t),
        ("state_stride", ctypes.c_size_t),
        ("score_stride", ctypes.c_size_t),
        ("ids", ctypes.c_void_p),
        ("h", ctypes.c_void_p),
        ("c", ctypes.c_void_p),
        ("bytes", ctypes.c_void_p),
        ("lost", ctypes.c_void_p),
        ("scores", ctypes.c_void_p),
    ]


class CAttention(ctypes.Structure):
    """The structure Attention of int8_attention.h."""

    _fields_ = [
        ("window", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
        ("start", ctypes.c_size_t),
        ("weight_stride", ctypes.c_size_t),
        ("logit_stride", ctypes.c_size_t),
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("biases", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("found", ctypes.c_void_p),
        ("output", ctypes.c_void_p),
        ("norm_weight", ctypes.c_void_p),
        ("norm_bias", ctypes.c_void_p),
        ("joined", ctypes.c_void_p),
        ("logits", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("head", CLayer),
    ]
    start: int


class CFilters(ctypes.Structure):
    """The structure Filters of filters.h."""

    _fields_ = [
        ("vocabulary", ctypes.c_size_t),
        ("top_k", ctypes.c_size_t),
        ("penalty", ctypes.c_double),
        ("temperature", ctypes.c_double),
        ("top_p", ctypes.c_double),
        ("log_min_p", ctypes.c_double),
        ("typical", ctypes.c_double),
        ("presence", ctypes.c_double),
        ("frequency", ctypes.c_double),
        ("bias", ctypes.c_void_p),
    ]


class CRules(ctypes.Structure):
    """The structure Rules of int8_write.h."""

    _fields_ = [
        ("filters", ctypes.c_void_p),
        ("allowed", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("min_length", ctypes.c_size_t),
        ("window", ctypes.c_size_t),
        ("longest_stop", ctypes.c_size_t),
        ("stop_count", ctypes.c_size_t),
        ("stops", ctypes.c_void_p),
        ("stop_ends", ctypes.c_void_p),
        ("scored", ctypes.c_size_t),
    ]


class CQueue(ctypes.Structure):
    """The structure Queue of int8_write.h."""

    _fields_ = [
        ("text_keys", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
        ("taken", ctypes.c_size_t),
        ("rules", ctypes.c_void_p),
        ("h", ctypes.c_void_p),
        ("c", ctypes.c_void_p),
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("ids", ctypes.c_void_p),
        ("id_count", ctypes.c_size_t),
    ]
    count: int
    taken: int


class CText(ctypes.Structure):
    """The structure Text of int8_write.h."""

    _fields_ = [
        ("rules", ctypes.c_void_p),
        ("entry", ctypes.c_int64),
        ("key", ctypes.c_uint64),
        ("made", ctypes.c_uint64),
        ("before", ctypes.c_size_t),
    ]


class CWriter(ctypes.Structure):
    """The structure Writer of int8_write.h."""

    _fields_ = [
        ("lanes", ctypes.c_void_p),
        ("attention", ctypes.c_void_p),
        ("texts", ctypes.c_void_p),
        ("next", ctypes.c_void_p),
        ("rings", ctypes.c_void_p),
        ("ring_size", ctypes.c_size_t),
        ("room", ctypes.c_size_t),
        ("interrupted", ctypes.c_size_t),
        ("begun", ctypes.c_void_p),
        ("ids", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        ("scores", ctypes.c_void_p),
        ("masks", ctypes.c_void_p),
        ("counts", ctypes.c_void_p),
        ("memory", ctypes.c_void_p),
    ]
    rings: int
    ring_size: int
    interrupted: int


STRUCTURES: Final = (
    *(CWeights, CLayer, CModel, CLanes, CAttention, CFilters),
    *(CRules, CQueue, CText, CWriter),
)
"""The structures in the order of int8.c's charrnn_layout."""

_SIZE: Final = ctypes.c_size_t
_ADDRESS: Final = ctypes.c_void_p
_FUNCTIONS: Final[tuple[tuple[str, list[Any], Any], ...]] = (
    ("charrnn_int8_processor", [_SIZE], ctypes.c_char_p),
    ("charrnn_int8_offset", [_SIZE], ctypes.c_int),
    ("charrnn_int8_tanh", [_SIZE, _ADDRESS, _SIZE], None),
    ("charrnn_int8_exp", [_SIZE, _ADDRESS, _SIZE], None),
    ("charrnn_int8_total", [_ADDRESS, _SIZE], ctypes.c_float),
    ("charrnn_int8_fold", [_SIZE, _ADDRESS, _ADDRESS, _ADDRESS, _SIZE, _SIZE, _SIZE], None),
    ("charrnn_int8_step", [ctypes.POINTER(CLanes)], ctypes.c_int),
    (
        "charrnn_int8_read",
        [ctypes.POINTER(CLanes), *([_ADDRESS] * 6), _SIZE],
        ctypes.c_int,
    ),
    (
        "charrnn_int8_attend",
        [ctypes.POINTER(CLanes), ctypes.POINTER(CAttention), _ADDRESS, _ADDRESS],
        None,
    ),
    ("charrnn_int8_next", [_ADDRESS, _ADDRESS], ctypes.c_int),
    ("charrnn_exp", [_SIZE, _ADDRESS, _SIZE], None),
    (
        "charrnn_choose",
        [_SIZE, ctypes.POINTER(CFilters), _ADDRESS, _SIZE, _SIZE, *([_ADDRESS] * 6)],
        ctypes.c_int,
    ),
    ("charrnn_int8_write", [ctypes.POINTER(CWriter), _ADDRESS, _SIZE], ctypes.c_int64),
)


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the library built from int8.c; None where it is not compiled."""
    folder = Path(__file__).parent / "native"
    return open_library(folder, "int8", structures=STRUCTURES, functions=_FUNCTIONS)


def available() -> bool:
    """Return whether the int8 engine can run in C: it is compiled, and CHARRNN_NATIVE is not 0."""
    return not switched_off() and library() is not None


def processors() -> dict[str, int]:
    """Return the entries of int8.c's list of processors that this one supports, the best first."""
    opened = library()
    found: dict[str, int] = {}
    entry = 0
    while opened is not None and (name := opened.charrnn_int8_processor(entry)) is not None:
        if name:
            found[name.decode()] = entry
        entry += 1
    return found


def fold(embedding: Array, weight: Array, bias: Array) -> Array:
    """Compute what `int8_numbers.fold` does, in C."""
    opened = library()
    assert opened is not None
    rows, length = embedding.shape
    table = np.repeat(bias[None], rows, axis=0)
    x, transposed = np.ascontiguousarray(embedding), np.ascontiguousarray(weight.T)
    best = next(iter(processors().values()))
    addresses = (each.ctypes.data for each in (table, x, transposed))
    opened.charrnn_int8_fold(best, *addresses, rows, len(weight), length)
    return table
