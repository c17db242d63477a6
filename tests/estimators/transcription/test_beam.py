from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.array_types import Float64Array, Int64Array
from charrnn.estimators.transcription.beam import BeamConfig, beam_search
from charrnn.estimators.transcription.greedy import greedy
from charrnn.estimators.transcription.language_prior import Reading

EXACT: Any = {"width": 130, "sure": 1.0, "least": 1e-300}


class Bigrams:
    """A language model that knows the last character only: scores (1 + C, C + 1), the end last."""

    def __init__(self, characters: int, seed: int) -> None:
        logits = np.random.default_rng(seed).normal(size=(1 + characters, characters + 1)) * 2
        self.table = logits - np.log(np.exp(logits).sum(1, keepdims=True))

    def begin(self) -> Reading:
        return self._reading(np.zeros(1, np.int64))

    def extend(self, reading: Reading, characters: Int64Array) -> Reading:
        return self._reading(characters + 1)

    def _reading(self, last: Int64Array) -> Reading:
        return Reading(self.table[last, :-1], self.table[last, -1], (last[None, :, None],))

    def nats(self, ids: tuple[int, ...]) -> float:
        """The definition."""
        path = [0, *ids]
        steps = sum(self.table[a, b - 1] for a, b in pairwise(path))
        return float(steps + self.table[path[-1], -1])


def random_log_probabilities(steps: int, ids: int, seed: int) -> Any:
    logits = np.random.default_rng(seed).normal(size=(steps, ids)) * 2
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


def collapsed(path: tuple[int, ...]) -> Iterator[int]:
    before = 0
    for each in path:
        if each not in (0, before):
            yield each
        before = each


def strings_of_all_alignments(scores: Float64Array) -> dict[tuple[int, ...], float]:
    """The log-probability of each string: the sum over every path, one by one."""
    sums: dict[tuple[int, ...], float] = {}
    for path in product(range(scores.shape[1]), repeat=len(scores)):
        nats = float(sum(scores[step, each] for step, each in enumerate(path)))
        ids = tuple(collapsed(path))
        sums[ids] = np.logaddexp(sums.get(ids, -np.inf), nats)
    return sums


sizes = st.tuples(st.integers(1, 4), st.integers(2, 4), st.integers(0, 10**6))


@settings(max_examples=20, deadline=None)
@given(sizes, st.floats(0, 2), st.floats(-1, 2))
def test_a_wide_beam_finds_what_all_alignments_say(
    size: tuple[int, int, int], weight: float, bonus: float
) -> None:
    scores = random_log_probabilities(*size)
    prior = Bigrams(size[1] - 1, size[2])
    expected = strings_of_all_alignments(scores.astype(np.float64))
    (found,) = beam_search([scores], prior, BeamConfig(weight=weight, bonus=bonus, **EXACT))
    assert {each.ids for each in found} == expected.keys()
    for each in found:
        assert each.nats == pytest.approx(expected[each.ids], abs=1e-9)
        assert each.prior == pytest.approx(prior.nats(each.ids), abs=1e-9)

    def total(ids: tuple[int, ...]) -> float:
        return expected[ids] + weight * (prior.nats(ids) + bonus * len(ids))

    assert total(found[0].ids) == pytest.approx(max(map(total, expected)), abs=1e-9)
    ordered = [each.score(weight, bonus) for each in found]
    assert ordered == sorted(ordered, reverse=True)


@settings(max_examples=20, deadline=None)
@given(sizes)
def test_greedy_is_the_most_probable_path(size: tuple[int, int, int]) -> None:
    scores = random_log_probabilities(*size)
    paths = product(range(size[1]), repeat=size[0])
    best = max(paths, key=lambda path: sum(scores[step, each] for step, each in enumerate(path)))
    assert greedy(scores) == list(collapsed(best))


def some(count: int = 40) -> list[Any]:
    lengths = np.random.default_rng(1).integers(1, 30, count)
    return [random_log_probabilities(int(steps), 6, seed) for seed, steps in enumerate(lengths)]


@pytest.mark.parametrize("prior", [None, Bigrams(5, 0)])
def test_a_sequence_has_the_same_hypotheses_in_any_company(prior: Any) -> None:
    config = BeamConfig(width=5, weight=0.7, bonus=0.5)
    together = beam_search(some(), prior, config)
    assert together == [beam_search([each], prior, config)[0] for each in some()]


def test_without_weight_the_language_model_changes_nothing() -> None:
    config = BeamConfig(width=5, weight=0.0, bonus=3.0)
    with_one, without = (beam_search(some(), prior, config) for prior in (Bigrams(5, 0), None))
    for one, other in zip(with_one, without, strict=True):
        assert [each[:2] for each in one] == [each[:2] for each in other]


def test_a_wider_beam_finds_a_better_string() -> None:
    prior = Bigrams(5, 0)
    best = [
        sum(
            found[0].score(0.7, 0.5)
            for found in beam_search(some(), prior, BeamConfig(width=width, weight=0.7, bonus=0.5))
        )
        for width in (1, 2, 4, 16)
    ]
    assert best == sorted(best) and best[0] < best[-1]


def test_steps_that_are_surely_blank_are_left_out_without_a_loss() -> None:
    sharp = [np.log(np.full((1, 6), 2e-4, np.float32)) for _ in range(2)]
    sharp[0][0, 0] = sharp[1][0, 0] = np.log(0.999)
    for each in some():
        longer = np.concatenate([sharp[0], each[:3], sharp[1], each[3:], sharp[0]])
        fast, exact = (
            beam_search([longer], None, BeamConfig(width=50, sure=sure))[0] for sure in (0.99, 1.0)
        )
        assert fast[0].ids == exact[0].ids
        assert fast[0].nats == pytest.approx(exact[0].nats, abs=0.01)


def test_a_surely_blank_step_parts_two_equal_characters() -> None:
    one = np.log(np.array([[0.01, 0.99]], np.float32))
    blank = np.log(np.array([[0.9999, 0.0001]], np.float32))
    config = BeamConfig(width=4)
    doubled, single = (
        beam_search([np.concatenate(each)], None, config)[0][0]
        for each in ((one, blank, one), (one, one))
    )
    assert (doubled.ids, single.ids) == ((1, 1), (1,))


def test_nothing_but_blanks_is_the_empty_string() -> None:
    blank = np.log(np.full((4, 3), 1e-6, np.float32))
    blank[:, 0] = np.log(1 - 2e-6)
    (found,) = beam_search([blank], None, BeamConfig(width=4))
    assert found[0].ids == () and found[0].nats == pytest.approx(0, abs=1e-4)
