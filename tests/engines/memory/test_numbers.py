"""The functions of the memory are as exact as their docstrings say."""

import numpy as np

from charrnn.engines.memory.numbers import logarithm, logistic, sum_of
from charrnn.engines.memory.tables import stretched


def test_logarithm_is_nearly_exact() -> None:
    x = np.exp(np.linspace(-80, 80, 10_001)).astype(np.float32)
    expected = np.log(x.astype(np.float64))
    np.testing.assert_allclose(logarithm(x), expected, rtol=3e-7, atol=1e-6)


def test_logistic_undoes_log_odds() -> None:
    p = (np.arange(4096) + 0.5) / 4096
    np.testing.assert_allclose(logistic(stretched()), p, rtol=2e-6)


def test_sums_are_of_all_numbers() -> None:
    x = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    np.testing.assert_allclose(sum_of(x), x.sum(axis=1, dtype=np.float64), atol=1e-6)
