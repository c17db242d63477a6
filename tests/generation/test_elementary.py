import hashlib

import numpy as np
import numpy.typing as npt
import pytest

from charrnn.engines import native_choice
from charrnn.generation.elementary import exp, exp_in_numpy, exponents, log, total

Floats = npt.NDArray[np.float64]


def samples() -> Floats:
    """Numbers up to 0 of all sizes, made of whole numbers only, and special ones."""
    random = np.random.default_rng(5)
    drawn = -random.integers(0, 2**40, 40_000).astype(np.float64)
    spread = np.concatenate([drawn / 2.0**shift for shift in (29, 33, 38, 45, 60)])
    special = [0.0, -0.0, -708.0, -708.0000000000001, -5e-324, -1e300, -np.inf, np.nan]
    return np.concatenate([spread, special])


def digest(x: Floats) -> str:
    return hashlib.sha256(x.astype("<f8").tobytes()).hexdigest()[:16]


def test_exp_is_within_one_ulp() -> None:
    x = samples()
    x = x[x >= -708]
    found = exp(x)
    exact = np.exp(x.astype(np.longdouble))
    assert np.max(np.abs(found - exact) / np.spacing(found)) < 1


def test_exp_of_what_is_far_below_zero_is_zero() -> None:
    assert exp([-708.0000000000001, -1e300, -np.inf]).tolist() == [0, 0, 0]
    assert exp(-708.0) > 0
    assert np.isnan(exp(np.nan))


def test_log_is_within_two_ulp() -> None:
    random = np.random.default_rng(5)
    x = np.concatenate([np.exp(random.normal(0, 50, 20_000)), 1 + random.normal(0, 1e-3, 20_000)])
    found = log(x)
    exact = np.log(x.astype(np.longdouble))
    assert np.max(np.abs(found - exact) / np.spacing(np.abs(found))) < 2
    assert log([1.0, 0.0]).tolist() == [0, -np.inf]


@pytest.mark.skipif(not native_choice.available(), reason="int8.c was not built")
def test_exp_has_the_same_bits_in_c() -> None:
    x = samples()[:-1]
    expected = exp_in_numpy(x)
    np.testing.assert_array_equal(native_choice.exp(x).view(np.uint64), expected.view(np.uint64))
    assert (
        native_choice.exp(x[:6].reshape(2, 3).T).tolist() == expected[:6].reshape(2, 3).T.tolist()
    )
    assert np.isnan(native_choice.exp(np.array(np.nan)))


def test_the_bits_are_the_same_on_every_machine() -> None:
    x = samples()[:-1]
    assert digest(exp(x)) == "f5c8eff9cb6e19a3"
    assert digest(log(-x[np.isfinite(x) & (x < 0)])) == "4bc603b1af5120c3"


def test_sums_are_added_up_one_by_one() -> None:
    x = exp(samples()[:3000]).reshape(3, 1000)
    for row, found in zip(x.tolist(), total(x)[:, 0].tolist(), strict=True):
        expected = 0.0
        for each in row:
            expected += each
        assert found == expected


def test_exponents_are_those_of_the_distance_to_the_largest() -> None:
    logits = np.array([[1.0, 3.0, -np.inf], [-5.0, -5.0, -6.0]], dtype=np.float32)
    expected = [exp([-2.0, 0.0, -np.inf]), exp([0.0, 0.0, -1.0])]
    np.testing.assert_array_equal(exponents(logits), expected)
