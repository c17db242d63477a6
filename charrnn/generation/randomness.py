"""The random numbers of a sample: a function of (seed, index, position), and of nothing else.

So a sample is the same whatever is made beside it, before it or after it, and any number can be
had without those before it.
"""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

_INCREMENT = 0x9E3779B97F4A7C15


def key(seed: int, *index: int) -> int:
    """Where the numbers of sample `index` of a seed begin, in 64 bits; or of a part of it."""
    name = ",".join(map(str, (seed, *index)))
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def uniforms(
    keys: npt.NDArray[np.uint64], positions: npt.NDArray[np.uint64]
) -> npt.NDArray[np.float64]:
    """Numbers from [0, 1), one for each of keys and positions, which are broadcast.

    SplitMix64: Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators".
    """
    mixed = keys + (positions + np.uint64(1)) * np.uint64(_INCREMENT)  # modulo 2 ** 64
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    numbers: npt.NDArray[np.float64] = (mixed >> np.uint64(11)) * 2.0**-53
    return numbers
