import itertools
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from charrnn.errors import CharRNNWarning, ConfigError, UnknownCharacterError
from charrnn.generation import batch
from charrnn.generation.beam import beam_search
from charrnn.generation.config import SamplingConfig, SelectionConfig
from charrnn.generation.generate import generate_samples
from charrnn.generation.sampler import Sampler
from charrnn.generation.selection import Lines, best_of, novel, unique
from charrnn.storage.model_directory import Model
from tests.patterns import needs_regex

MakeModel = Callable[..., Model]

SHORT = SamplingConfig(length=2, lines=True, temperature=1.5, seed=3)
"""Lines of which many are the same."""


@pytest.fixture
def sampler(make_model: MakeModel) -> Sampler:
    return Sampler(make_model("\nab"))


def test_by_default_it_is_the_sample_of_the_stream(sampler: Sampler) -> None:
    (sample,) = generate_samples(sampler, "ab", SHORT)
    assert sample.text == sampler.sample("ab", SHORT)


def test_so_many_samples_are_given_from_an_index_on(sampler: Sampler) -> None:
    selection = SelectionConfig(number=4, index=7)
    found = list(generate_samples(sampler, "a", SHORT, selection, score=True))
    assert found == list(sampler.samples("a", SHORT, indices=range(7, 11), score=True))


def test_filters_are_applied_in_order_to_the_samples_of_the_seed(sampler: Sampler) -> None:
    known = Lines(["aa\nba\n"])
    selection = SelectionConfig(number=4, unique=True, novel=True, best_of=2)
    found = generate_samples(sampler, "a", SHORT, selection, score=True, training_lines=known)
    samples = sampler.samples("a", SHORT, indices=itertools.count(), score=True)
    expected = list(itertools.islice(unique(best_of(novel(samples, known, "a"), 2)), 4))
    samples.close()
    assert list(found) == expected
    assert len(expected) == 4


def test_the_best_are_weighed_also_where_no_scores_are_asked_for(sampler: Sampler) -> None:
    best = SelectionConfig(best_of=8)
    (found,) = generate_samples(sampler, "a", SHORT, best)
    (expected, *_) = best_of(sampler.samples("a", SHORT, indices=range(8), score=True), 8)
    assert found == expected


def test_beams_are_those_of_the_search(sampler: Sampler) -> None:
    found = list(generate_samples(sampler, "a", SHORT, SelectionConfig(beam=5, number=3)))
    assert found == beam_search(sampler.request("a", SHORT), width=5)[:3]


@needs_regex
@pytest.mark.usefixtures("patterns_compile_here")
def test_texts_that_match_are_selected_as_any_others(sampler: Sampler) -> None:
    config = SamplingConfig(regex="[ab]{1,2}", length=4, seed=1)
    found = list(generate_samples(sampler, "a", config, SelectionConfig(number=3, unique=True)))
    assert len({each.text for each in found}) == 3
    assert all(re.fullmatch("[ab]{1,2}", each.text) for each in found)


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_what_writes_ends_with_the_iterator(
    taken: int, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_FEWEST_LANES", 1)
    before = set(threading.enumerate())
    config = SamplingConfig(length=30, lines=True, temperature=2.0)
    selection = SelectionConfig(number=100_000, unique=True)
    samples = generate_samples(Sampler(make_model()), "", config, selection)
    assert len(list(itertools.islice(samples, taken))) == taken
    samples.close()
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("settings", "selection", "message"),
    [
        ({"length": None}, {}, "so that every text ends"),
        ({"length": None}, {"beam": 2}, "so that every text ends"),
        ({"length": None, "lines": True}, {"beam": 2}, "beam: give a length"),
        ({}, {"novel": True}, "training lines"),
        ({"only": "Z"}, {}, "no character that the model knows"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:only:charrnn.errors.CharRNNWarning")
def test_what_cannot_be_generated_is_refused(
    settings: dict[str, Any], selection: dict[str, Any], message: str, sampler: Sampler
) -> None:
    with pytest.raises(ConfigError, match=message):
        list(
            generate_samples(sampler, "a", SamplingConfig(**settings), SelectionConfig(**selection))
        )


def test_a_prompt_with_a_line_of_the_training_text_can_begin_no_novel_text(
    sampler: Sampler,
) -> None:
    known, selection = Lines(["a\nb"]), SelectionConfig(novel=True)
    with pytest.raises(ConfigError, match="the prompt has 'a', a line of the training text"):
        generate_samples(sampler, "\na\nb", SHORT, selection, training_lines=known)
    assert list(generate_samples(sampler, "b\n\na", SHORT, selection, training_lines=Lines(["a"])))


def test_an_unknown_character_in_the_prompt_is_refused_at_once(sampler: Sampler) -> None:
    with pytest.raises(UnknownCharacterError):
        generate_samples(sampler, "aZ", SHORT)


def test_a_setting_without_effect_is_said_where_the_call_is(sampler: Sampler) -> None:
    config = SamplingConfig(length=2, ban="Z")
    for generate in (sampler.stream, lambda *given: generate_samples(sampler, *given)):
        with pytest.warns(CharRNNWarning, match="ban: the model has never seen") as caught:
            generate("a", config)
        assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"number": 0}, "number (-n) 0: choose 1 or above"),
        ({"index": -1}, "index -1: choose 0 or above"),
        ({"best_of": 0}, "best-of 0: choose 1 or above"),
        ({"beam": 0}, "beam 0: choose 1 or above"),
        ({"beam": 3, "best_of": 2}, "best-of and beam exclude each other; choose one"),
        ({"beam": 2, "number": 3}, "--beam 2 finds no more than 2 texts"),
    ],
    ids=str,
)
def test_a_selection_that_contradicts_itself_is_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        SelectionConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        ({}, True),
        ({"index": 5}, True),
        ({"number": 2}, False),
        ({"unique": True}, False),
        ({"novel": True}, False),
        ({"best_of": 1}, False),
        ({"beam": 1}, False),
    ],
    ids=str,
)
def test_only_one_sample_that_is_not_selected_is_plain(
    settings: dict[str, Any], plain: bool
) -> None:
    assert SelectionConfig(**settings).is_plain is plain
