"""Matrix products that are the same to the last bit for any number of rows and of BLAS's threads.

Legend: B lanes, H hidden, N columns.
"""

from typing import Final

import numpy as np

from charrnn.engines.engine import Array

_ALIGNMENT: Final = 16
"""Sizes are padded with zeros to a multiple: BLAS rounds odd remainders in other ways."""

_LONGEST_SUM: Final = 256
"""Longer sums are split here, at fixed places; each BLAS would split them at its own."""

_WIDTH: Final = 256
"""Columns of each part of a wide product."""

_LARGEST_WEIGHT: Final = 256 * 256
"""Numbers of a weight that ROWS rows are multiplied by at once: OpenBLAS divides larger ones among
its threads, at places that depend on their number, and rounds the columns there in other ways."""

ROWS: Final = 4
"""Rows of every product: BLAS has other code for other numbers of rows, which rounds in another
way. With four, each row gives the same wherever it stands and whatever the others are, on
processors with AVX2 too."""


def padded(size: int) -> int:
    """A size, rounded up to a multiple of `_ALIGNMENT`."""
    return -size % _ALIGNMENT + size


def whole_rows(lanes: int) -> int:
    """The rows, a multiple of ROWS, in which that many lanes are computed."""
    return max(-lanes % ROWS + lanes, ROWS)


def product(x: Array, weight: Array, out: Array | None = None, part: Array | None = None) -> Array:
    """Multiplies x (B, H) by a weight (..., H, N), each sum in the same order for any B.

    B is a multiple of ROWS, H and N of the alignment. The product goes to `out` (..., B, N), parts
    of long sums to `part`.
    """
    *gates, _, columns = weight.shape
    if out is None:
        out = np.empty((*gates, len(x), columns), dtype=np.float32)
    if columns < 2 * _WIDTH:
        _add_up(x, weight, out, part)
        return out
    whole = columns - columns % _WIDTH
    if whole < columns:
        whole -= _WIDTH  # a narrow rest is not worth a call of its own
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
    """Multiplies x (N, I) by a weight (I, O): `product` for any sizes."""
    count, sums = x.shape
    filled_x = np.zeros((whole_rows(count), padded(sums)), dtype=np.float32)
    filled_x[:count, :sums] = x
    filled = np.zeros((padded(sums), padded(weight.shape[1])), dtype=np.float32)
    filled[:sums, : weight.shape[1]] = weight
    return product(filled_x, filled)[:count, : weight.shape[1]]


def _add_up(x: Array, weight: Array, out: Array, part: Array | None) -> None:
    """`product` for fewer than two widths of columns."""
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
    """An array (..., R, N) as (..., N / _WIDTH, R, _WIDTH), in its memory."""
    return array.reshape(*array.shape[:-1], -1, _WIDTH).swapaxes(-2, -3)
