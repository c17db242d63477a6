"""The filters and the draw in C, which work on the logits of every engine.

They compute the bits of `generation/filters.py`.

Legend: B rows, V vocabulary.
"""

import ctypes
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.engines.engine import Array
from charrnn.engines.int8_structures import CFilters, available, library, processors

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.uint32]

__all__ = ["Filters", "available", "exp"]


@functools.cache
def best_processor() -> int:
    """Return the entry of the fastest kind of processor."""
    return next(iter(processors().values()))


def exp(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return exp(x) as `generation/elementary.py` defines it, in C."""
    opened = library()
    assert opened is not None
    found = np.array(x, order="C")
    opened.charrnn_exp(best_processor(), found.ctypes.data, found.size)
    return found


class Filters:
    """The settings of all filters, and the draw with them. None turns a filter off.

    Args:
        vocabulary_size: V.
        log_min_p: the logarithm of min-p.
        bias: (V,) what is added to the logits.
        processor: an entry of `processors()`; None takes the fastest.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        temperature: float,
        repetition_penalty: float | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        log_min_p: float | None = None,
        typical: float | None = None,
        bias: npt.NDArray[np.float64] | None = None,
        processor: int | None = None,
    ) -> None:
        self._bias = None if bias is None else np.array(bias, dtype=np.float64)
        self.structure = CFilters(
            vocabulary_size,
            min(top_k or 0, vocabulary_size),
            repetition_penalty or 0.0,
            temperature,
            0.0 if top_p is None or top_p >= 1 else top_p,
            1.0 if log_min_p is None else log_min_p,
            0.0 if typical is None or typical >= 1 else typical,
            presence_penalty or 0.0,
            frequency_penalty or 0.0,
            None if self._bias is None else self._bias.ctypes.data,
        )
        self.processor = best_processor() if processor is None else processor
        opened = library()
        assert opened is not None
        self._choose = opened.charrnn_choose

    def choose(
        self,
        logits: Array,
        allowed: Mask | None,
        recent: Mask | None,
        uniform: npt.NDArray[np.float64],
        counts: Counts | None = None,
    ) -> npt.NDArray[np.intp]:
        """Return the ids (B,) that numbers (B,) draw from logits (B, V), given masks and counts,
        each (V,) or (B, V).

        The id is V for a row in which none may come, and V + 1 for one that is not finite.
        """
        logits = _rows(logits, np.float32)
        given = ((allowed, np.bool_), (recent, np.bool_), (counts, np.uint32))
        rows = [None if each is None else _rows(each, kind) for each, kind in given]
        strides = (ctypes.c_size_t * 3)(
            *(0 if row is None or row.ndim == 1 else row.strides[0] // row.itemsize for row in rows)
        )
        numbers = np.ascontiguousarray(uniform, dtype=np.float64)
        ids = np.empty(len(logits), dtype=np.int64)
        failed = self._choose(
            self.processor,
            ctypes.byref(self.structure),
            logits.ctypes.data,
            logits.strides[0] // logits.itemsize,
            len(logits),
            *(None if row is None else row.ctypes.data for row in rows),
            strides,
            numbers.ctypes.data,
            ids.ctypes.data,
        )
        if failed:
            raise MemoryError("no memory for the logits of a character")
        return ids


def _rows(array: npt.NDArray[Any], kind: type[np.generic]) -> npt.NDArray[Any]:
    """Return an array of this type whose rows are contiguous, and at least as long as they are
    wide."""
    array = np.asarray(array, dtype=kind)
    size = array.itemsize
    plain = array.strides[-1] == size and (array.ndim == 1 or array.strides[0] >= size)
    return array if plain else np.ascontiguousarray(array)
