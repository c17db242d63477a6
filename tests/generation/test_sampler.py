import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from charrnn.engines import ENGINES, Engine, best_engine, int8_engine
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError
from charrnn.generation import batch
from charrnn.generation.config import SamplingConfig
from charrnn.generation.request import Sample
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model
from tests.exact_scores import exact_log_probabilities
from tests.generation.scripted import scripted
from tests.patterns import needs_regex

MakeModel = Callable[..., Model]

pytestmark = pytest.mark.usefixtures("patterns_compile_here")
exact_engines = pytest.mark.parametrize(
    "engine", [name for name in ENGINES if name in ("numpy", "native", "int8")]
)
"""Those whose lanes do not depend on each other, to the last bit."""


# Seeds


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sample_is_the_same_alone_or_after_others(engine: str, make_model: MakeModel) -> None:
    model = make_model()
    config = SamplingConfig(length=80, seed=3)
    sampler = Sampler(model, engine)
    in_a_row = [sampler.sample("abc", config, index=index) for index in range(4)]
    alone = [Sampler(model, engine).sample("abc", config, index=index) for index in (3, 2, 1, 0)]
    assert in_a_row == alone[::-1]


def test_a_sample_is_the_same_while_others_are_being_made(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(length=60)
    streams = [sampler.stream("ab", config, index=index) for index in range(3)]
    together = ["".join(pieces) for pieces in zip(*zip(*streams, strict=True), strict=True)]
    assert together == [sampler.sample("ab", config, index=index) for index in range(3)]


def test_samples_of_other_indices_and_seeds_differ(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    texts = {
        sampler.sample("ab", SamplingConfig(length=40, seed=seed), index=index)
        for seed in range(5)
        for index in range(5)
    }
    assert len(texts) == 25  # seed 1, index 2 is not seed 2, index 1 either


def test_greedy_needs_no_seed(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    texts = {
        sampler.sample("ab", SamplingConfig(length=40, temperature=0, seed=seed), index=seed)
        for seed in range(4)
    }
    assert len(texts) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_greedy_always_takes_the_likeliest(engine: str, make_model: MakeModel) -> None:
    model = make_model()
    text = Sampler(model, engine).sample("ab", SamplingConfig(length=30, temperature=0))
    ids = model.tokenizer.encode("ab" + text)
    logits, _ = ENGINES[engine](model).advance([ids[:-1]], None)
    assert model.tokenizer.decode(logits[0, 1:].argmax(axis=-1)) == text


def test_top_k_of_one_is_greedy(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    greedy = sampler.sample("ab", SamplingConfig(length=40, temperature=0))
    assert sampler.sample("ab", SamplingConfig(length=40, top_k=1)) == greedy


CONFIGS: list[Any] = [
    pytest.param(settings, id=str(settings), marks=needs_regex if "regex" in settings else ())
    for settings in (
        {},
        {"temperature": 0.0},
        {"temperature": 2.0, "seed": 2**70},
        {"top_k": 3},
        {"top_p": 0.6},
        {"min_p": 0.3},
        {"typical": 0.5},
        {"repetition_penalty": 1.6, "repetition_window": 5},
        {"presence_penalty": 1.5, "frequency_penalty": -0.5, "repetition_window": 5},
        {"logit_bias": ((1, 3.5), (2, -100.0))},
        {"no_repeat_ngram": 2},
        {"ban": "ab"},
        {"only": "abc"},
        {"stop": ("ab", "cde", "f")},
        {"lines": True},
        {"lines": True, "min_length": 5, "length": None, "only": "ab"},
        {"stop": ("ab", "b"), "min_length": 3, "no_repeat_ngram": 3, "repetition_penalty": 0.7},
        {"length": 0},
        {"length": 1},
        {"regex": "[a-d]+e", "length": 9},
        {"regex": "", "length": 9},
        {"regex": "a(bcd)*", "length": 9},
        {"regex": "[a-d]+e", "length": 9, "frequency_penalty": 2.0, "logit_bias": ((1, 3.5),)},
        {"regex": "a(bc|d)*", "lines": True, "length": 9, "no_repeat_ngram": 3},
        {"regex": "[a-h ]*(b|d)", "lines": True, "length": 9, "temperature": 0.0},
    )
]


def alone(sampler: Sampler, settings: dict[str, Any], index: int) -> Sample:
    """A sample as the stream makes it."""
    stream = sampler.stream("ab", SamplingConfig(**settings), index=index, log_probabilities=True)
    text = "".join(stream)
    assert stream.stop_reason is not None
    return Sample(
        index,
        text,
        stream.characters,
        stream.nats,
        tuple(stream.log_probabilities),
        stream.stop_reason,
    )


@pytest.mark.parametrize("settings", CONFIGS)
@exact_engines
def test_a_sample_is_the_same_alone_and_in_any_company(
    engine: str, settings: dict[str, Any], make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_FEWEST_LANES", 1)  # as many threads as are asked for
    sampler = Sampler(make_model(sharpness=2.0), engine)
    settings = {"length": 20, "seed": 5} | settings
    constrained = "regex" in settings and settings.get("temperature") != 0
    count = 2 if constrained else 12
    expected = {index: alone(sampler, settings, index) for index in range(count)}
    shuffled = random.Random(0).sample(range(count), count)
    ways = [(1, 1), (2, 2)] if constrained else [(1, 3), (2, 2), (3, 1), (64, 2)]
    for batch_size, threads in ways:
        for indices in (list(range(count)), shuffled[: count // 2]):
            made = sampler.samples(
                "ab",
                SamplingConfig(**settings),
                indices=indices,
                batch_size=batch_size,
                threads=threads,
                score=True,
            )
            assert list(made) == [expected[index] for index in indices]


@exact_engines
def test_scores_change_no_text_and_are_kept_when_asked_for(
    engine: str, make_model: MakeModel
) -> None:
    sampler = Sampler(make_model(), engine)
    config = SamplingConfig(length=30, seed=5, lines=True)
    scored = list(sampler.samples("ab", config, indices=range(20), score=True))
    plain = list(sampler.samples("ab", config, indices=range(20)))
    assert [sample.text for sample in plain] == [sample.text for sample in scored]
    assert all(math.isnan(sample.nats) and sample.log_probabilities == () for sample in plain)
    assert all(len(sample.log_probabilities) == sample.characters for sample in scored)
    for score in (True, False):
        stream = sampler.stream("ab", config, index=3, score=score)
        assert "".join(stream) == scored[3].text
        assert stream.log_probabilities == []
        assert math.isnan(stream.nats) is not score


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sample_is_the_same_in_every_batch_of_one_size(
    engine: str, make_model: MakeModel
) -> None:
    # More an engine need not promise: a lane's last bits may depend on how many lanes there are.
    sampler = Sampler(make_model(), engine)
    config = SamplingConfig(length=40, seed=1)
    first, second = (
        {
            each.index: each.text
            for each in sampler.samples("a", config, indices=indices, batch_size=4)
        }
        for indices in (range(12), [7, 0, 11, 3, 2, 9, 1, 10])
    )
    assert len(set(first.values())) == 12
    assert second == {index: first[index] for index in second}


def test_large_and_far_samples_are_like_any_other(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(length=200, seed=2**64 + 1)
    (sample,) = sampler.samples("", config, indices=[10**12])
    assert sample.text == sampler.sample("", config, index=10**12)
    assert sample.text != sampler.sample("", SamplingConfig(length=200, seed=1), index=10**12)


# Prompts


def test_the_prompt_is_not_part_of_the_sample() -> None:
    assert scripted("xyz").sample("zzz", SamplingConfig(length=4)) == "xyzx"


def test_every_character_of_the_prompt_matters(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    nats = set()
    for prompt in ("a", "b", "ab", "ba", "aab"):
        stream = sampler.stream(prompt, SamplingConfig(length=20))
        "".join(stream)
        nats.add(stream.nats)
    assert len(nats) == 5


def test_a_prompt_that_is_no_text_is_refused(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    nothing: Any
    for nothing in (None, b"ab", 3):
        with pytest.raises(CorpusError, match="the prompt is not text but"):
            sampler.sample(nothing)
        with pytest.raises(CorpusError, match="the prompt is not text but"):
            next(iter(sampler.samples(nothing, indices=[0])))


def test_a_prompt_with_strange_characters_is_refused_by_name(make_model: MakeModel) -> None:
    # Once they turned silently into id 0 (torch-rnn #98).
    with pytest.raises(UnknownCharacterError) as caught:
        Sampler(make_model()).stream("abZcéZ")
    assert caught.value.characters == ("Z", "é")


def test_no_prompt_is_a_newline_else_a_space_else_the_first_character(
    make_model: MakeModel,
) -> None:
    for characters, expected in (("a b\nc", [3]), ("ab c", [2]), ("abc", [0])):
        assert Sampler(make_model(characters)).prompt_ids("") == expected


def test_a_prompt_is_read_as_it_is(make_model: MakeModel) -> None:
    sampler = Sampler(make_model("\nabc"))
    assert sampler.prompt_ids("ab\n") == [1, 2, 0]
    assert sampler.prompt_ids("ab", lines=True) == [0, 1, 2]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("prompt", ["", "a", "abcab"])
@pytest.mark.parametrize("lines", [True, False])
def test_many_samples_may_begin_after_one_encoded_prompt(
    engine: str, prompt: str, lines: bool, make_model: MakeModel
) -> None:
    sampler = Sampler(make_model(), engine)
    config = SamplingConfig(length=30, lines=lines, no_repeat_ngram=4)
    encoded = sampler.encode_prompt(prompt, lines=lines)
    assert list(encoded.ids) == sampler.prompt_ids(prompt, lines=lines)
    for index in range(3):
        expected = sampler.sample(prompt, config, index=index)
        assert "".join(sampler.stream(encoded, config, index=index)) == expected
    one, other = (
        [each.text for each in sampler.samples(given, config, indices=range(5))]
        for given in (prompt, encoded)
    )
    assert one == other


# The log-likelihood


@pytest.mark.parametrize("config", [{}, {"temperature": 0.5, "top_k": 3}, {"top_p": 0.7}], ids=str)
@pytest.mark.parametrize("byte", [False, True], ids=["char", "byte"])
@pytest.mark.parametrize("engine", ENGINES)
def test_nats_are_the_models_own_score_of_the_text(
    engine: str, byte: bool, config: dict[str, Any], make_model: MakeModel
) -> None:
    # The model's own: neither temperature nor filters enter into it.
    model = make_model(None if byte else "\n abc")
    stream = Sampler(model, engine).stream(
        "ab", SamplingConfig(length=50, **config), log_probabilities=True
    )
    ids = model.tokenizer.encode("ab" + "".join(stream))
    assert len(ids) == 52
    each = exact_log_probabilities(ENGINES[engine](model), ids)[1:]
    assert stream.nats == pytest.approx(-sum(each), rel=1e-5)
    np.testing.assert_allclose(stream.log_probabilities, each, rtol=0, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_nats_of_many_samples_are_the_models_own_score(
    engine: str, make_model: MakeModel
) -> None:
    # What ended a text counts as well.
    model = make_model()
    sampler = Sampler(model, engine)
    config = SamplingConfig(length=4, lines=True, temperature=1.5, top_p=0.95, seed=2)
    samples = list(sampler.samples("a", config, indices=range(30), score=True))
    assert {sample.stop_reason for sample in samples} == {"stop", "length"}
    for each in samples:
        ids = model.tokenizer.encode("\na" + each.text + "\n" * (each.stop_reason == "stop"))
        assert each.characters == len(ids) - 2
        expected = exact_log_probabilities(ENGINES[engine](model), ids)[1:]
        assert len(expected) == each.characters
        np.testing.assert_allclose(each.log_probabilities, expected, rtol=0, atol=1e-5)
        assert each.nats == pytest.approx(-expected.sum(), rel=1e-5)
        assert each.nats == pytest.approx(-sum(each.log_probabilities), rel=1e-12)


# Settings


@pytest.mark.parametrize(
    "change",
    [
        {"length": -1},
        {"min_length": -1},
        {"length": 5, "min_length": 6},
        {"repetition_window": 0},
        {"repetition_penalty": 0.0},
        {"no_repeat_ngram": 0},
        {"min_p": 0.0},
        {"typical": 1.5},
        {"regex": "a", "stop": ("b",)},
        {"regex": "a", "min_length": 1},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"seed": -1},
        {"stop": ("a", "")},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused_by_name(change: dict[str, Any]) -> None:
    name = list(change)[-1] if "regex" not in change else "regex"
    with pytest.raises(ConfigError, match=name.replace("_", ".")):
        SamplingConfig(**change)


@pytest.mark.parametrize(
    "settings",
    [
        {"length": None, "min_length": 10**9},
        {"length": 5, "min_length": 5},
        {"no_repeat_ngram": 1, "repetition_window": 1, "seed": 2**100},
        {"regex": "a", "lines": True},
    ],
    ids=str,
)
def test_settings_in_range_pass(settings: dict[str, Any]) -> None:
    SamplingConfig(**settings)


def test_one_stop_string_is_not_taken_for_its_letters() -> None:
    # `sample(model, stop="END")` is easily written; it may be understood or refused.
    try:
        config = SamplingConfig(length=7, stop="END")  # type: ignore[arg-type]
    except ConfigError as error:
        assert "stop" in str(error) and "empty" not in str(error)
    else:
        assert scripted("a N END").sample("", config) == "a N "


def test_an_engine_may_be_one_that_runs_already(make_model: MakeModel) -> None:
    model = make_model()
    running: Engine = ENGINES["numpy"](model)
    assert Sampler(model, running).engine is running


def test_the_engine_is_int8_or_the_fastest_of_float32_that_needs_no_torch(
    make_model: MakeModel,
) -> None:
    model = make_model()
    assert type(Sampler(model).engine) is type(int8_engine(model))
    assert type(Sampler(model, "float32").engine) is type(best_engine(model))


def test_an_unknown_engine_is_refused(make_model: MakeModel) -> None:
    with pytest.raises(ConfigError, match="engine 'abacus': choose from .*int8"):
        Sampler(make_model(), "abacus")


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_an_engine_of_the_same_kind_replaces_one_that_was_given(
    name: str, make_model: MakeModel
) -> None:
    model = make_model()
    sampler = Sampler(model, ENGINES[name](model))
    assert sampler.new_engine(model).precision == name
