"""The lattice of a transducer: the probability of a target, summed over all of its alignments.

A node (i, j) stands for a source of which position i is read and a target of which j symbols are
written. From it, the transducer advances to (i + 1, j) or writes the next symbol, to (i, j + 1). An
alignment is a path from (0, 0) past the last source position with the whole target written
(Graves, 2012, arXiv:1211.3711). Forward and backward probabilities (Rabiner, 1989) give the sum
over all of them, and how probable each edge is.

It is computed in C where that could be built, else with NumPy.

Legend: S source positions, U target symbols, B batch.
"""

import ctypes
import functools
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from charrnn.array_types import Float64Array, Int64Array
from charrnn.native_library import open_library, switched_off


class Posterior(NamedTuple):
    """The result of `align`.

    Attributes:
        nats: (B,) the negative logarithm of each target's probability.
        advance: (S, U + 1, B) the probability that an alignment, given source and target, advances
            at a node; 0 outside the lattice.
        write: (S, U + 1, B) that it writes the next symbol there.
    """

    nats: Float64Array
    advance: Float64Array
    write: Float64Array


def align(
    advance: Float64Array, write: Float64Array, sources: Int64Array, targets: Int64Array
) -> Posterior:
    """Sum over all alignments.

    Args:
        advance: (S, U + 1, B) the logarithm of the probability of advancing at each node, finite;
            what lies outside the lattice of a pair is ignored.
        write: (S, U + 1, B) that of writing the next symbol.
        sources: (B,) the number of source positions, each at least 1.
        targets: (B,) the number of target symbols.
    """
    library = None if switched_off() else _library()
    if library is None:
        return align_in_numpy(advance, write, sources, targets)
    length, width, lanes = advance.shape
    advance, write = (np.array(each, dtype=np.float64, order="C") for each in (advance, write))
    lengths = [np.ascontiguousarray(each, dtype=np.int64) for each in (sources, targets)]
    nats = np.empty(lanes)
    arrays = [each.ctypes.data for each in (advance, write, *lengths, nats)]
    if library.charrnn_align(*arrays, length, width, lanes):
        raise MemoryError
    return Posterior(nats, advance, write)


def align_in_numpy(
    advance: Float64Array, write: Float64Array, sources: Int64Array, targets: Int64Array
) -> Posterior:
    """Sum over all alignments; see `align`.

    All nodes with the same i + j, a diagonal, are computed together, for all pairs.
    """
    length, width, lanes = advance.shape
    i, j = np.arange(length)[:, None, None], np.arange(width)[None, :, None]
    inside = (i < sources) & (j <= targets)
    # One row and column more than there are nodes: what comes from there has no probability.
    a, w = (np.full((length + 1, width + 1, lanes), -np.inf) for _ in range(2))
    a[1:, 1:][inside] = advance[inside]
    w[1:, 1:][inside & (j < targets)] = write[inside & (j < targets)]
    forward = np.full_like(a, -np.inf)
    forward[1, 1] = 0
    diagonals = list(_diagonals(length, width))
    for rows, columns in diagonals[1:]:
        forward[rows, columns] = np.logaddexp(
            forward[rows - 1, columns] + a[rows - 1, columns],
            forward[rows, columns - 1] + w[rows, columns - 1],
        )
    backward = np.full((length + 2, width + 2, lanes), -np.inf)
    lane = np.arange(lanes)
    backward[sources + 1, targets + 1, lane] = 0  # past the last position
    for rows, columns in reversed(diagonals):
        ahead = np.logaddexp(
            backward[rows + 1, columns] + a[rows, columns],
            backward[rows, columns + 1] + w[rows, columns],
        )
        kept = inside[rows - 1, columns - 1]
        backward[rows, columns] = np.where(kept, ahead, backward[rows, columns])
    total = backward[1, 1]
    here = forward[1:, 1:] - total
    return Posterior(
        -total,
        np.exp(here + a[1:, 1:] + backward[2:, 1:-1]),
        np.exp(here + w[1:, 1:] + backward[1:-1, 2:]),
    )


def _diagonals(length: int, width: int) -> list[tuple[Int64Array, Int64Array]]:
    """Return the rows and columns of the nodes on each diagonal, counted from 1."""
    found = []
    for number in range(length + width - 1):
        rows = np.arange(max(0, number - width + 1), min(length - 1, number) + 1)
        found.append((rows + 1, number - rows + 1))
    return found


_FOLDER: Final = Path(__file__).parent / "native"


@functools.cache
def _library() -> ctypes.CDLL | None:
    pointers, sizes = [ctypes.c_void_p] * 5, [ctypes.c_int64] * 3
    return open_library(
        _FOLDER,
        "lattice",
        structures=(),
        functions=[("charrnn_align", [*pointers, *sizes], ctypes.c_int)],
    )
