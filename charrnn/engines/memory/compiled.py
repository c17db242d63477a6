"""The memory in C: its structure, its functions and the arrays behind it."""

import ctypes
import functools
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float32Array, Float64Array
from charrnn.engines.memory.coder_structures import CODER_FUNCTIONS, CODER_STRUCTURES
from charrnn.engines.memory.config import PARTS, MemoryConfig
from charrnn.engines.memory.tables import Tables, place_bits, stretched
from charrnn.native_library import open_library, switched_off

Ids = npt.NDArray[np.int32]


class CMemory(ctypes.Structure):
    """The structure Memory of memory.h."""

    _fields_ = [
        ("vocabulary", ctypes.c_size_t),
        ("decisions", ctypes.c_size_t),
        ("table_bits", ctypes.c_size_t),
        ("history_bits", ctypes.c_size_t),
        ("place_bits", ctypes.c_size_t),
        ("left_out", ctypes.c_size_t),
        ("context", ctypes.c_void_p),
        ("words", ctypes.c_void_p),
        ("stretched", ctypes.c_void_p),
        ("table", ctypes.c_void_p),
        ("maps", ctypes.c_void_p),
        ("history", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
        ("match_maps", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("final_weights", ctypes.c_void_p),
        ("adjustments", ctypes.c_void_p),
        ("trust", ctypes.c_void_p),
        ("totals", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
    ]


_MEMORY: Final = ctypes.POINTER(CMemory)
_ADDRESS: Final = ctypes.c_void_p
_FUNCTIONS: Final[tuple[tuple[str, list[Any], Any], ...]] = (
    ("charrnn_memory_scratch", [], ctypes.c_size_t),
    ("charrnn_memory_prepare", [_MEMORY, _ADDRESS], None),
    ("charrnn_memory_begin", [_MEMORY, _ADDRESS], None),
    ("charrnn_memory_undecided", [_MEMORY], ctypes.c_int),
    ("charrnn_memory_bit", [_MEMORY, ctypes.c_int32], ctypes.c_int),
    ("charrnn_memory_predict_bit", [_MEMORY], ctypes.c_uint32),
    ("charrnn_memory_update_bit", [_MEMORY, ctypes.c_int], None),
    ("charrnn_memory_end", [_MEMORY], ctypes.c_int32),
    ("charrnn_memory_learn", [_MEMORY, _ADDRESS, ctypes.c_size_t], None),
    ("charrnn_memory_score", [_MEMORY, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_size_t], None),
    (
        "charrnn_memory_distribution",
        [_MEMORY, _ADDRESS, _ADDRESS, ctypes.c_int, _ADDRESS, _ADDRESS],
        None,
    ),
)


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the library built from memory.c; None where it is not compiled."""
    folder = Path(__file__).parent.parent / "native"
    return open_library(
        folder,
        "memory",
        structures=(*CODER_STRUCTURES, CMemory),
        functions=(*_FUNCTIONS, *CODER_FUNCTIONS),
    )


def available() -> bool:
    """Return whether the memory can run in C: it is compiled, and CHARRNN_NATIVE is not 0."""
    return not switched_off() and library() is not None


class CompiledMemory:
    """See Memory."""

    def __init__(self, words: Ids, config: MemoryConfig, tables: Tables) -> None:
        opened = library()
        assert opened is not None
        self._library, self.tables = opened, tables
        self._words, self._stretched = words, stretched()
        decisions = (len(words) - 1).bit_length()
        self._tree_size = 2 << decisions
        self._tree = np.zeros(self._tree_size, dtype=np.float32)
        self._scratch = np.zeros(opened.charrnn_memory_scratch() // 8 + 1, dtype=np.float64)
        arrays = (
            *(tables.context, words, self._stretched, tables.table, tables.maps, tables.history),
            *(tables.places, tables.match_maps, tables.weights, tables.final_weights),
            *(tables.adjustments, tables.trust, tables.totals, self._scratch),
        )
        self.structure = CMemory(
            len(words),
            decisions,
            config.table_bits,
            config.history_bits,
            place_bits(config),
            sum(1 << bit for bit, part in enumerate(PARTS) if not config.has(part)),
            *(each.ctypes.data for each in arrays),
        )
        self._pointer = ctypes.byref(self.structure)
        opened.charrnn_memory_prepare(self._pointer, self._tree.ctypes.data)

    def begin(self, logits: Float32Array | None) -> None:
        """See Memory."""
        self._library.charrnn_memory_begin(self._pointer, _address(logits))

    @property
    def undecided(self) -> bool:
        """See Memory."""
        return bool(self._library.charrnn_memory_undecided(self._pointer))

    def bit(self, number: int) -> int:
        """See Memory."""
        return int(self._library.charrnn_memory_bit(self._pointer, number))

    def predict_bit(self) -> int:
        """See Memory."""
        return int(self._library.charrnn_memory_predict_bit(self._pointer))

    def update_bit(self, bit: int) -> None:
        """See Memory."""
        self._library.charrnn_memory_update_bit(self._pointer, bit)

    def end(self) -> int:
        """See Memory."""
        return int(self._library.charrnn_memory_end(self._pointer))

    def learn(self, ids: Ids) -> None:
        """See Memory."""
        self._library.charrnn_memory_learn(self._pointer, ids.ctypes.data, len(ids))

    def score(self, ids: Ids, network: Float32Array | None) -> Float64Array:
        """Return the probabilities (N,) of ids; see Memory."""
        found = np.zeros(len(ids))
        addresses = (ids.ctypes.data, _address(network), found.ctypes.data)
        self._library.charrnn_memory_score(self._pointer, *addresses, len(ids))
        return found

    def distribution(
        self, context: Ids, logits: Float32Array | None, matches: bool
    ) -> Float64Array:
        """See Memory; `context` has CONTEXT ids, after -1 for none."""
        found = np.zeros(len(self._words))
        tree = np.empty(self._tree_size, dtype=np.float32)
        addresses = (tree.ctypes.data, found.ctypes.data)
        self._library.charrnn_memory_distribution(
            self._pointer, context.ctypes.data, _address(logits), matches, *addresses
        )
        return found


def _address(array: Float32Array | None) -> int | None:
    return None if array is None else array.ctypes.data
