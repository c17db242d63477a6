"""The search, over networks whose probabilities are written by hand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from charrnn.array_types import Int64Array
from charrnn.tasks.transduce.beam import Hypothesis, Sources, search

Rule = Callable[[int, tuple[int, ...]], list[float]]
"""The probabilities (K) at a source position, after inputs of the decoder."""


class ByRule:
    """A decoder of a rule, which remembers how many hypotheses there were in each round."""

    def __init__(self, sources: Sources, rule: Rule) -> None:
        self._sources, self._rule = sources, rule
        self._read: list[tuple[int, ...]] = [() for _ in sources.lengths]
        self.counts: list[int] = []

    def probabilities(self, places: Int64Array) -> Any:
        self.counts.append(len(places))
        starts = self._sources.starts
        at = places - starts[np.searchsorted(starts, places, side="right") - 1]
        rows = [self._rule(int(i), read) for i, read in zip(at, self._read, strict=True)]
        return np.array(rows, dtype=np.float32)

    def follow(self, parents: Int64Array, writers: Int64Array, inputs: Int64Array) -> None:
        self._read = [self._read[parent] for parent in parents]
        for writer, each in zip(writers, inputs, strict=True):
            self._read[writer] = (*self._read[writer], int(each))


def make_sources(*lengths: int, copies: int = -1, own: int = -1) -> Sources:
    total = sum(lengths)
    return Sources(
        np.cumsum(lengths) - np.array(lengths),
        np.array(lengths),
        np.full(total, copies),
        np.full(total, own),
    )


def find(rule: Rule, *lengths: int, **how: Any) -> list[list[Hypothesis]]:
    settings: dict[str, Any] = {"beam": 4, "n": 1, "margin": None} | how
    sources = make_sources(*lengths)
    return search(ByRule(sources, rule), sources, **settings)


def test_alignments_of_the_same_target_are_added_up() -> None:
    """Symbol 0 may be written at either of two positions, symbol 1 only at the first: no alignment
    of 0 is as probable as that of 1, all together are more probable."""

    def rule(i: int, read: tuple[int, ...]) -> list[float]:
        if read:
            return [1, 0, 0, 0]
        return [0.4, 0, 0.2, 0.4] if i == 0 else [0, 0, 1, 0]

    (found,) = find(rule, 2, n=2)
    assert [each.symbols for each in found] == [(0,), (1,)]
    assert math.exp(found[0].log_probability) == pytest.approx(0.6)
    assert math.exp(found[1].log_probability) == pytest.approx(0.4)
    assert found[0].positions == (1,)  # where the more probable alignment writes it


def test_a_beam_of_one_follows_the_best_step() -> None:
    def rule(i: int, read: tuple[int, ...]) -> list[float]:
        if read:
            return [0.5 if read == (1,) else 1, 0, 0, 0.5 if read == (1,) else 0]
        return [0, 0, 0.6, 0.4]

    assert [each.symbols for each in find(rule, 1, beam=1)[0]] == [(0,)]
    sure = find(lambda i, read: [0.1, 0, 0.9, 0] if len(read) <= i else [0.9, 0, 0.1, 0], 3, beam=1)
    assert sure[0][0].symbols == (0, 0, 0)


def test_a_larger_beam_finds_what_begins_badly() -> None:
    def rule(i: int, read: tuple[int, ...]) -> list[float]:
        if not read:
            return [0, 0, 0.6, 0.4]
        if read == (1,) and i == 0:  # after symbol 0, everything is equally probable
            return [0.25, 0, 0.25, 0.5]
        return [1, 0, 0, 0]

    assert find(rule, 1, beam=1)[0][0].symbols == (0, 1)
    (found,) = find(rule, 1, beam=2)
    assert found[0].symbols == (1,)
    assert math.exp(found[0].log_probability) == pytest.approx(0.4)


def test_improbable_hypotheses_are_given_up_within_the_margin() -> None:
    def rule(i: int, read: tuple[int, ...]) -> list[float]:
        return [0.999, 0, 0.001, 0] if len(read) > i else [0.0005, 0, 0.999, 0.0005]

    counts = {}
    for margin in (None, 5.0):
        sources = make_sources(4)
        decoder = ByRule(sources, rule)
        (found,) = search(decoder, sources, beam=4, n=1, margin=margin)
        assert found[0].symbols == (0, 0, 0, 0)
        counts[margin] = sum(decoder.counts)
    assert counts[5.0] == 8
    assert counts[None] > 16


def test_a_source_that_is_done_is_not_searched_any_longer() -> None:
    """The short source is sure after two rounds."""

    def rule(i: int, read: tuple[int, ...]) -> list[float]:
        return [0.9, 0, 0.1, 0] if len(read) > i else [0.1, 0, 0.9, 0]

    sources = make_sources(1, 9)
    decoder = ByRule(sources, rule)
    found = search(decoder, sources, beam=1, n=1, margin=None)
    assert [each[0].symbols for each in found] == [(0,), (0,) * 9]
    assert decoder.counts == [2, 2] + [1] * 16


def test_copies_write_equal_symbols_or_the_character_itself() -> None:
    def rule(i: int, read: tuple[int, ...]) -> list[float]:
        return [1, 0, 0, 0] if read else [0, 0.75, 0.125, 0.125]

    sources = make_sources(1, copies=1)
    (found,) = search(ByRule(sources, rule), sources, beam=4, n=3, margin=None)
    assert [each.symbols for each in found] == [(1,), (0,)]
    assert [each.copied for each in found] == [(True,), (False,)]
    assert math.exp(found[0].log_probability) == pytest.approx(0.875)
    sources = make_sources(1, own=7)
    (found,) = search(ByRule(sources, rule), sources, beam=4, n=3, margin=None)
    assert {each.symbols for each in found} == {(-1,), (0,), (1,)}
    assert found[0].symbols == (-1,)
    sources = make_sources(1)  # neither: a feature, or an end
    (found,) = search(ByRule(sources, rule), sources, beam=4, n=3, margin=None)
    assert {each.symbols for each in found} == {(0,), (1,)}


def test_a_network_that_only_writes_is_stopped() -> None:
    """Also where its probability of advancing is 0."""
    (found,) = find(lambda i, read: [0, 0, 1, 0], 2, beam=2, margin=7.0)
    assert found[0].symbols == (0,) * 26
    assert found[0].log_probability == pytest.approx(2 * math.log(1e-30), rel=1e-6)


def test_long_improbable_targets_do_not_underflow() -> None:
    rule = lambda i, read: [0.02, 0, 0.01, 0.01]  # noqa: E731
    (found,) = find(rule, 1000, beam=1)
    assert found[0].log_probability == pytest.approx(1000 * math.log(0.02), rel=1e-6)


def test_numbers_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(FloatingPointError):
        find(lambda i, read: [math.nan, 0, 1, 0], 2)


def test_an_improbable_output_is_added_to_another_hypothesis() -> None:
    """From the second position, writing symbol 0 is less probable than three other symbols, more
    than the beam has room for; but symbol 0 has also been written at the first."""

    def rule(i: int, read: tuple[int, ...]) -> list[float]:
        if i == 0 and not read:
            return [0.5, 0, 0.5, 0, 0, 0]
        return [1, 0, 0, 0, 0, 0] if read else [0, 0, 0.1, 0.3, 0.3, 0.3]

    (found,) = find(rule, 2, beam=2)
    assert found[0].symbols == (0,)
    assert math.exp(found[0].log_probability) == pytest.approx(0.55)


def test_an_improbable_end_is_kept() -> None:
    """After symbol 0, ending is less probable than several symbols, but these lead nowhere."""

    def rule(i: int, read: tuple[int, ...]) -> list[float]:
        if len(read) == 1:
            return [0.2, 0, 0.24, 0.3, 0.26]
        return [0.001, 0, 0.999, 0, 0]

    (found,) = find(rule, 1, beam=1)
    assert found[0].symbols == (0,)
    assert math.exp(found[0].log_probability) == pytest.approx(0.999 * 0.2)
