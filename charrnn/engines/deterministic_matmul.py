"""Matrix products with the same bits for any number of rows and of BLAS threads.

Legend: B lanes, H hidden, N columns.
"""

from typing import Final

import numpy as np

from charrnn.engines.engine import Array

_ALIGNMENT: Final = 16
"""The multiple to which sizes are padded with zeros: BLAS rounds odd remainders differently."""

_LONGEST_SUM: Final = 256
"""The longest sum that BLAS computes: it would split longer ones at places of its own choice."""

_WIDTH: Final = 256
"""The columns of each part of a wide product."""

_LARGEST_WEIGHT: Final = 256 * 256
"""The most numbers of a weight in one product with ROWS rows: OpenBLAS divides larger ones among
its threads, at places that depend on their number, where it rounds the columns differently."""

ROWS: Final = 4
"""The rows of every product: BLAS has different code, with different rounding, for each number of
rows. With four, a row's result does not depend on its place and on the other rows, also with
AVX2."""


def padded(size: int) -> int:
    """Return a size, rounded up to a multiple of `_ALIGNMENT`."""
    return -size % _ALIGNMENT + size


def whole_rows(lanes: int) -> int:
    """Return the number of lanes, rounded up to a multiple of ROWS, and at least ROWS."""
    return max(-lanes % ROWS + lanes, ROWS)


def product(x: Array, weight: Array, out: Array | None = None, part: Array | None = None) -> Array:
    """Multiply x (B, H) by a weight (..., H, N), each sum in the same order for any B.

    B is a multiple of ROWS, H and N of the alignment. The product is written to `out` (..., B, N),
    if given, and parts of long sums to `part`.
    """
    *gates, _, columns = weight.shape
    if out is None:
        out = np.empty((*gates, len(x), columns), dtype=np.float32)
    if columns < 2 * _WIDTH:
        _add_up(x, weight, out, part)
        return out
    whole = columns - columns % _WIDTH
    if whole < columns:
        whole -= _WIDTH  # compute a narrow rest together with the last whole part
    _add_up(
        x,
        _split(weight[..., :whole]),
        _split(out[..., :whole]),
        None if part is None else _split(part[..., :whole]),
    )
    if whole < columns:
        rest = None if part is None else part[..., whole:]
        _add_up(x, weight[..., whole:], out[..., whole:], rest)
    return out


def multiply(x: Array, weight: Array) -> Array:
    """Multiply x (N, I) by a weight (I, O), as `product` does, for any sizes."""
    count, sums = x.shape
    filled_x = np.zeros((whole_rows(count), padded(sums)), dtype=np.float32)
    filled_x[:count, :sums] = x
    filled = np.zeros((padded(sums), padded(weight.shape[1])), dtype=np.float32)
    filled[:sums, : weight.shape[1]] = weight
    return product(filled_x, filled)[:count, : weight.shape[1]]


def _add_up(x: Array, weight: Array, out: Array, part: Array | None) -> None:
    """Compute `product` for fewer than two widths of columns."""
    rows, longest = x.shape
    columns = out.shape[-1]
    most = _LONGEST_SUM
    if columns > _WIDTH:
        most = _LARGEST_WEIGHT // columns // _ALIGNMENT * _ALIGNMENT
    shape = (*out.shape[:-2], rows // ROWS, ROWS, columns)
    blocks, weight, total = (
        x.reshape(-1, ROWS, longest),
        weight[..., None, :, :],
        out.reshape(shape),
    )
    if longest <= most:
        np.matmul(blocks, weight, out=total)
        return
    scratch = None if part is None else part.reshape(shape)
    np.matmul(blocks[..., :most], weight[..., :most, :], out=total)
    for start in range(most, longest, most):
        piece = slice(start, start + most)
        scratch = np.matmul(blocks[..., piece], weight[..., piece, :], out=scratch)
        total += scratch


def _split(array: Array) -> Array:
    """Return a view (..., N / _WIDTH, R, _WIDTH) of an array (..., R, N)."""
    return array.reshape(*array.shape[:-1], -1, _WIDTH).swapaxes(-2, -3)
