"""The memory in C: its structure, its functions and the arrays behind it."""

import ctypes
import functools
from pathlib import Path
from typing import Any, Final

import numpy as np

from charrnn.array_types import Float32Array
from charrnn.engines.memory import coder_structures
from charrnn.engines.memory.config import CONTEXT, MemoryConfig
from charrnn.native_library import open_library, switched_off


class CMemory(ctypes.Structure):
    """The structure Memory of memory.h."""

    _fields_ = [
        ("vocabulary", ctypes.c_size_t),
        ("decisions", ctypes.c_size_t),
        ("table_bits", ctypes.c_size_t),
        ("prefix", ctypes.c_size_t),
        ("left", ctypes.c_size_t),
        ("has_network", ctypes.c_size_t),
        ("context", ctypes.c_void_p),
        ("counters", ctypes.c_void_p),
        ("shares", ctypes.c_void_p),
    ]
    prefix: int
    left: int


_MEMORY: Final = ctypes.POINTER(CMemory)
_FUNCTIONS: Final[tuple[tuple[str, list[Any], Any], ...]] = (
    ("charrnn_memory_begin", [_MEMORY, ctypes.c_void_p], None),
    ("charrnn_memory_predict_bit", [_MEMORY], ctypes.c_uint32),
    ("charrnn_memory_update_bit", [_MEMORY, ctypes.c_int], None),
    ("charrnn_memory_end", [_MEMORY], ctypes.c_int32),
)


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the library built from memory.c; None where it is not compiled."""
    folder = Path(__file__).parent.parent / "native"
    return open_library(
        folder,
        "memory",
        structures=(*coder_structures.STRUCTURES, CMemory),
        functions=(*_FUNCTIONS, *coder_structures.FUNCTIONS),
    )


def available() -> bool:
    """Return whether the memory can run in C: it is compiled, and CHARRNN_NATIVE is not 0."""
    return not switched_off() and library() is not None


class CompiledMemory:
    """See Memory."""

    def __init__(self, vocabulary_size: int, config: MemoryConfig) -> None:
        opened = library()
        assert opened is not None
        self._library = opened
        self.context = np.full(CONTEXT, -1, dtype=np.int32)
        self.counters = np.full(1 << config.table_bits, 1 << 15, dtype=np.uint16)
        self._shares = np.zeros(vocabulary_size, dtype=np.uint32)
        self.structure = CMemory(
            vocabulary_size,
            (vocabulary_size - 1).bit_length(),
            config.table_bits,
            0,
            0,
            0,
            self.context.ctypes.data,
            self.counters.ctypes.data,
            self._shares.ctypes.data,
        )
        self._pointer = ctypes.byref(self.structure)

    def begin(self, logits: Float32Array | None) -> None:
        """See Memory."""
        given = None if logits is None else np.ascontiguousarray(logits, dtype=np.float32)
        address = None if given is None else given.ctypes.data
        self._library.charrnn_memory_begin(self._pointer, address)

    @property
    def undecided(self) -> bool:
        """See Memory."""
        return self.structure.left > 0

    def predict_bit(self) -> int:
        """See Memory."""
        return int(self._library.charrnn_memory_predict_bit(self._pointer))

    def update_bit(self, bit: int) -> None:
        """See Memory."""
        self._library.charrnn_memory_update_bit(self._pointer, bit)

    def end(self) -> int:
        """See Memory."""
        return int(self._library.charrnn_memory_end(self._pointer))

    def bit(self, number: int) -> int:
        """Return the next decision of an id."""
        return number >> (self.structure.left - 1) & 1
