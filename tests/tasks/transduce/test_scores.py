from itertools import pairwise

import pytest

from charrnn.tasks.transduce.scores import MOST_GROUPS, Scored, score


def scored(source: str, translated: str, *correct: str) -> Scored:
    return Scored(len(source), tuple(translated), tuple(map(tuple, correct)))


def test_rates_count_whole_translations_and_symbols() -> None:
    rates = score([scored("ab", "AB", "AB"), scored("abcd", "AXC", "ABCD")]).rates
    assert (rates.sources, rates.wrong, rates.errors, rates.symbols) == (2, 1, 2, 6)
    assert rates.word_error_rate == 1 / 2
    assert rates.symbol_error_rate == pytest.approx(2 / 6)


def test_any_correct_translation_counts_and_the_nearest_gives_the_distance() -> None:
    """A source in several rows counted as wrong for all of them but one."""
    assert score([scored("a", "XY", "AB", "XY")]).rates.wrong == 0
    rates = score([scored("a", "XZ", "AB", "XY", "ABCD")]).rates
    assert (rates.wrong, rates.errors, rates.symbols) == (1, 1, 2)


def test_confusions_are_aligned_and_the_most_frequent_first() -> None:
    pairs = [scored("a", "xbc", "abc"), scored("a", "xx", "ax"), scored("a", "ab", "abc")]
    confusions = score([*pairs, scored("a", "aab", "ab")]).confusions
    assert confusions[0] == ("a", "x", 2)
    assert set(confusions[1:]) == {("c", None, 1), (None, "a", 1)}


def test_groups_of_lengths_hold_every_source_once_and_no_length_twice() -> None:
    translations = [scored("a" * (n % 17), "x", "x" if n % 3 else "y") for n in range(200)]
    scores = score(translations)
    groups = scores.by_length
    assert 1 < len(groups) <= MOST_GROUPS
    assert sum(group.rates.sources for group in groups) == 200
    assert sum(group.rates.wrong for group in groups) == scores.rates.wrong
    assert all(one.most < other.least for one, other in pairwise(groups))


def test_nothing_translated_is_no_error_and_no_division_by_zero() -> None:
    scores = score([])
    assert scores.rates.word_error_rate == scores.rates.symbol_error_rate == 0
    assert not scores.by_length and not scores.confusions
