"""The float32 functions of the memory, whose bits native/memory_numbers.h has too."""

import numpy as np

from charrnn.array_types import Float32Array
from charrnn.engines.int8_numbers import exp

_ROOT = np.float32(1.41421356)
_LN2 = np.float32(0.6931472)
_SERIES = [np.float32(x) for x in (0.14285715, 0.2, 0.33333334)]


def logarithm(x: Float32Array) -> Float32Array:
    """Return the natural logarithm of normal positive numbers, within 3 ulp of the larger part."""
    bits = np.asarray(x, dtype=np.float32).view(np.uint32)
    exponent = (bits >> np.uint32(23)).astype(np.int32) - 127
    m = ((bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32)
    above = m > _ROOT
    m = np.where(above, m * np.float32(0.5), m)
    exponent = exponent + above
    s = (m - np.float32(1)) / (m + np.float32(1))
    z, twice = s * s, s + s
    p = z * np.float32(0.11111111) + _SERIES[0]
    for each in _SERIES[1:]:
        p = p * z + each
    return np.asarray(p * z * twice + twice + exponent.astype(np.float32) * _LN2)


def logistic(x: Float32Array) -> Float32Array:
    """Return 1 / (1 + exp(-x)) of numbers from -16 to 16."""
    return np.asarray(np.float32(1) / (np.float32(1) + exp(-x)))


def sum_of(x: Float32Array) -> Float32Array:
    """Return the sums of the last axis, whose size is a power of 2: of 16 numbers, those of 0 and
    8, 1 and 9, ..., then 0 and 4, and so on."""
    while x.shape[-1] > 1:
        middle = x.shape[-1] // 2
        x = x[..., :middle] + x[..., middle:]
    return x[..., 0]
