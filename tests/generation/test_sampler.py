import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.engines import ENGINES, Array, Engine, State, best_engine
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError
from charrnn.generation import batch
from charrnn.generation.config import SamplingConfig
from charrnn.generation.request import Sample
from charrnn.generation.sampler import Sampler
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from tests.exact_scores import exact_log_probabilities
from tests.patterns import needs_regex
from tests.provenance import make_provenance

MakeModel = Callable[..., Model]

pytestmark = pytest.mark.usefixtures("patterns_compile_here")
exact_engines = pytest.mark.parametrize(
    "engine", [name for name in ENGINES if name in ("numpy", "native")]
)
"""Those whose lanes do not depend on each other, to the last bit."""


class Scripted:
    """An engine that is certain of what comes next: a script, over and over. Where it is in the
    script is its state."""

    parallel = True

    def __init__(self, tokenizer: Tokenizer, script: str) -> None:
        self.ids = tokenizer.encode(script)
        self.vocabulary_size = tokenizer.vocabulary_size

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        # However long a prompt is, the script begins after it.
        logits = np.zeros((*np.asarray(ids).shape, self.vocabulary_size), dtype=np.float32)
        return logits, state or (0,)

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        return state or (0,)

    def lanes(self, count: int) -> "ScriptedLanes":
        return ScriptedLanes(self, count)


class ScriptedLanes:
    def __init__(self, engine: Scripted, count: int) -> None:
        self.engine = engine
        self.positions = [0] * count

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        script = self.engine.ids
        logits = np.full((len(ids), self.engine.vocabulary_size), -50, dtype=np.float32)
        for lane, position in enumerate(self.positions):
            logits[lane, script[position % len(script)]] = 50
        self.positions = [position + 1 for position in self.positions]
        return logits

    def get(self, lane: int) -> State:
        return (self.positions[lane],)

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        for each in [lane] if isinstance(lane, int) else lane:
            self.positions[each] = state[0] if state else 0

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        self.positions = [self.positions[lane] for lane in lanes]


def scripted(script: str, *, byte: bool = False) -> Sampler:
    tokenizer: Tokenizer = ByteTokenizer() if byte else CharTokenizer(sorted({*script, "\n"}))
    config = ModelConfig(vocabulary_size=tokenizer.vocabulary_size)
    provenance = make_provenance(corpus="script")
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


def test_a_stream_that_is_iterated_again_begins_with_what_comes_next() -> None:
    stream = scripted("abcdef").stream("", SamplingConfig(length=4))
    assert "".join(stream) == "abcd"
    assert list(stream) == []


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


# Stop strings


def cut(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the stop string that is complete first (of those, the one that begins
    first)."""
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
@pytest.mark.filterwarnings("ignore:stop:charrnn.errors.CharRNNWarning")
def test_a_sample_ends_before_a_stop_string(
    script: str, stop: tuple[str, ...], expected: str, byte: bool
) -> None:
    length = len(script.encode()) if byte else len(script)
    stream = scripted(script, byte=byte).stream("", SamplingConfig(length=length, stop=stop))
    assert "".join(stream) == expected
    stopped = any(each in script for each in stop)
    assert stream.stop_reason == ("stop" if stopped else "length")


@pytest.mark.parametrize("batch_size", [1, 3])
def test_stop_strings_end_each_of_many_samples(batch_size: int) -> None:
    made = scripted("one ENEND two").samples(
        "", SamplingConfig(stop=("END",)), indices=range(5), batch_size=batch_size, threads=1
    )
    assert [(each.text, each.characters, each.stop_reason) for each in made] == [
        ("one EN", 9, "stop")
    ] * 5


@given(
    script=st.text("ab", min_size=1, max_size=24),
    stops=st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=3).map(tuple),
)
@pytest.mark.filterwarnings("ignore:stop:charrnn.errors.CharRNNWarning")
def test_no_part_of_a_stop_string_is_ever_given(script: str, stops: tuple[str, ...]) -> None:
    config = SamplingConfig(length=len(script), stop=stops)
    pieces = list(scripted(script).stream("", config))
    assert "".join(pieces) == cut(script, stops)
    assert "" not in pieces


def test_what_cannot_become_a_stop_string_is_not_held_back() -> None:
    stream = scripted("abEabEND").stream("", SamplingConfig(length=None, stop=("END",)))
    made = [(piece, stream.characters) for piece in stream]
    assert made == [("a", 1), ("b", 2), ("E", 4), ("a", 4), ("b", 5)]


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


# Regular expressions


@needs_regex
@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_every_text_matches(lines: bool, temperature: float, make_model: MakeModel) -> None:
    import re

    pattern = r"a[b-d]{2,4}(ef?|gh)" if lines else r"a[b-d]{2,4}(e|gh)"
    config = SamplingConfig(length=10, regex=pattern, lines=lines, temperature=temperature)
    sampler = Sampler(make_model())
    samples = list(sampler.samples("hh", config, indices=range(6)))
    assert all(re.fullmatch(pattern, sample.text) for sample in samples)
    assert {sample.stop_reason for sample in samples} == {"stop" if lines else "match"}


@needs_regex
def test_texts_that_match_come_as_often_as_the_model_would_write_them(
    make_model: MakeModel,
) -> None:
    # Where an end is only forbidden, texts that the model hardly ever ends so come too often.
    model = make_model("\nab", sharpness=3.0)
    config = SamplingConfig(regex="[ab]{0,2}a", lines=True, length=6, temperature=1.0)
    sampler = Sampler(model, "numpy")
    count = 400
    samples = list(sampler.samples("", config, indices=range(count)))
    likely = {}
    for length in range(3):
        for letters in itertools.product("ab", repeat=length):
            text = "".join((*letters, "a"))
            ids = model.tokenizer.encode("\n" + text + "\n")
            logits = sampler.engine.advance([ids[:-1]], None)[0][0].astype(np.float64)
            logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
            likely[text] = float(np.exp(logits[np.arange(len(ids) - 1), ids[1:]].sum()))
    whole = sum(likely.values())
    assert whole < 0.9  # or else there is nothing to steer
    expected = np.array([count * each / whole for each in likely.values()])
    assert expected.min() > 2
    found = np.array([sum(sample.text == text for sample in samples) for text in likely])
    assert found.sum() == count
    chi_square = ((found - expected) ** 2 / expected).sum()
    degrees = len(likely) - 1
    assert chi_square < degrees + 4 * math.sqrt(2 * degrees)


@needs_regex
@pytest.mark.parametrize("engine", ENGINES)
def test_the_nats_of_a_text_that_matches_are_the_models_own_score(
    engine: str, make_model: MakeModel
) -> None:
    model = make_model()
    config = SamplingConfig(regex="(ab|cd|e[f-h]+){3,5}h", length=20)
    for each in Sampler(model, engine).samples("ab", config, indices=range(3), score=True):
        ids = model.tokenizer.encode("ab" + each.text)
        expected = exact_log_probabilities(ENGINES[engine](model), ids)[1:]
        np.testing.assert_allclose(each.log_probabilities, expected, rtol=0, atol=1e-5)
        assert each.nats == pytest.approx(-expected.sum(), rel=1e-5)


@needs_regex
def test_a_stream_of_a_text_that_matches_is_the_sample(make_model: MakeModel) -> None:
    sampler = Sampler(make_model())
    config = SamplingConfig(regex="[a-d]{3,5}h", length=20, seed=3)
    (sample,) = sampler.samples("ab", config, indices=[4], score=True)
    stream = sampler.stream("ab", config, index=4, log_probabilities=True)
    assert "".join(stream) == sample.text
    assert (stream.characters, stream.nats, stream.stop_reason) == (
        sample.characters,
        sample.nats,
        "match",
    )
    assert tuple(stream.log_probabilities) == sample.log_probabilities


@needs_regex
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_text_that_matches_and_has_no_room_to_go_on_ends(
    temperature: float, make_model: MakeModel
) -> None:
    config = SamplingConfig(regex="a(bc){9,}", length=20, temperature=temperature)
    assert Sampler(make_model()).sample("", config) == "a" + 9 * "bc"


@needs_regex
def test_a_text_that_may_end_does_when_the_model_would_go_on_otherwise(
    make_model: MakeModel,
) -> None:
    model = make_model("\nab", sharpness=3.0)
    config = SamplingConfig(regex="[ab]{1,3}", length=6, temperature=1.0)
    sampler = Sampler(model, "numpy")
    count = 400
    samples = list(sampler.samples("", config, indices=range(count)))
    likely = {}
    for length in (1, 2, 3):
        for letters in itertools.product("ab", repeat=length):
            text = "".join(letters)
            ids = model.tokenizer.encode("\n" + text)
            logits = sampler.engine.advance([ids], None)[0][0].astype(np.float64)
            follows = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
            newline = float(follows[-1, model.tokenizer.encode("\n")[0]])
            begins = float(follows[np.arange(length), ids[1:]].prod())
            likely[text] = begins * (newline if length < 3 else 1.0)
    whole = sum(likely.values())  # less what the model would begin with a newline
    expected = np.array([count * each / whole for each in likely.values()])
    found = np.array([sum(sample.text == text for sample in samples) for text in likely])
    assert found.sum() == count
    assert {sample.stop_reason for sample in samples} == {"match"}
    seen = expected > 2  # chi-square is for what is expected a few times
    chi_square = ((found - expected) ** 2 / expected)[seen].sum()
    degrees = int(seen.sum()) - 1
    assert degrees > 4
    assert chi_square < degrees + 4 * math.sqrt(2 * degrees)


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


def test_the_engine_is_the_fastest_that_needs_no_torch(make_model: MakeModel) -> None:
    model = make_model()
    assert type(Sampler(model).engine) is type(best_engine(model))
