"""The memory: scores, distributions and decisions agree, in C and in NumPy."""

from dataclasses import fields

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.array_types import Float32Array, Int64Array
from charrnn.engines.memory import Memory, MemoryConfig, available

SMALL = MemoryConfig(table_bits=10, history_bits=7)
"""So small that slots are taken from others, and that the history goes round."""

BOTH = pytest.mark.parametrize(
    "native",
    [False, pytest.param(True, marks=pytest.mark.skipif(not available(), reason="C is off"))],
)
needs_c = pytest.mark.skipif(not available(), reason="C is off")


def text(size: int, length: int, seed: int = 0) -> Int64Array:
    """Ids of a text that repeats passages, some of them with a change."""
    rng = np.random.default_rng(seed)
    passages = [rng.integers(0, size, n) for n in (3, 9, 20, 40)]
    parts: list[npt.NDArray[np.int64]] = [passages[0]]
    while sum(map(len, parts)) < length:
        part = passages[rng.integers(4)].copy()
        part[rng.integers(len(part))] = rng.integers(size)
        parts.append(part)
    return np.concatenate(parts)[:length]


def logits_of(ids: Int64Array, size: int, seed: int = 0) -> Float32Array:
    """Logits of a network that is right now and then."""
    found = np.random.default_rng(seed).normal(size=(len(ids), size)).astype(np.float32)
    found[np.arange(len(ids)), ids] += np.float32(1)
    return found


def assert_same(first: Memory, second: Memory) -> None:
    """Check that two memories have learned the same, to the last bit."""
    tables, others = first._core.tables, second._core.tables
    for each in fields(tables):
        one, other = getattr(tables, each.name), getattr(others, each.name)
        np.testing.assert_array_equal(one.view(np.uint8), other.view(np.uint8), each.name)


@BOTH
@pytest.mark.parametrize("size", [1, 2, 3, 11, 16, 17, 70, 300])
def test_a_distribution_sums_to_1_and_is_what_is_scored_next(native: bool, size: int) -> None:
    memory = Memory(size, SMALL, word_ids=np.arange(size) % 5, native=native)
    ids = text(size, 120)
    logits = logits_of(ids, size)
    memory.learn(ids[:60])
    memory.score(ids[60:], logits[60:])
    for given_logits in (None, logits[7]):
        expected = memory.distribution(memory.context, given_logits)
        assert expected.shape == (size,)
        assert expected.sum() == pytest.approx(1, abs=1e-12)
        rows = None if given_logits is None else given_logits[None]
        tried = range(0, size, max(size // 12, 1))
        found = [memory.copy().score([each], rows)[0] for each in tried]
        np.testing.assert_array_equal(found, -np.log(expected[list(tried)]))


@needs_c
@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 80),
    length=st.integers(0, 120),
    learned=st.integers(0, 120),
    seed=st.integers(0, 2**32 - 1),
    matches=st.booleans(),
    networks=st.integers(0, 2),
)
def test_c_and_numpy_agree(
    size: int, length: int, learned: int, seed: int, matches: bool, networks: int
) -> None:
    ids = text(size, learned + length, seed)
    logits = logits_of(ids, size, seed) * np.float32(5)
    config = MemoryConfig(table_bits=10, history_bits=7, matches=matches)
    letters = np.random.default_rng(seed).integers(0, 4, size)
    both = [Memory(size, config, word_ids=letters, native=native) for native in (False, True)]
    scores, spread = [], []
    for memory in both:
        memory.learn(ids[:learned])
        first = learned + length * networks // 2  # with a network up to here
        with_one = memory.score(ids[learned:first], logits[learned:first])
        scores.append(np.concatenate([with_one, memory.score(ids[first:])]))
        spread += [memory.distribution(ids[-40:], each) for each in (None, logits[:1].sum(0))]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(spread[:2], spread[2:])
    assert_same(*both)
