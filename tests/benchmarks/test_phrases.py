"""The grammar of spoken phrases is whole."""

import re

import numpy as np

from benchmarks.phrases import RULES, draw_phrases, vocabulary


def test_every_rule_exists_and_is_used() -> None:
    used = {name for rule in RULES.values() for name in re.findall(r"\{(\w+)\}", rule)}
    assert used | {"phrase"} == RULES.keys()


def test_phrases_differ_and_are_words_of_the_vocabulary() -> None:
    phrases = draw_phrases(2000, np.random.default_rng(0))
    assert len(set(phrases)) == 2000
    words = {word for phrase in phrases for word in phrase.split(" ")}
    assert words <= vocabulary()
    assert len(words) > 400
    assert all(re.fullmatch(r"[a-z]+( [a-z]+)*", phrase) for phrase in phrases)


def test_the_same_seed_draws_the_same_phrases() -> None:
    first, again = (draw_phrases(50, np.random.default_rng(3)) for _ in range(2))
    assert first == again
