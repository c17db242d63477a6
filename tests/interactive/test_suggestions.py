import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.interactive.manuscript import Manuscript, Segment
from charrnn.interactive.suggestions import LONGEST, UNITS, _LineSearch
from charrnn.storage.model_directory import Model
from tests.interactive.manuscripts import KINDS, collect, costs, read_at_once, same

MakeModel = Callable[..., Model]


def hand_computed(sampler: Sampler, before: str, text: str) -> float:
    """The probability of a text, character by character."""
    return math.exp(-sum(read_at_once(sampler, before + text)[len(before) :]))


def all_words(sampler: Sampler, before: str, alphabet: str, longest: int) -> dict[str, float]:
    """The probability of every next word that is short enough."""
    words = {}
    for length in range(1, longest + 1):
        for letters in itertools.product(alphabet, repeat=length):
            word = "".join(letters)
            if not word.strip() or any(c.isspace() for c in word.lstrip()):
                continue
            words[word] = sum(hand_computed(sampler, before, word + end) for end in " \n")
    return words


def test_characters_are_the_likeliest_with_their_probabilities(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model()))
    manuscript.write("abc")
    found = manuscript.suggestions("character", 4)
    likely = manuscript.probabilities()
    assert likely.sum() == pytest.approx(1)
    assert [p.probability for p in found] == pytest.approx(sorted(likely, reverse=True)[:4])
    for text, probability in found:
        expected = likely[manuscript.sampler.model.tokenizer.encode(text)[0]]
        assert probability == pytest.approx(expected)
    everything = manuscript.suggestions("character", 100)
    assert sum(p.probability for p in everything) == pytest.approx(1)
    assert len(everything) == 10


def test_words_are_the_likeliest_of_all_words(make_model: MakeModel) -> None:
    sampler = Sampler(make_model("\n ab", sharpness=2.0))
    manuscript = Manuscript(sampler)
    manuscript.write("ab a")
    words = all_words(sampler, "ab a", "\n ab", 6)
    likeliest = sorted(words, key=words.__getitem__, reverse=True)[:5]
    assert max(map(len, likeliest)) < 6
    found = manuscript.suggestions("word", 5)
    assert [each.text for each in found] == likeliest
    assert [p.probability for p in found] == pytest.approx([words[word] for word in likeliest])
    assert sum(p.probability for p in manuscript.suggestions("word", 30)) <= 1


def test_the_first_line_found_is_not_taken_for_the_likeliest() -> None:
    search = _LineSearch(CharTokenizer("\nab"), 1)
    search.extend(np.log([[0.3, 0.1, 0.6]]))
    assert not search.done
    assert [hypothesis.text for hypothesis in search.live] == ["b", "a"]
    search.extend(np.log([[0.9, 0.05, 0.05], [0.5, 0.25, 0.25]]))
    assert search.done
    assert [(each.text, pytest.approx(each.probability)) for each in search.suggestions()] == [
        ("b\n", 0.54)
    ]


def test_lines_are_the_likeliest_and_end_in_a_newline(make_model: MakeModel) -> None:
    sampler = Sampler(make_model("\nab", sharpness=2.0))
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    lines = {
        line: hand_computed(sampler, "ab", line)
        for length in range(7)
        for letters in itertools.product("ab", repeat=length)
        if (line := "".join(letters) + "\n")
    }
    likeliest = sorted(lines, key=lines.__getitem__, reverse=True)[:5]
    found = manuscript.suggestions("line", 5)
    assert [each.text for each in found] == likeliest
    assert [p.probability for p in found] == pytest.approx([lines[line] for line in likeliest])


@pytest.mark.parametrize("unit", UNITS)
@KINDS
def test_suggestions_are_different_ordered_and_can_be_taken(
    unit: str, characters: str | None, make_model: MakeModel
) -> None:
    manuscript = Manuscript(Sampler(make_model(characters, sharpness=3.0)))
    manuscript.write("ab")
    for _ in range(4):
        found = manuscript.suggestions(unit, 6)
        assert 1 <= len(found) <= 6
        assert len({each.text for each in found}) == len(found)
        likely = [each.probability for each in found]
        assert likely == sorted(likely, reverse=True)
        assert likely[-1] > 0 and sum(likely) <= 1 + 1e-9
        before = manuscript.text
        manuscript.take(found[-1].text)
        assert manuscript.text == before + found[-1].text
        assert manuscript.segments()[-1] == Segment(True, found[-1].text)
    assert manuscript.undo()
    assert manuscript.text == before


def test_looking_at_suggestions_changes_nothing(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    manuscript, other = Manuscript(sampler), Manuscript(sampler)
    for each in (manuscript, other):
        each.write("ab")
    for unit in UNITS:
        manuscript.suggestions(unit, 5)
    manuscript.greedy(20)
    config = SamplingConfig(length=30)
    assert collect(manuscript.continuation(config)) == collect(other.continuation(config))
    assert same(costs(manuscript), costs(other))


@pytest.mark.parametrize("unit", UNITS)
def test_a_model_without_spaces_or_newlines_has_suggestions(
    unit: str, make_model: MakeModel
) -> None:
    manuscript = Manuscript(Sampler(make_model("ab")))
    found = manuscript.suggestions(unit, 2)
    assert len(found) == 2
    assert all(len(each.text) == (1 if unit == "character" else LONGEST[unit]) for each in found)
    assert [each.probability for each in found] == pytest.approx(
        [
            math.exp(-sum(read_at_once(manuscript.sampler, each.text, prompt="a")))
            for each in found  # what stands before a text is the first of the alphabet here
        ]
    )


def test_suggestions_of_no_known_unit_are_refused(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model()))
    with pytest.raises(ConfigError, match="character, word, line"):
        manuscript.suggestions("sentence", 3)
    with pytest.raises(ConfigError):
        manuscript.suggestions("word", 0)


def test_characters_of_many_bytes_are_suggested_whole(make_model: MakeModel) -> None:
    sampler = Sampler(make_model(None, sharpness=0.5))
    manuscript = Manuscript(sampler)
    manuscript.write("a")
    found = manuscript.suggestions("character", 5)
    assert len(found) == 5
    tokenizer = sampler.model.tokenizer
    for text, probability in found:
        ids = tokenizer.encode(f"a{text}").astype(np.intp)
        logits, _ = sampler.engine.advance([ids], None)
        product = 1.0
        for t in range(len(ids) - 1):
            row = np.exp(logits[0, t].astype(np.float64))
            product *= row[ids[t + 1]] / row.sum()
        assert probability == pytest.approx(product)
