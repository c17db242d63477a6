import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.errors import ConfigError, ModelError, UnknownCharacterError
from charrnn.generation.engines import ENGINES, Array, Engine, State
from charrnn.generation.sampler import Sampler, SamplingConfig, load_sampler, sample
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model, Provenance, write_model

MakeModel = Callable[..., Model]


class Scripted:
    """An engine that is certain of what comes next: a script, over and over. Where it is in the
    script is its state."""

    def __init__(self, tokenizer: Tokenizer, script: str) -> None:
        self.ids = tokenizer.encode(script)
        self.vocabulary_size = tokenizer.vocabulary_size

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        position = state[0] if state else 0
        logits = np.full((1, np.asarray(ids).shape[1], self.vocabulary_size), -50, dtype=np.float32)
        logits[0, -1, self.ids[position % len(self.ids)]] = 50
        return logits, (position + 1,)


def scripted(script: str, *, byte: bool = False) -> Sampler:
    tokenizer: Tokenizer = ByteTokenizer() if byte else CharTokenizer(sorted({*script, "\n"}))
    config = ModelConfig(vocabulary_size=tokenizer.vocabulary_size)
    provenance = Provenance(
        corpus="script",
        sha256="",
        corpus_bytes=0,
        corpus_characters=0,
        validation_fraction=0.1,
        lines=False,
        step=0,
        characters=0,
        seconds=0.0,
        seed=0,
        validation_nats=None,
    )
    return Sampler(Model(config, tokenizer, {}, provenance), Scripted(tokenizer, script))


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


# Length


@pytest.mark.parametrize("length", [1, 2, 77])
def test_length_counts_the_characters_made(length: int, make_model: MakeModel) -> None:
    stream = Sampler(make_model()).stream("abc", SamplingConfig(length=length))
    assert len("".join(stream)) == stream.characters == length
    assert stream.stop_reason == "length"


def test_length_zero_makes_nothing(make_model: MakeModel) -> None:
    stream = Sampler(make_model()).stream("abc", SamplingConfig(length=0))
    assert list(stream) == []
    assert (stream.characters, stream.nats, stream.stop_reason) == (0, 0.0, "length")


def test_length_none_never_ends_and_begins_like_any_other(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    endless = itertools.islice(sampler.stream("abc", SamplingConfig(length=None)), 700)
    assert "".join(endless) == sampler.sample("abc", SamplingConfig(length=700))


def test_a_longer_sample_begins_with_the_shorter(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    short, long = (sampler.sample("a", SamplingConfig(length=length)) for length in (30, 90))
    assert long.startswith(short)


def test_pieces_come_as_they_are_made() -> None:
    stream = scripted("abc").stream("", SamplingConfig(length=None))
    first = next(iter(stream))
    assert (first, stream.characters, stream.stop_reason) == ("a", 1, None)


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


# Stop strings


def cut(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the stop string that is complete first (of those, the one that begins first)."""
    for end in range(len(text) + 1):
        found = [i for stop in stops if (i := text[:end].find(stop)) >= 0]
        if found:
            return text[: min(found)]
    return text


@pytest.mark.parametrize(
    ("script", "stop", "expected"),
    [
        ("one END two", ("END",), "one "),
        ("one ENEND two", ("END",), "one EN"),  # a false start that overlaps the true one
        ("aaab", ("aab",), "a"),
        ("one. two! three", ("!", "."), "one"),
        ("one. two! three", ("!", "?"), "one. two"),
        ("abcd", ("bcd", "c"), "ab"),
        ("END", ("END",), ""),
        ("one EN", ("END",), "one EN"),  # held back, and printed after all
        ("naïve €uro", ("€",), "naïve "),
    ],
)
@pytest.mark.parametrize("byte", [False, True], ids=["char", "byte"])
def test_a_sample_ends_before_a_stop_string(
    script: str, stop: tuple[str, ...], expected: str, byte: bool
) -> None:
    length = len(script.encode()) if byte else len(script)
    stream = scripted(script, byte=byte).stream("", SamplingConfig(length=length, stop=stop))
    assert "".join(stream) == expected
    stopped = any(each in script for each in stop)
    assert stream.stop_reason == ("stop" if stopped else "length")


@given(
    script=st.text("ab", min_size=1, max_size=24),
    stops=st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=3).map(tuple),
)
def test_no_part_of_a_stop_string_is_ever_given(script: str, stops: tuple[str, ...]) -> None:
    config = SamplingConfig(length=len(script), stop=stops)
    pieces = list(scripted(script).stream("", config))
    assert "".join(pieces) == cut(script, stops)
    assert "" not in pieces


def test_what_cannot_become_a_stop_string_is_not_held_back() -> None:
    stream = scripted("abEabEND").stream("", SamplingConfig(length=None, stop=("END",)))
    made = [(piece, stream.characters) for piece in stream]
    assert made == [("a", 1), ("b", 2), ("Ea", 4), ("b", 5)]


def test_a_stop_string_in_the_prompt_does_not_stop() -> None:
    config = SamplingConfig(length=3, stop=("x",))
    assert scripted("abcx").sample("x", config) == "abc"


# Lines


def test_lines_end_before_the_newline() -> None:
    stream = scripted("anna\nbob\n").stream("", SamplingConfig(lines=True))
    assert "".join(stream) == "anna"
    assert stream.stop_reason == "stop"


def test_a_line_ends_at_other_stop_strings_too() -> None:
    config = SamplingConfig(lines=True, stop=("n",))
    assert scripted("anna\n").sample("", config) == "a"


def test_a_line_begins_as_after_a_newline(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    line = sampler.sample("", SamplingConfig(lines=True, length=60, seed=2))
    text = sampler.sample("\n", SamplingConfig(length=60, seed=2))
    assert line == text.split("\n")[0]


# Bytes


def test_bytes_come_as_whole_characters() -> None:
    script = "né€😀, naïve"
    stream = scripted(script, byte=True).stream("", SamplingConfig(length=len(script.encode())))
    assert list(stream) == list(script)


def test_length_counts_bytes_and_those_of_half_a_character_survive() -> None:
    stream = scripted("a€", byte=True).stream("", SamplingConfig(length=3))
    text = "".join(stream)
    assert text.encode("utf-8", "surrogateescape") == "a€".encode()[:3]
    assert stream.characters == 3


@pytest.mark.parametrize("seed", range(3))
def test_whatever_bytes_a_model_makes_survive_a_round_trip(
    seed: int, make_model: MakeModel
) -> None:
    model = make_model(None, sharpness=1.0)
    sampler = Sampler(model)
    text = sampler.sample("né", SamplingConfig(length=300, seed=seed))
    ids = model.tokenizer.encode(text)
    assert len(ids) == 300
    assert model.tokenizer.decode(ids) == text


# The log-likelihood


@pytest.mark.parametrize("config", [{}, {"temperature": 0.5, "top_k": 3}, {"top_p": 0.7}], ids=str)
@pytest.mark.parametrize("byte", [False, True], ids=["char", "byte"])
@pytest.mark.parametrize("engine", ENGINES)
def test_nats_are_the_models_own_score_of_the_text(
    engine: str, byte: bool, config: dict[str, Any], make_model: MakeModel
) -> None:
    # The model's own: neither temperature nor filters enter into it.
    model = make_model(None if byte else "\n abc")
    stream = Sampler(model, engine).stream("ab", SamplingConfig(length=50, **config))
    ids = model.tokenizer.encode("ab" + "".join(stream))
    assert len(ids) == 52
    logits, _ = ENGINES[engine](model).advance([ids[:-1]], None)
    exact = logits[0].astype(np.float64)
    log_probabilities = exact - np.log(np.exp(exact).sum(axis=-1, keepdims=True))
    expected = -sum(log_probabilities[t, ids[t + 1]] for t in range(1, 51))
    assert stream.nats == pytest.approx(expected, rel=1e-5)


# Settings


@pytest.mark.parametrize(
    "change",
    [
        {"length": -1},
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
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SamplingConfig(**change)


def test_one_stop_string_is_not_taken_for_its_letters() -> None:
    # `sample(model, stop="END")` is easily written; it may be understood or refused.
    try:
        config = SamplingConfig(length=7, stop="END")  # type: ignore[arg-type]
    except ConfigError as error:
        assert "stop" in str(error) and "empty" not in str(error)
    else:
        assert scripted("a N END").sample("", config) == "a N "


# From disk


def test_sample_loads_a_model_and_takes_the_settings(tmp_path: Path, make_model: MakeModel) -> None:
    model = make_model()
    write_model(tmp_path / "model", model)
    config = SamplingConfig(length=25, temperature=0.6, seed=4)
    expected = Sampler(model).sample("ab", config, index=2)
    given = {"length": 25, "temperature": 0.6, "seed": 4}
    assert sample(tmp_path / "model", "ab", index=2, **given) == expected
    assert load_sampler(str(tmp_path / "model")).sample("ab", config, index=2) == expected


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        load_sampler(tmp_path / "nowhere")


def test_an_engine_may_be_one_that_runs_already(make_model: MakeModel) -> None:
    model = make_model()
    running: Engine = ENGINES["numpy"](model)
    assert Sampler(model, running).engine is running
