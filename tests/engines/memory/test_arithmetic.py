"""The arithmetic coder: what is encoded is decoded, in as many bits as the probabilities say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.engines.memory.arithmetic import ArithmeticDecoder, ArithmeticEncoder
from charrnn.engines.memory.config import PROBABILITY_BITS

ONE = 1 << PROBABILITY_BITS
Decisions = list[tuple[int, int]]
"""Decisions, each with its probability to be 1."""

PROBABILITIES = st.one_of(
    st.integers(1, ONE - 1), st.sampled_from([1, 2, ONE // 2, ONE - 2, ONE - 1])
)


def encode(decisions: Decisions) -> bytes:
    encoder = ArithmeticEncoder()
    for bit, probability in decisions:
        encoder.encode_bit(bit, probability)
    return encoder.finish()


def decode(code: bytes, decisions: Decisions) -> Decisions:
    decoder = ArithmeticDecoder(code)
    return [(decoder.decode_bit(probability), probability) for _, probability in decisions]


def ideal_bits(decisions: Decisions) -> float:
    return -sum(math.log2((p if bit else ONE - p) / ONE) for bit, p in decisions)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), PROBABILITIES)))
def test_decisions_come_back_in_the_shortest_code(decisions: Decisions) -> None:
    code = encode(decisions)
    assert decode(code, decisions) == decisions
    assert len(code) <= ideal_bits(decisions) / 8 + 1.01


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("probability", [1, ONE - 1])
def test_the_likely_costs_nothing_and_the_unlikely_22_bits(bit: int, probability: int) -> None:
    decisions = [*[(bit, probability)] * 1000, (0, ONE // 2)]  # zeros at the end are left out
    likely = (probability > 1) == bool(bit)
    assert len(encode(decisions)) == pytest.approx(0 if likely else 22 * 1000 / 8, abs=1)
    assert decode(encode(decisions), decisions) == decisions


def drawn_decisions(count: int) -> Decisions:
    """Decisions that come about as often as their probabilities say."""
    random = np.random.default_rng(0)
    probabilities = random.integers(1, ONE, count)
    bits = random.integers(0, ONE, count) < probabilities
    return list(zip(bits.astype(int).tolist(), probabilities.tolist(), strict=True))


def test_the_length_is_that_of_the_probabilities_in_a_long_code() -> None:
    decisions = drawn_decisions(200_000)
    code = encode(decisions)
    assert len(code) == math.ceil(ideal_bits(decisions) / 8)
    assert decode(code, decisions) == decisions


def test_a_code_is_as_long_as_that_of_constriction() -> None:
    constriction = pytest.importorskip("constriction")
    decisions = drawn_decisions(50_000)
    bits = np.array([bit for bit, _ in decisions], dtype=np.int32)
    probabilities = np.array([probability / ONE for _, probability in decisions])
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(bits, constriction.stream.model.Bernoulli(perfect=False), probabilities)
    theirs = 4 * len(encoder.get_compressed())
    assert abs(len(encode(decisions)) - theirs) <= 8  # it writes words of four bytes


def test_a_carry_goes_through_bytes_of_255() -> None:
    encoder = ArithmeticEncoder()
    encoder.low, encoder.range, encoder.code = (1 << 40) - 2, 1 << 33, bytearray([3, 255, 255])
    encoder.encode_bit(0, ONE // 2)
    assert encoder.code[:3] == bytes([4, 0, 0])


@given(st.binary(max_size=40))
def test_any_bytes_are_the_code_of_something(code: bytes) -> None:
    decoder = ArithmeticDecoder(code)
    for probability in (1, ONE // 3, ONE - 1) * 50:
        assert decoder.decode_bit(probability) in (0, 1)
        assert 0 <= decoder.offset < decoder.range
