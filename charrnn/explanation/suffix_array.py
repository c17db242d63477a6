"""Suffix arrays: the order of all suffixes of a text.

pydivsufsort's is used where it is installed, NumPy's otherwise: both give the same array.

Legend: M ids, P ids of a key.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Int64Array
from charrnn.data.tokenizer import Ids


def suffix_array(ids: Ids) -> npt.NDArray[Any]:
    """Return where the suffixes of ids (M,) begin, in lexicographic order: integers (M,)."""
    if len(ids) and find_spec("pydivsufsort") is not None:
        found: npt.NDArray[Any] = import_module("pydivsufsort").divsufsort(
            np.require(ids, requirements=["C", "W"])
        )
        return found
    return numpy_suffix_array(ids)


def numpy_suffix_array(ids: Ids) -> Int64Array:
    """Return the suffix array by prefix doubling (Manber and Myers, 1993), in NumPy.

    Suffixes are sorted by their first P ids, as many as fit into 63 bits; then, as often as any are
    equal, by twice as many as before. Only those that are still equal are sorted again (Larsson and
    Sadakane, 2007).
    """
    count = len(ids)
    if count == 0:
        return np.zeros(0, np.int64)
    keys, length = _packed(ids)
    order = np.argsort(keys, kind="stable")
    slots = np.arange(count)
    rank = np.empty(count, np.int64)  # of each suffix, the first slot of those that it equals
    ordered = keys[order]
    del keys
    while True:
        is_new = np.append(True, ordered[1:] != ordered[:-1])
        begins = np.flatnonzero(is_new)
        rank[order[slots]] = np.repeat(slots[begins], np.diff(begins, append=len(slots)))
        equal = ~(is_new & np.append(is_new[1:], True))  # those that are not alone
        slots = slots[equal]
        if not len(slots):
            return order
        suffixes = order[slots]
        later = suffixes + length
        after = np.where(later < count, rank[np.minimum(later, count - 1)] + 1, 0)
        keys = (rank[suffixes] << 32) + after
        again = np.argsort(keys, kind="stable")
        order[slots] = suffixes[again]
        ordered = keys[again]
        length *= 2


def _packed(ids: Ids) -> tuple[Int64Array, int]:
    """Return the first P ids of each suffix as one number (M,), and P; past the end are zeros."""
    bits = (int(ids.max()) + 1).bit_length()
    length = 63 // bits
    keys = np.zeros(len(ids), np.int64)
    for shift in range(min(length, len(ids))):
        end = len(ids) - shift
        keys[:end] |= (ids[shift:].astype(np.int64) + 1) << (bits * (length - 1 - shift))
    return keys, length
