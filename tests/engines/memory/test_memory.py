"""The memory: scores, distributions and decisions agree, in C and in NumPy."""

import numpy as np
import pytest

from charrnn.engines.memory import Memory, available

BOTH = pytest.mark.parametrize(
    "native", [False, pytest.param(True, marks=pytest.mark.skipif(not available(), reason="no C"))]
)


@BOTH
def test_a_distribution_is_what_is_scored_next(native: bool) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 11, 200)
    logits = rng.normal(size=(200, 11)).astype(np.float32)
    memory = Memory(11, native=native)
    memory.score(ids, logits)
    expected = memory.distribution(memory.context, logits[7])
    assert expected.sum() == pytest.approx(1, abs=1e-12)
    found = [memory.copy().score([each], logits[7:8])[0] for each in range(11)]
    np.testing.assert_allclose(np.exp(-np.array(found)), expected, rtol=1e-12)


@pytest.mark.skipif(not available(), reason="no C")
def test_c_and_numpy_agree() -> None:
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 13, 300)
    logits = rng.normal(size=(300, 13)).astype(np.float32)
    expected = Memory(13, native=False).score(ids, logits)
    np.testing.assert_array_equal(Memory(13, native=True).score(ids, logits), expected)
