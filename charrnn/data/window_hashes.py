"""64-bit hashes of each window of a text, to compare passages without keeping them.

Legend: N ids, W windows.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

_MULTIPLIER: Final = np.uint64(0xD6E8FEB86659FD93)
_HALF: Final = np.uint64(32)


def rolling_hashes(ids: npt.NDArray[np.int64], length: int) -> Hashes:
    """Return the hash of each window of `length` ids (N,): a polynomial modulo 2^64, from its
    running sums."""
    factors = np.full(len(ids), _MULTIPLIER)
    factors[0] = 1
    sums = np.zeros(len(ids) + 1, np.uint64)
    np.cumsum((ids + 2).astype(np.uint64) * np.cumprod(factors), out=sums[1:])
    windows = sums[length:] - sums[:-length]
    factors[1:] = pow(int(_MULTIPLIER), -1, 1 << 64)
    return mix_hashes(windows * np.cumprod(factors)[: len(windows)])


def mix_hashes(hashes: Hashes, *others: Hashes) -> Hashes:
    """Mix 64-bit numbers, all (H,), into one hash each. Where a single one of the numbers differs,
    so does the hash."""
    hashes = hashes.copy()
    for other in others:
        hashes ^= other
        hashes *= _MULTIPLIER
        hashes ^= hashes >> _HALF
    return hashes
