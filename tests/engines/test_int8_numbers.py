import itertools

import numpy as np
import numpy.typing as npt
import pytest

from charrnn.engines import int8_numbers
from charrnn.engines.engine import Array
from tests.engines.int8_models import floats

EXTREMES = np.array(
    [
        *(0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38, -3e38, 8.0, np.nextafter(8, 0)),
        *(-103.97, -103.98, -104.0, 88.72, 88.73, 89.0, 90.0, -87.34, 1e-30, 1e-8, -1e-4),
    ],
    dtype=np.float32,
)


def samples() -> Array:
    """Every 4001st float32, in all exponents and both signs, the extremes, and a dense middle."""
    bits = np.arange(0, 1 << 32, 4001, dtype=np.uint64).astype(np.uint32)
    middle = np.linspace(-105, 90, 500_001).astype(np.float32)
    return np.concatenate([bits.view(np.float32), EXTREMES, middle, middle / 12])


def ulps(found: Array, exact: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The errors, in units of the last place of the exact results."""
    return np.abs(found - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)


def test_tanh_is_within_9_ulp_over_the_whole_range() -> None:
    with np.errstate(all="ignore"):
        x = samples()
        found, exact = int8_numbers.tanh(x), np.tanh(x.astype(np.float64))
    known = ~np.isnan(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found), ~known)
    assert ulps(found[known], exact[known]).max() <= 9
    assert np.abs(found[known]).max() <= 1
    np.testing.assert_array_equal(np.signbit(found[known]), np.signbit(x[known]))


def test_exp_is_within_1_ulp_over_the_whole_range() -> None:
    with np.errstate(all="ignore"):
        x = samples()
        found, exact = int8_numbers.exp(x), np.exp(x.astype(np.float64))
        rounded = exact.astype(np.float32)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    finite = np.isfinite(rounded)
    assert ulps(found[finite], exact[finite]).max() <= 1
    np.testing.assert_array_equal(found[np.isposinf(rounded)], np.inf)
    assert int8_numbers.exp(floats([0, -0.0])).tolist() == [1, 1]
    assert int8_numbers.exp(floats([-np.inf])).tolist() == [0]


def test_the_sigmoid_is_between_0_and_1() -> None:
    with np.errstate(all="ignore"):
        x = np.linspace(-60, 60, 10_001).astype(np.float32)
        found = int8_numbers.sigmoid(x / np.float32(2))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-x.astype(np.float64))), rtol=0, atol=4e-7)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 31, 32, 33, 1000])
def test_sums_are_added_in_the_documented_order(count: int) -> None:
    random = np.random.default_rng(count)
    x = (random.normal(size=(3, count)) * 10.0 ** random.integers(-6, 6, count)).astype(np.float32)
    for row, found in zip(x, int8_numbers.total(x), strict=True):
        partial = [np.float32(0)] * 16
        for k, term in enumerate(row):
            partial[k % 16] += term
        while len(partial) > 1:
            middle = len(partial) // 2
            partial = [a + b for a, b in zip(partial[:middle], partial[middle:], strict=True)]
        assert found == partial[0]


def test_activations_are_rounded_with_ties_to_even_and_saturate() -> None:
    halves = floats([0.5, 1.5, 2.5, -0.5, -1.5, 126.5, 125.5])
    exact = [value for value in halves if np.float32(value / np.float32(127)) * 127 == value]
    assert len(exact) > 3
    found = int8_numbers.quantized(floats(exact) / np.float32(127))
    np.testing.assert_array_equal(found, np.rint(exact))
    large = floats([1, -1, 1.1, -300, np.inf, -np.inf])
    assert int8_numbers.quantized(large).tolist() == [127, -127, 127, -127, 127, -127]
    assert np.isnan(int8_numbers.quantized(floats([np.nan]))).all()


def test_remainders_are_what_rounding_leaves() -> None:
    x = np.linspace(-1.1, 1.1, 100_003, dtype=np.float32)
    whole = int8_numbers.quantized(x)
    rest = int8_numbers.remainders(x, whole)
    np.testing.assert_array_equal(rest, np.rint(rest))
    assert np.abs(rest).max() == 127
    exact = np.clip(x.astype(np.float64), -1, 1) * 127
    assert np.abs(whole + rest / 254 - exact).max() <= 0.51 / 254
    assert np.isnan(int8_numbers.remainders(floats([np.nan]), floats([np.nan]))).all()


def test_the_table_is_added_up_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    sizes = (5, 7), (11, 7), (11,)
    embedding, weight, bias = (random.normal(size=size).astype(np.float32) for size in sizes)
    monkeypatch.setattr(int8_numbers, "_COLUMNS", 4)
    table = int8_numbers.fold(embedding, weight, bias)
    for row, column in itertools.product(range(5), range(11)):
        value = bias[column]
        for k in range(7):
            value += embedding[row, k] * weight[column, k]
        assert table[row, column] == value
