from collections.abc import Iterable, Iterator
from typing import cast

import pytest

from charrnn.tasks.classify import explanation
from charrnn.tasks.classify.explanation import attribute, pieces_of
from charrnn.tasks.classify.predict import Classifier, Prediction


class CountsOfX:
    """A classifier whose log-odds of `x` are the number of x less that of y in a text; or, of
    numbers, that number itself."""

    def __init__(self, *, numbers: bool = False) -> None:
        self.numbers = numbers

    def predict(self, text: str) -> Prediction:
        from math import exp

        odds = text.count("x") - text.count("y")
        if self.numbers:
            return Prediction(None, {}, float(odds))
        share = 1 / (1 + exp(-odds))
        named = {"x": share, "y": 1 - share}
        label = max(named, key=named.__getitem__)
        return Prediction(label, named, None)

    def stream(self, texts: Iterable[str]) -> Iterator[Prediction]:
        return map(self.predict, texts)


def fake(*, numbers: bool = False) -> Classifier:
    return cast(Classifier, CountsOfX(numbers=numbers))


def test_the_characters_that_made_the_class() -> None:
    found = attribute(fake(), "axxby")
    assert (found.label, found.unit) == ("x", "character")
    assert [each.effect for each in found.pieces] == pytest.approx([0, 1, 1, 0, -1])
    assert [(each.place, each.length) for each in found.pieces] == [(i, 1) for i in range(5)]


def test_effects_are_on_the_class_that_was_predicted() -> None:
    """Also where the text without a piece is of another class."""
    found = attribute(fake(), "yy")
    assert found.label == "y"
    assert [each.effect for each in found.pieces] == pytest.approx([1, 1])


def test_the_characters_that_made_a_number() -> None:
    found = attribute(fake(numbers=True), "axy")
    assert (found.label, found.number) == (None, 0.0)
    assert [each.effect for each in found.pieces] == pytest.approx([0, 1, -1])


def test_without_the_only_character_nothing_is_left() -> None:
    assert [each.effect for each in attribute(fake(), "x").pieces] == [0.0]
    assert [each.effect for each in attribute(fake(), "x\n").pieces] == pytest.approx([0, 0])


def test_long_texts_are_cut_into_words_and_longer_ones_into_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(explanation, "_MOST_PIECES", 4)
    assert pieces_of("abcd")[0] == "character"
    unit, bounds = pieces_of("ab  cd e")
    assert (unit, bounds) == ("word", [(0, 4), (4, 7), (7, 8)])
    text = " one two three four five six"
    unit, bounds = pieces_of(text)
    assert unit == "words"
    assert len(bounds) == 4
    assert "".join(text[begin:end] for begin, end in bounds) == text
