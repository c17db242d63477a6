"""CompiledLanes: the base class of Lanes whose steps run in C, and aligned memory for their arrays.

Legend: B lanes, T time, V vocabulary, H hidden, D of a key.
"""

import ctypes
import math
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.engines.array_lanes import ArrayLanes
from charrnn.engines.engine import Array, State, check_ids

_LINE: Final = 64
"""The bytes of a cache line, and of the longest vector."""


class CModel(ctypes.Structure):
    """The structure Model of step.c and of int8.c."""

    _fields_ = [
        ("processor", ctypes.c_size_t),
        ("cell", ctypes.c_size_t),
        ("symbols", ctypes.c_size_t),
        ("hidden_size", ctypes.c_size_t),
        ("layer_count", ctypes.c_size_t),
        ("layers", ctypes.c_void_p),
    ]


class CompiledEngine(Protocol):
    """What the lanes need to know of their engine."""

    @property
    def symbols(self) -> int:
        """The number of ids that may be read."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """V."""
        ...


class _Attention(Protocol):
    """The structure of attention in C."""

    start: int


class CompiledLanes(ArrayLanes):
    """Lanes whose steps run in C. A subclass makes the attributes below, and has `_read`."""

    _engine: CompiledEngine
    _ids: npt.NDArray[np.int64]  # (B,), that C reads
    _logits: Array  # (B, V), that C writes
    _pointer: Any  # to the lanes in C
    _step: Callable[[Any], int]  # reads a character in each lane
    # With attention:
    _attention: _Attention
    _attention_pointer: Any
    _attend_in_c: Callable[[Any, Any, int, int], None]
    _tops: tuple[int, int]  # the addresses of h of the top layer and of its projections

    def _read(self, ids: npt.NDArray[Any], *, scored: bool) -> Iterator[tuple[Array, Array]]:
        """Read ids (B, T) in chunks. Yields the scores (t, B, V or 3 D) and the states of the top
        layer (t, B, H) of each chunk. The scores are empty unless `scored`, and the states need
        only be there with attention. The next chunk overwrites both."""
        raise NotImplementedError

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        """Read one id in each lane (B,). Returns the logits (B, V)."""
        self._ids[:] = ids
        if self._step(self._pointer):
            check_ids(self._ids, self._engine.symbols)
        if self._memory is not None:
            self._attend(*self._tops)
        return self._logits

    def advance(self, ids: npt.NDArray[Any], state: State | None) -> tuple[Array, State]:
        """Read ids (B, T) after a state of all lanes; see Engine.advance."""
        self._put(slice(None), state)
        logits = np.empty((*ids.T.shape, self._engine.vocabulary_size), dtype=np.float32)
        done = 0
        for scores, tops in self._read(ids, scored=True):
            steps = logits[done : done + len(scores)]
            done += len(scores)
            if self._memory is None:
                steps[:] = scores[..., : logits.shape[2]]
                continue
            for t, each in enumerate(steps):
                self._attend(tops[t].ctypes.data, scores[t].ctypes.data)
                each[:] = self._logits
        return logits.swapaxes(0, 1), self._get(slice(None))

    def read(self, ids: npt.NDArray[Any], state: State | None) -> State:
        """Read ids (B, T) after a state of all lanes; see Engine.read."""
        self._put(slice(None), state)
        for scores, _ in self._read(ids, scored=self._memory is not None):
            for projected in scores:  # of attention
                assert self._memory is not None
                self._memory.remember_projected(projected)
        return self._get(slice(None))

    def _attend(self, h: int, projected: int) -> None:
        """Write the logits of states (B, H) and their projections (B, 3 D), given by address."""
        assert self._memory is not None
        self._attention.start = self._memory.start
        self._attend_in_c(self._pointer, self._attention_pointer, h, projected)
        self._memory.slide()


def aligned(shape: tuple[int, ...], number: type[np.generic] = np.float32) -> npt.NDArray[Any]:
    """Return zeros that begin at a cache line."""
    kind = np.dtype(number)
    count = math.prod(shape)
    memory = np.zeros(count + _LINE // kind.itemsize, dtype=kind)
    offset = -memory.ctypes.data % _LINE // kind.itemsize
    return memory[offset : offset + count].reshape(shape)
