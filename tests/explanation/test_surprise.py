import math
from collections.abc import Callable

import numpy as np
import pytest

import charrnn
from charrnn.data.tokenizer import CharTokenizer
from charrnn.engines import best_engine
from charrnn.errors import ModelError
from charrnn.explanation.surprise import describe_surprise, losses_by_kind, measure_surprisals
from charrnn.explanation.texts import ReadText
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model
from tests.explanation.bigrams import Bigrams

# After a comes b with 1/2, a or c with 1/4; after any other, all are alike.
HALF = np.log([[0.25, 0.5, 0.25], [1 / 3] * 3, [1 / 3] * 3])


def test_surprisals_ranks_and_likeliest() -> None:
    text = ReadText.of("abca", CharTokenizer("abc"), beginning=0)
    found = measure_surprisals(Bigrams(HALF), text, shown=2)
    # a after the beginning, which is a; b after a; c after b; a after c
    np.testing.assert_allclose(np.exp(-found.nats), [0.25, 0.5, 1 / 3, 1 / 3], rtol=1e-6)
    assert found.ranks.tolist() == [2, 1, 3, 1]
    assert found.top_ids.tolist() == [[1, 0, 2], [1, 0, 2]]  # of two shown
    np.testing.assert_allclose(np.exp(found.top_log_probabilities[0]), [0.5, 0.25, 0.25], 1e-6)


@pytest.mark.parametrize("characters", ["\n abcé", None])
def test_they_are_those_of_score(characters: str | None, make_model: Callable[..., Model]) -> None:
    """Also of a byte model, where a character is the sum of its bytes."""
    model = make_model(characters)
    text = "abé cab\nc" * 20
    beginning = Sampler(model).prompt_ids("")[0]
    read = ReadText.of(text, model.tokenizer, beginning)
    found = measure_surprisals(best_engine(model), read, shown=9)
    np.testing.assert_allclose(found.nats, -charrnn.score(model, text), rtol=1e-6, atol=1e-6)
    assert len(found.top_ids) == 9


def test_what_costs_most_is_listed() -> None:
    text = ReadText.of("ab ab cc ab", CharTokenizer("abc "), beginning=3)
    found = measure_surprisals(Bigrams(np.zeros((4, 4))), text, shown=11)
    nats = np.array([1, 1, 0, 2, 2, 0, 9, 1, 0, 0, 0], dtype=float)
    record = describe_surprise(text, found._replace(nats=nats))
    assert [each.place for each in record.costliest_places[:3]] == [6, 3, 4]
    first = record.costliest_places[0]
    assert (first.before, first.character, first.after) == ("ab ab ", "c", "c ab")
    assert [(each.word, each.count, each.place) for each in record.costliest_words] == [
        ("cc", 1, 6),
        ("ab", 3, 0),
    ]
    assert record.costliest_words[1].nats == pytest.approx((2 + 4 + 0) / 3)
    in_word = {each.name: each.bits * math.log(2) for each in record.by_place_in_word}
    assert in_word == pytest.approx({"1": (1 + 2 + 9 + 0) / 4, "2": (1 + 2 + 1 + 0) / 4})
    assert [each.characters for each in record.by_place_in_word] == [4, 4]


def test_groups_of_places_hold_all_characters() -> None:
    text = "x" * 200 + "\n" + "y" * 3
    nats = np.ones(len(text))
    read = ReadText.of(text, CharTokenizer("xy\n"), beginning=2)
    found = measure_surprisals(Bigrams(np.zeros((3, 3))), read, shown=1)._replace(nats=nats)
    groups = describe_surprise(read, found).by_place_in_line
    assert sum(each.characters for each in groups) == len(text)
    assert [each.name for each in groups][:5] == ["1", "2", "3", "4-5", "6-9"]
    assert groups[-1].name == "160+"
    assert groups[0].characters == 2  # of two lines


def test_losses_by_kind_leave_out_what_the_text_lacks() -> None:
    found = losses_by_kind("aB a", np.array([1.0, 2.0, 3.0, 5.0]) * math.log(2))
    assert {each.name: each.characters for each in found} == {
        "lower-case letters": 2,
        "capitals": 1,
        "spaces": 1,
    }
    assert [each.bits for each in found] == pytest.approx([3, 2, 3])


def test_the_histogram_has_every_character_once() -> None:
    text = ReadText.of("abca", CharTokenizer("abc"), beginning=0)
    found = measure_surprisals(Bigrams(HALF), text, shown=4)
    samples = [np.array([0.0, 100.0])]
    histogram = describe_surprise(text, found, samples).histogram
    assert sum(histogram.text) == pytest.approx(1)
    assert (histogram.samples[0], histogram.samples[-1]) == (0.5, 0.5)
    assert histogram.samples_bits == pytest.approx(50 / math.log(2))
    assert len(histogram.edges) == len(histogram.text) + 1
    assert describe_surprise(text, found).histogram.samples_bits is None


def test_numbers_that_overflow_are_an_error() -> None:
    text = ReadText.of("ab", CharTokenizer("ab"), beginning=0)
    with pytest.raises(ModelError, match="overflow"):
        measure_surprisals(Bigrams(np.array([[np.inf, 0], [0, 0]])), text, shown=1)
