"""The random numbers of a sample, which are a function of (seed, index, position) alone.

So a sample does not depend on other samples, and any number can be computed without those before
it.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

_INCREMENT: Final = 0x9E3779B97F4A7C15
_MODULUS: Final = 1 << 64


def sample_keys(seed: int, indices: Sequence[int]) -> npt.NDArray[np.uint64]:
    """Return the keys (N,) of the random numbers of a seed's samples."""
    digest = blake2b(str(seed).encode(), digest_size=8).digest()
    beginning = np.frombuffer(digest, dtype="<u8")
    return _mixed(beginning, np.array([index % _MODULUS for index in indices], dtype=np.uint64))


def uniforms(
    keys: npt.NDArray[np.uint64], positions: npt.NDArray[np.uint64]
) -> npt.NDArray[np.float64]:
    """Return a random number from [0, 1) for each pair of a key and a position, broadcast."""
    return (_mixed(keys, positions) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(
    keys: npt.NDArray[np.uint64], positions: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """Return the positions' numbers in the keys' sequences, by SplitMix64.

    Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators".
    """
    mixed: npt.NDArray[np.uint64] = keys + (positions + np.uint64(1)) * np.uint64(
        _INCREMENT
    )  # modulo 2 ** 64
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def split(key: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.uint64]:
    """Return `count` keys (N,) derived from one key (1,)."""
    return _mixed(key, np.arange(_SPLIT, _SPLIT + count, dtype=np.uint64))


_SPLIT: Final = 1 << 63
"""Positions from here on give keys for `split`, not random numbers."""
