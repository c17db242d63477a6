"""The memory: scores, distributions and decisions agree, in C and in NumPy."""

from dataclasses import fields

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.array_types import Float32Array, Int64Array
from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.engines.memory import CONTEXT, PARTS, Memory, MemoryConfig, available
from charrnn.errors import ConfigError

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
    memory = Memory(size, SMALL, word_ids=(np.arange(size) % 5).astype(np.int32), native=native)
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
@settings(max_examples=15, deadline=None)
@given(
    size=st.integers(1, 80),
    length=st.integers(0, 80),
    learned=st.integers(0, 80),
    seed=st.integers(0, 2**32 - 1),
    left_out=st.frozensets(st.sampled_from(PARTS), max_size=4),
    networks=st.integers(0, 2),
)
def test_c_and_numpy_agree(
    size: int, length: int, learned: int, seed: int, left_out: frozenset[str], networks: int
) -> None:
    ids = text(size, learned + length, seed)
    logits = logits_of(ids, size, seed) * np.float32(5)
    config = MemoryConfig(table_bits=10, history_bits=7, left_out=left_out)
    letters = np.random.default_rng(seed).integers(0, 4, size).astype(np.int32)
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


@BOTH
def test_reading_at_once_or_in_pieces_learns_the_same(native: bool) -> None:
    ids = text(20, 90)
    logits = logits_of(ids, 20)
    whole, pieces = Memory(20, SMALL, native=native), Memory(20, SMALL, native=native)
    whole.learn(ids[:50])
    expected = whole.score(ids[50:], logits[50:])
    for part in np.split(ids[:50], [1, 20]):
        pieces.learn(part)
    found = [pieces.score(ids[a:b], logits[a:b]) for a, b in ((50, 53), (53, 53), (53, 90))]
    np.testing.assert_array_equal(np.concatenate(found), expected)
    assert_same(whole, pieces)


@BOTH
def test_a_copy_is_independent_and_a_distribution_changes_nothing(native: bool) -> None:
    ids = text(20, 90)
    memory = Memory(20, SMALL, native=native)
    memory.score(ids)
    before, other = memory.copy(), memory.copy()
    other.score(ids[:30])
    memory.distribution(ids[:9], logits_of(ids[:1], 20)[0])
    assert_same(memory, before)
    assert memory.copy().score(ids[30:60]).sum() != other.score(ids[30:60]).sum()
    assert_same(memory, before)


@BOTH
def test_decisions_lead_to_the_id_that_is_coded(native: bool) -> None:
    ids = text(70, 60)
    memory, scored = (Memory(70, SMALL, native=native) for _ in range(2))
    nats = scored.score(ids)
    for each, expected in zip(ids.tolist(), nats, strict=True):
        memory.begin()
        product = 1.0
        while memory.undecided:
            one, bit = memory.predict_bit() / 2**22, memory.bit(each)
            assert 0 < one < 1
            product *= one if bit else 1 - one
            memory.update_bit(bit)
        assert memory.end() == each
        assert -np.log(product) == expected
    assert_same(memory, scored)
    assert memory.context.tolist() == ids[-CONTEXT:].tolist()


@BOTH
def test_what_came_before_is_remembered(native: bool) -> None:
    ids = np.random.default_rng(5).integers(0, 40, 60)
    memory = Memory(40, native=native)
    assert memory.score(ids).mean() > 3
    memory.forget_context()
    assert len(memory.context) == 0
    assert memory.score(ids)[5:].mean() < 1
    copied = memory.distribution(ids[:30])
    assert copied.argmax() == ids[30]
    assert memory.distribution(ids[:30], matches=False)[ids[30]] < copied[ids[30]]


@needs_c
def test_a_memory_costs_hardly_anything_where_the_network_knows_all() -> None:
    """The network's logits are the very distribution from which the text was drawn."""
    rng = np.random.default_rng(3)
    rows = rng.dirichlet(np.full(12, 0.5), size=12).astype(np.float32)
    ids = [0]
    for number in rng.random(3000):
        ids.append(min(int(np.searchsorted(rows[ids[-1]].cumsum(), number)), 11))
    logits = np.log(rows + np.float32(1e-6))[ids[:-1]]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    network = -np.log(probabilities[np.arange(3000), ids[1:]])
    memory = Memory(12)
    memory.learn(ids[:1])
    assert memory.score(ids[1:], logits).sum() < network.sum() + 3


@BOTH
def test_a_network_that_is_not_finite_is_left_out(native: bool) -> None:
    memory = Memory(9, SMALL, native=native)
    memory.learn(text(9, 50))
    expected = memory.distribution([1, 2])
    for lost in (np.nan, np.inf, -np.inf):
        logits = np.zeros(9, dtype=np.float32)
        logits[4] = lost
        np.testing.assert_array_equal(memory.distribution([1, 2], logits), expected)
    large = np.array([3e38, -3e38] + [0] * 7, dtype=np.float32)
    assert memory.distribution([1, 2], large).sum() == pytest.approx(1, abs=1e-12)


def test_a_memory_of_a_tokenizer_knows_its_letters() -> None:
    memory = Memory.of(CharTokenizer(["\n", "A", "a", "b"]))
    assert memory.vocabulary_size == 4
    assert memory._word_ids.tolist() == [0, 1, 1, 2]
    assert Memory.of(ByteTokenizer()).vocabulary_size == 256


@BOTH
def test_errors_say_what_is_expected(native: bool) -> None:
    memory = Memory(9, SMALL, native=native)
    for wrong in ([9], [-1], [0.5], [[1]]):
        with pytest.raises(ConfigError, match="ids"):
            memory.learn(wrong)
    with pytest.raises(ConfigError, match="logits of shape"):
        memory.score([1, 2], np.zeros((2, 8), dtype=np.float32))
    with pytest.raises(ConfigError, match="logits of shape"):
        memory.distribution([1, 2], np.zeros(8, dtype=np.float32))
    with pytest.raises(ConfigError, match="vocabulary of 0"):
        Memory(0)
    with pytest.raises(ConfigError, match="left_out"):
        MemoryConfig(left_out=frozenset({"order-9"}))
    with pytest.raises(ConfigError, match="word ids"):
        Memory(9, word_ids=np.zeros(8, dtype=np.int32))
