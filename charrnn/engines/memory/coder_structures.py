"""The structures and functions of native/range_coder.h."""

import ctypes
from typing import Any, Final


class CEncoder(ctypes.Structure):
    """The structure Encoder of range_coder.h."""

    _fields_ = [
        ("low", ctypes.c_uint64),
        ("range", ctypes.c_uint64),
        ("code", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("room", ctypes.c_size_t),
    ]
    low: int
    range: int
    code: int
    size: int
    room: int


class CDecoder(ctypes.Structure):
    """The structure Decoder of range_coder.h."""

    _fields_ = [
        ("offset", ctypes.c_uint64),
        ("range", ctypes.c_uint64),
        ("code", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("read", ctypes.c_size_t),
    ]
    offset: int
    range: int
    read: int


class CNetwork(ctypes.Structure):
    """The structure Network of range_coder.h."""

    _fields_ = [
        ("step", ctypes.c_void_p),
        ("lanes", ctypes.c_void_p),
        ("attention", ctypes.c_void_p),
        ("id", ctypes.c_void_p),
        ("logits", ctypes.c_void_p),
    ]


CODER_STRUCTURES: Final = (CEncoder, CDecoder, CNetwork)
"""The structures in the order of memory.c's charrnn_layout."""

_ADDRESS: Final = ctypes.c_void_p
_SIZE: Final = ctypes.c_size_t
CODER_FUNCTIONS: Final[tuple[tuple[str, list[Any], Any], ...]] = (
    ("charrnn_memory_encode", [_ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _SIZE], _SIZE),
    ("charrnn_memory_decode", [_ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _SIZE], _SIZE),
)
