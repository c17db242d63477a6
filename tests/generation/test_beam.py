import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from charrnn.engines import ENGINES
from charrnn.errors import ConfigError, ModelError
from charrnn.generation.beam import beam_search
from charrnn.generation.config import SamplingConfig
from charrnn.generation.request import Sample
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model
from tests.exact_scores import exact_log_probabilities
from tests.patterns import needs_regex

MakeModel = Callable[..., Model]

pytestmark = pytest.mark.usefixtures("patterns_compile_here")


def search(sampler: Sampler, prompt: str, width: int, **settings: Any) -> list[Sample]:
    config = SamplingConfig(**settings)
    return beam_search(sampler.request(prompt, config), width=width)


def nats(sampler: Sampler, prompt: str, made: str, *, lines: bool = False) -> float:
    """The model's own score of what comes after a prompt."""
    before = sampler.prompt_ids(prompt, lines=lines)
    ids = [*before, *map(int, sampler.model.tokenizer.encode(made))]
    return -float(exact_log_probabilities(sampler.engine, ids)[len(before) - 1 :].sum())


def every_text(
    sampler: Sampler, prompt: str, length: int, stop: str | None, may: Callable[[str], bool]
) -> list[tuple[float, str, str]]:
    """(nats, text, stop reason) of all texts, the likeliest first; `may` says which are possible,
    each as it was made."""
    alphabet = "".join(sampler.model.tokenizer.characters)  # type: ignore[attr-defined]
    found = []
    for size in range(1, length + 1):
        for letters in itertools.product(alphabet, repeat=size):
            made = "".join(letters)
            if stop is not None and stop in made[:-1]:
                continue
            stopped = stop is not None and made.endswith(stop)
            if (stopped or size == length) and may(made):
                text = made.removesuffix(stop) if stop and stopped else made
                reason = "stop" if stopped else "length"
                score = nats(sampler, prompt, made, lines=stop == "\n")
                found.append((score, text, reason))
    return sorted(found)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize(
    ("settings", "stop", "may"),
    [
        ({}, None, lambda made: True),
        ({"stop": ("b",)}, "b", lambda made: True),
        ({"lines": True}, "\n", lambda made: True),
        ({"lines": True, "min_length": 2}, "\n", lambda made: len(made.rstrip("\n")) >= 2),
        ({"ban": "b"}, None, lambda made: "b" not in made),
        ({"only": "ab"}, None, lambda made: "\n" not in made),
        ({"only": "a", "lines": True}, "\n", lambda made: "b" not in made),
        pytest.param(
            {"regex": "a(a|b)*b", "lines": True},
            "\n",
            lambda made: made.startswith("a") and made.rstrip("\n").endswith("b") and len(made) > 1,
            marks=needs_regex,
        ),
    ],
    ids=lambda value: "may" if callable(value) else str(value),
)
def test_a_search_that_is_wide_enough_finds_what_trying_all_texts_finds(
    engine: str,
    cell: str,
    settings: dict[str, Any],
    stop: str | None,
    may: Callable[[str], bool],
    make_model: MakeModel,
) -> None:
    sampler = Sampler(make_model("\nab", cell=cell), engine)
    expected = every_text(sampler, "ab", 4, stop, may)
    assert expected
    # Greater than the number of texts: those that there are, come.
    for width in (100, 3):
        found = search(sampler, "ab", width, length=4, **settings)
        assert len(found) == min(width, len(expected))
        assert len({(sample.text, sample.stop_reason) for sample in found}) == len(found)
        assert [sample.index for sample in found] == list(range(len(found)))
        scores = [sample.nats for sample in found]
        assert scores == sorted(scores)
        assert scores[0] >= expected[0][0] - 1e-4
    whole = search(sampler, "ab", 100, length=4, **settings)
    assert [(each.text, each.stop_reason) for each in whole] == [each[1:] for each in expected]
    np.testing.assert_allclose(
        [each.nats for each in whole], [score for score, *_ in expected], rtol=1e-5
    )
    assert all(each.characters >= len(each.text) for each in whole)
    # A little less wide, it still begins with the best of all.
    assert search(sampler, "ab", 27, length=4, **settings)[0].text == expected[0][1]


@needs_regex
def test_a_text_that_matches_ends_with_what_the_pattern_forbids(make_model: MakeModel) -> None:
    sampler = Sampler(make_model("\nab"))
    expected = []
    for size in range(1, 5):
        for letters in itertools.product("ab", repeat=size):
            text = "".join(letters)
            if size < 4:
                expected.append((nats(sampler, "a", f"{text}\n"), text, "match"))
            else:
                expected.append((nats(sampler, "a", text), text, "length"))
    expected.sort()
    found = search(sampler, "a", 100, length=4, regex="[ab]+")
    assert [(each.text, each.stop_reason) for each in found] == [each[1:] for each in expected]
    np.testing.assert_allclose([each.nats for each in found], [each[0] for each in expected], 1e-5)
    (best, *_) = search(sampler, "a", 20, length=200, regex="[ab]+")
    assert len(best.text) < 200 and best.stop_reason == "match"


def test_a_search_of_width_one_is_greedy(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    for prompt in ("", "a", "bcd"):
        (found,) = search(sampler, prompt, 1, length=30)
        assert found.text == sampler.sample(prompt, SamplingConfig(length=30, temperature=0))


@pytest.mark.parametrize("prompt", ["", "hg", "abc"])
def test_a_wider_search_finds_texts_that_greed_does_not(prompt: str, make_model: MakeModel) -> None:
    sampler = Sampler(make_model(sharpness=2.0))
    narrow, wide = (search(sampler, prompt, width, length=12) for width in (1, 40))
    assert wide[0].nats <= narrow[0].nats
    assert len({sample.text for sample in wide}) == 40
    for sample in wide:
        assert sample.nats == pytest.approx(nats(sampler, prompt, sample.text), rel=1e-5)


def test_no_so_many_characters_in_a_row_come_twice(make_model: MakeModel) -> None:
    for sample in search(Sampler(make_model()), "ab", 5, length=20, no_repeat_ngram=2):
        whole = "ab" + sample.text
        assert len({whole[i : i + 2] for i in range(21)}) == 21


def test_nothing_depends_on_the_seed_or_the_temperature(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    one, other = (
        search(sampler, "a", 5, length=10, seed=seed, temperature=temperature, top_k=top_k)
        for seed, temperature, top_k in ((0, 1.0, None), (7, 0.1, 1))
    )
    assert one == other


def test_penalties_and_the_bias_are_for_drawn_texts(make_model: MakeModel) -> None:
    sampler = Sampler(make_model(layers=1))
    settings: dict[str, Any] = {
        "repetition_penalty": 3.0,
        "presence_penalty": 2.0,
        "frequency_penalty": 2.0,
        "logit_bias": ((0, 100.0),),
    }
    plain = search(sampler, "ab", 4, length=6)
    assert search(sampler, "ab", 4, length=6, **settings) == plain


def test_a_text_of_no_length_is_empty(make_model: MakeModel) -> None:
    (found,) = search(Sampler(make_model()), "a", 5, length=0)
    assert (found.text, found.nats, found.stop_reason) == ("", 0.0, "length")


def test_a_text_that_need_not_end_is_refused(make_model: MakeModel) -> None:
    with pytest.raises(ConfigError, match="length"):
        search(Sampler(make_model()), "a", 5, length=None, lines=True)


def test_where_nothing_may_come_it_is_said(make_model: MakeModel) -> None:
    with pytest.raises(ConfigError, match="min-length"):
        search(Sampler(make_model()), "a", 5, only="a", stop=("a",), min_length=1)


@pytest.mark.parametrize(
    ("alphabet", "settings"),
    [("\nab", {"stop": ("a", "b")}), ("\n\rab", {"lines": True})],
)
def test_no_text_is_found_twice(
    alphabet: str, settings: dict[str, Any], make_model: MakeModel
) -> None:
    found = search(Sampler(make_model(alphabet)), "", 12, length=4, **settings)
    assert len({sample.text for sample in found}) == len(found)


def test_numbers_that_overflow_are_the_models_fault(make_model: MakeModel) -> None:
    model = make_model()
    model.tensors["head.weight"][:] = np.nan
    with pytest.raises(ModelError, match="overflow"):
        search(Sampler(model), "a", 3, length=5)
