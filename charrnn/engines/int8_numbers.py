"""The float32 functions of the int8 engine, whose bits are the same everywhere.

They use only additions, subtractions, multiplications, divisions and comparisons, each rounded once
as IEEE 754 says, in one order. So C (native/elementary.h) and NumPy agree to the last bit on any
processor, which np.exp, np.tanh and np.sum do not promise. NaN stays NaN.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.engines.engine import Array

PARTIAL_SUMS: Final = 16
"""The partial sums that `total` adds up side by side, however wide a processor's vectors are."""

STEPS: Final = np.float32(127)
"""The whole number that stands for an activation of 1."""

REST_STEPS: Final = np.float32(254)
"""The steps of a remainder to a whole number."""

_ROUNDING: Final = np.float32(12582912)
"""1.5 times 2^23: adding it rounds to a whole number, ties to even, left in the lowest bits."""

_TANH_LIMIT: Final = np.float32(8)
_TANH_ABOVE: Final = [
    np.float32(x) for x in (1.1595627e-05, 0.002967746, 0.12941751, 0.99999994)
]  # the highest power of x^2 first
_TANH_BELOW: Final = [
    np.float32(x) for x in (2.5099746e-07, 0.00024095412, 0.0238855, 0.4627502, 1.0)
]

_EXP: Final = [
    np.float32(x) for x in (0.0013813372, 0.008369412, 0.041668452, 0.16666515, 0.49999994)
]
_EXP_LIMITS: Final = np.float32(-104), np.float32(89)  # beyond, the result is 0 and infinity
_PER_LN2: Final = np.float32(1.44269504)
_LN2_HIGH: Final = np.float32(0.693359375)
_LN2_LOW: Final = np.float32(-2.12194440e-4)


def tanh(x: Array) -> Array:
    """Return tanh(x) as a ratio of polynomials in x^2, within 9 ulp (5e-7), never beyond 1."""
    x = np.minimum(np.maximum(x, -_TANH_LIMIT), _TANH_LIMIT)
    square = x * x
    return np.asarray(x * _polynomial(square, _TANH_ABOVE) / _polynomial(square, _TANH_BELOW))


def sigmoid(half: Array) -> Array:
    """Return the sigmoid of twice the argument, which the weights have halved."""
    return tanh(half) * np.float32(0.5) + np.float32(0.5)


def exp(x: Array) -> Array:
    """Return exp(x) within 1 ulp, from denormal numbers up to infinity.

    exp(x) = 2^k exp(r), with a polynomial for exp(r) and 2^k in two factors: one has no exponent
    for the ends of the range.
    """
    with np.errstate(over="ignore", under="ignore"):
        x = np.minimum(np.maximum(x, _EXP_LIMITS[0]), _EXP_LIMITS[1])
        shifted = x * _PER_LN2 + _ROUNDING
        k = shifted - _ROUNDING
        r = x - k * _LN2_HIGH - k * _LN2_LOW
        power = np.asarray(_polynomial(r, _EXP) * (r * r) + r + np.float32(1))
        whole = shifted.view(np.int32) - _ROUNDING.view(np.int32)
        half = whole >> 1
        return power * _power_of_two(half) * _power_of_two(whole - half)


def total(x: Array) -> Array:
    """Return the sums over the last axis.

    Term k is added to partial sum k mod 16, and the partial sums in pairs: 0 and 8, 1 and 9, ...,
    then 0 and 4, and so on.
    """
    missing = -x.shape[-1] % PARTIAL_SUMS
    padded = np.concatenate([x, np.zeros((*x.shape[:-1], missing + PARTIAL_SUMS), x.dtype)], -1)
    split = padded.reshape(*x.shape[:-1], -1, PARTIAL_SUMS)
    sums = np.zeros_like(split[..., 0, :])
    for number in range(split.shape[-2]):
        sums += split[..., number, :]
    while sums.shape[-1] > 1:
        middle = sums.shape[-1] // 2
        sums = sums[..., :middle] + sums[..., middle:]
    return sums[..., 0]


def quantized(x: Array) -> Array:
    """Return activations as whole numbers in float32: 127 x, rounded, at most 127 in size."""
    return np.asarray(_steps(x) + _ROUNDING - _ROUNDING)


def remainders(x: Array, whole: Array) -> Array:
    """Return what `quantized` rounded off, in steps of 1 / 254: whole numbers from -127 to 127."""
    return np.asarray((_steps(x) - whole) * REST_STEPS + _ROUNDING - _ROUNDING)


def fold(embedding: Array, weight: Array, bias: Array) -> Array:
    """Return the products (V, N) of embeddings (V, E) with a weight (N, E), plus a bias (N,) or
    (V, N).

    Each sum begins with its bias and adds its products one by one.
    """
    table = np.empty((len(embedding), len(weight)), dtype=np.float32)
    for first in range(0, len(weight), _COLUMNS):
        columns = slice(first, first + _COLUMNS)
        part = np.empty((len(embedding), len(weight[columns])), dtype=np.float32)
        part[:] = bias[..., columns]
        for k in range(embedding.shape[1]):
            part += embedding[:, k, None] * weight[columns, k]
        table[:, columns] = part
    return table


_COLUMNS: Final = 1024
"""The columns that `fold` computes at once, so that they stay in the cache."""


def _steps(x: Array) -> Array:
    return np.asarray(np.minimum(np.maximum(x, np.float32(-1)), np.float32(1)) * STEPS)


def _polynomial(x: Array, coefficients: list[np.float32]) -> Array:
    value: npt.NDArray[np.float32] = np.full_like(x, coefficients[0])
    for each in coefficients[1:]:
        value = value * x + each
    return value


def _power_of_two(exponent: npt.NDArray[np.int32]) -> Array:
    return ((exponent + np.int32(127)) << np.int32(23)).view(np.float32)
