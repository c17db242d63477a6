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
import numpy.typing as npt

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
    a, w, forward = _forward(advance, write, sources, targets)
    inside = _inside(length, width, sources, targets)
    backward = np.full((length + 2, width + 2, lanes), -np.inf)
    lane = np.arange(lanes)
    backward[sources + 1, targets + 1, lane] = 0  # past the last position
    for rows, columns in reversed(_diagonals(length, width)):
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


def symbol_nats(
    advance: Float64Array, write: Float64Array, sources: Int64Array, targets: Int64Array
) -> Float64Array:
    """Return what each symbol of each target costs, given the source and the symbols before it, and
    in the place after the last one what it costs that the target ends there: (U + 1, B) nats; 0
    after that. Their sum is `Posterior.nats`. See `align` for the arguments.

    A symbol is written at one position, so the probability that a target begins with some symbols
    is the sum over the positions at which the last of them may be written.
    """
    _, w, forward = _forward(advance, write, sources, targets)
    begins = np.logaddexp.reduce(forward[1:, 1:] + w[1:, 1:], axis=0)  # (U + 1, B)
    lane = np.arange(len(sources))
    last = sources - 1, targets, lane
    begins[targets, lane] = forward[1:, 1:][last] + advance[last]
    after = np.arange(len(begins))[:, None] > targets
    begins[after] = np.broadcast_to(begins[targets, lane], begins.shape)[after]
    found: Float64Array = -np.diff(begins, axis=0, prepend=0)
    return found


def _forward(
    advance: Float64Array, write: Float64Array, sources: Int64Array, targets: Int64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the arguments, and the logarithm of the probability of coming to each node.

    They have one row and column more than there are nodes, the first: what comes from there has no
    probability, and neither has what lies outside the lattice of a pair.
    """
    length, width, lanes = advance.shape
    inside = _inside(length, width, sources, targets)
    writes = inside & (np.arange(width)[None, :, None] < targets)
    a, w = (np.full((length + 1, width + 1, lanes), -np.inf) for _ in range(2))
    a[1:, 1:][inside] = advance[inside]
    w[1:, 1:][writes] = write[writes]
    forward = np.full_like(a, -np.inf)
    forward[1, 1] = 0
    for rows, columns in _diagonals(length, width)[1:]:
        forward[rows, columns] = np.logaddexp(
            forward[rows - 1, columns] + a[rows - 1, columns],
            forward[rows, columns - 1] + w[rows, columns - 1],
        )
    return a, w, forward


def _inside(
    length: int, width: int, sources: Int64Array, targets: Int64Array
) -> npt.NDArray[np.bool_]:
    """Return which nodes (S, U + 1, B) lie in the lattices of the pairs."""
    i, j = np.arange(length)[:, None, None], np.arange(width)[None, :, None]
    return (i < sources) & (j <= targets)


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
