from collections.abc import Callable, Iterator
from typing import Any

import pytest

from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.interactive.ghost_text import GhostText
from charrnn.interactive.manuscript import Manuscript
from charrnn.storage.model_directory import Model
from tests.interactive.manuscripts import Counting

MakeModel = Callable[..., Model]


def last(texts: Iterator[str]) -> str:
    text = ""
    for text in texts:
        pass
    return text


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("before", ["", "abc a"])
def test_the_lookahead_is_what_greedy_sampling_makes(
    before: str, lines: bool, make_model: MakeModel
) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(length=24, temperature=0, lines=lines)
    manuscript = Manuscript(sampler, lines=lines)
    manuscript.write(before)
    lookahead = manuscript.lookahead()
    for typed in ("", "a", "ab", "abd", "ab", "cab c", "", "h"):
        expected = sampler.sample(before + typed, config).split("\n")[0]
        assert last(lookahead.continuations(typed, 24)) == expected
    assert manuscript.greedy(24) == sampler.sample(before, config).split("\n")[0]


def test_the_lookahead_grows_by_one_step_of_the_engine(
    counted: tuple[Sampler, Counting],
) -> None:
    sampler, engine = counted
    manuscript = Manuscript(sampler)
    manuscript.write("ab")
    lookahead = manuscript.lookahead()
    engine.spent()
    text = ""
    for longer in lookahead.continuations("c b", 20):
        assert engine.spent() == 1
        assert longer.startswith(text)
        text = longer


def test_a_key_more_is_one_character_to_read(counted: tuple[Sampler, Counting]) -> None:
    sampler, engine = counted
    manuscript = Manuscript(sampler)
    manuscript.write("ab" * 300)
    lookahead = manuscript.lookahead()
    predicted = last(lookahead.continuations("c", 20))
    assert engine.spent() > 600
    other = "a" if predicted[:1] != "a" else "b"
    last(lookahead.continuations(f"c{other}", 20))
    assert engine.spent() <= 21
    predicted = last(lookahead.continuations("c", 20))
    assert len(predicted) == 20
    engine.spent()
    last(lookahead.continuations(f"c{predicted[0]}", 20))  # typed as it was predicted
    assert engine.spent() == 1
    assert last(lookahead.continuations(f"c{predicted}", 0)) == ""
    assert engine.spent() == 0


def test_characters_that_the_model_does_not_know_are_passed_over(make_model: MakeModel) -> None:
    lookahead: Any = Manuscript(Sampler(make_model())).lookahead()
    assert isinstance(lookahead, GhostText)
    assert last(lookahead.continuations("aZb", 9)) == last(lookahead.continuations("ab", 9))


def test_a_lookahead_does_not_notice_what_becomes_of_the_manuscript(make_model: MakeModel) -> None:
    manuscript = Manuscript(Sampler(make_model(" abc")))
    manuscript.write("abc")
    lookahead = manuscript.lookahead()
    expected = last(lookahead.continuations("a", 9))
    assert len(expected) == 9
    last(manuscript.continuation(SamplingConfig(length=20)))
    last(lookahead.continuations("b", 9))
    assert last(lookahead.continuations("a", 9)) == expected
