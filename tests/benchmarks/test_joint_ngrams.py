import itertools
import random

import pytest

from benchmarks.joint_ngrams import EDGE, JointNGrams, KneserNey, Unit, align, arcs

SOUNDS = {"a": ("a",), "b": ("b",), "ch": ("tʃ",), "c": ("k",), "x": ("k", "s"), "h": ()}


def pairs(count: int) -> list[tuple[str, tuple[str, ...]]]:
    """Words of an orderly spelling: c is k, but before h; h is silent; x has two sounds."""
    rng = random.Random(0)
    found = {}
    for _ in range(count):
        letters = [rng.choice(["a", "b", "ch", "c", "x", "ah"]) for _ in range(rng.randrange(1, 6))]
        units = [SOUNDS.get(each, ("a",)) for each in letters]
        found["".join(letters)] = tuple(itertools.chain(*units))
    return sorted(found.items())


def test_units_make_up_their_pair() -> None:
    for source, target in pairs(50):
        (units,) = align([(source, target)])
        assert "".join(unit.source for unit in units) == source
        assert tuple(itertools.chain(*(unit.target for unit in units))) == target


def test_alignment_finds_which_letters_belong_to_which_sounds() -> None:
    found = {unit for units in align(pairs(200)) for unit in units}
    assert {Unit("x", ("k", "s")), Unit("b", ("b",)), Unit("a", ("a",))} <= found
    assert Unit("x", ("k",)) not in found


def test_a_target_that_is_too_long_for_the_units_is_aligned_with_longer_ones() -> None:
    assert align([("q", ("k", "y", "u"))]) == [(Unit("q", ("k", "y", "u")),)]


def test_units_of_several_characters_and_symbols_are_optional() -> None:
    several = Unit("ab", ("a", "b"))
    assert several not in {arc.unit for arc in arcs("ab", ("a", "b"), 2, False)}
    assert several in {arc.unit for arc in arcs("ab", ("a", "b"), 2, True)}


@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_after_any_context_add_up_to_one(order: int) -> None:
    """Discounts of counts of one, two and more must be what shorter n-grams get."""
    sequences = align(pairs(60))
    model = KneserNey(sequences, order)
    vocabulary = {unit for units in sequences for unit in units} | {EDGE}
    unseen = Unit("z", ("z",))
    for context in [(), sequences[0][:1], sequences[5][:3], (unseen,), (sequences[3][0], unseen)]:
        kept = model.context(context)
        total = sum(model.probability((*kept, unit)) for unit in vocabulary)
        assert total == pytest.approx(1)


def test_a_spelling_that_is_regular_is_learned() -> None:
    learned = pairs(300)
    model = JointNGrams(learned, order=3)
    assert all(model.translate(source) == target for source, target in learned)
    assert model.translate("chaxbach") == ("tʃ", "a", "k", "s", "b", "a", "tʃ")


def test_an_unknown_character_is_copied_and_nothing_becomes_nothing() -> None:
    model = JointNGrams(pairs(100), order=3)
    assert model.translate("aża") == ("a", "ż", "a")
    assert model.translate("") == ()
