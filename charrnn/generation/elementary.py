"""The functions from which probabilities are computed, whose bits are the same everywhere.

They use only additions, subtractions, multiplications, divisions and comparisons of float64, each
rounded once as IEEE 754 says, in one order. np.exp, np.log and np.sum differ between processors and
between versions of NumPy, and a seed would give another text. `engines/native/choice.h` has the
same functions in C.

Legend: V vocabulary.
"""

from math import factorial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.engines import native_choice

Floats = npt.NDArray[np.float64]

_LN2_HIGH: Final = 6.93147180369123816490e-01  # its last bits are zero: a product with k is exact
_LN2_LOW: Final = 1.90821492927058770002e-10
_PER_LN2: Final = 1.4426950408889634
_ROUNDING: Final = 6755399441055744.0
"""1.5 times 2^52: adding it rounds to a whole number, left in the lowest bits."""
_SMALLEST: Final = -708.0
_EXP: Final = [1 / factorial(n) for n in range(13, 1, -1)]
_LOG: Final = [1 / (2 * n + 1) for n in range(10, 0, -1)]
_ROOT: Final = 0.7071067811865476


def exp(x: npt.ArrayLike) -> Floats:
    """Return exp(x) of numbers up to 0, within 1 ulp; 0 below -708."""
    given = np.asarray(x, dtype=np.float64)
    if native_choice.available():
        return native_choice.exp(given)
    return exp_in_numpy(given)


def exp_in_numpy(x: Floats) -> Floats:
    """Compute `exp` without C: 2^k times the Taylor polynomial of the rest."""
    with np.errstate(all="ignore"):  # infinity and NaN go through
        shifted = np.asarray(x * _PER_LN2 + _ROUNDING)
        k = shifted - _ROUNDING
        r = x - k * _LN2_HIGH - k * _LN2_LOW
        power = _polynomial(r, _EXP) * (r * r) + r + 1.0
        exponent = (shifted.view(np.uint64) + np.uint64(1023)) << np.uint64(52)
        return np.where(x < _SMALLEST, 0.0, power * exponent.view(np.float64))


def log(x: npt.ArrayLike) -> Floats:
    """Return log(x) of positive numbers, within 2 ulp; -inf for 0."""
    given = np.asarray(x, dtype=np.float64)
    mantissa, exponent = np.frexp(given)
    small = mantissa < _ROOT
    m = np.where(small, mantissa + mantissa, mantissa)
    e = (exponent - small).astype(np.float64)
    s = (m - 1.0) / (m + 1.0)
    z, twice = s * s, s + s
    whole = twice * (_polynomial(z, _LOG) * z) + e * _LN2_LOW + twice + e * _LN2_HIGH
    return np.where(given == 0, -np.inf, whole)


def total(x: Floats) -> Floats:
    """Return the sums (..., 1) over the last axis, added up one by one."""
    sums: Floats = np.add.accumulate(x, axis=-1)
    return sums[..., -1:]


def exponents(logits: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return exp(x - max) of logits (..., V), which is proportional to the probabilities."""
    wide = logits.astype(np.float64)
    wide -= np.maximum.reduce(wide, axis=-1, keepdims=True)
    return exp(wide)


def _polynomial(x: Floats, coefficients: list[float]) -> Floats:
    value = np.full_like(x, coefficients[0])
    for each in coefficients[1:]:
        value = value * x + each
    return value
