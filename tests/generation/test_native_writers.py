import hashlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice, pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.engines import Engine, Int8Engine, Int8NumPyEngine, native_choice
from charrnn.engines.int8_structures import processors
from charrnn.engines.int8_writer import LENGTH, Int8Writer, LaneText, Rules
from charrnn.errors import CharRNNError, ConfigError, ModelError
from charrnn.generation import draw, native_writers
from charrnn.generation.config import SamplingConfig
from charrnn.generation.native_writers import native_rules, new_text
from charrnn.generation.randomness import sample_keys
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model
from tests.engines.int8_models import NETWORKS, drawn_model
from tests.provenance import make_provenance

CHARACTERS = "\n ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,;"

needs_library = pytest.mark.skipif(
    not native_choice.available(), reason="int8.c was not built, or CHARRNN_NATIVE=0"
)


def model_of(network: str = "lstm", **sizes: Any) -> Model:
    """A model whose characters follow one another with very different probabilities."""
    config, tensors = drawn_model(network, **{"hidden_size": 37, "layers": 2, **sizes})
    tensors["head.weight"] *= np.float32(8)
    return Model(config, CharTokenizer(CHARACTERS), tensors, make_provenance())


@contextmanager
def without_c() -> Iterator[None]:
    """Filters and draws by NumPy, a character at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_choice, "available", lambda: False)
        yield


Written = tuple[Any, ...]


def written(engine: Engine, model: Model, prompt: str, config: SamplingConfig) -> Written:
    """A text and its scores, and some texts side by side."""
    sampler = Sampler(model, engine)
    stream = sampler.stream(prompt, config, log_probabilities=True)
    text = "".join(stream)
    several = sampler.samples(prompt, config, indices=range(8), batch_size=3, threads=2, score=True)
    scores = stream.log_probabilities
    return text, stream.nats, scores, stream.characters, stream.stop_reason, list(several)


SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    "repetition_penalty": st.sampled_from([0.5, 1.3, 3.0]),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "repetition_window": st.integers(1, 30),
    "logit_bias": st.dictionaries(st.integers(0, 66), st.floats(-100, 100), max_size=4).map(
        lambda biases: tuple(biases.items())
    ),
    "top_k": st.integers(1, 30),
    "top_p": st.floats(0.05, 1),
    "min_p": st.floats(0.001, 0.9),
    "typical": st.floats(0.05, 1),
    "ban": st.just("aeiou"),
    "only": st.just("aAbBcC dDeE"),
    "stop": st.lists(st.text("AB c", min_size=1, max_size=3), max_size=3).map(tuple),
    "lines": st.booleans(),
    "min_length": st.integers(0, 9),
}


def assert_same(network: str, prompt: str, chosen: dict[str, Any], size: int = 37) -> None:
    config = SamplingConfig(length=40, seed=3, **chosen)
    model = model_of(network, hidden_size=size)
    with without_c():
        expected = written(Int8NumPyEngine.of(model), model, prompt, config)
    for processor in processors():
        engine = Int8Engine(model.config, model.tensors, processor=processor)
        assert native_rules(Sampler(model, engine).request(prompt, config)) is not None
        assert written(engine, model, prompt, config) == expected


@needs_library
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", SETTINGS)
@given(data=st.data())
@settings(max_examples=2, deadline=None)
@pytest.mark.filterwarnings("ignore::charrnn.errors.CharRNNWarning")
def test_c_writes_with_each_setting_what_numpy_writes(
    name: str, network: str, data: st.DataObject
) -> None:
    assert_same(network, "AB", {name: data.draw(SETTINGS[name])})


@needs_library
@given(
    network=st.sampled_from(NETWORKS),
    size=st.sampled_from([37, 101]),  # weights of 16 and of 8 bits
    prompt=st.sampled_from(["", "a", "ABcABc"]),
    chosen=st.fixed_dictionaries({}, optional=SETTINGS),
)
@settings(max_examples=30, deadline=None)
@pytest.mark.filterwarnings("ignore::charrnn.errors.CharRNNWarning")
def test_c_writes_with_settings_together_what_numpy_writes(
    network: str, size: int, prompt: str, chosen: dict[str, Any]
) -> None:
    assert_same(network, prompt, chosen, size)


DIGESTS = {
    ("rnn", 37): ("f9343f54212fd265", "540105bbd5b48718"),
    ("gru", 37): ("fdff4a5ea6895ac2", "3d3ff1790cb380fc"),
    ("lstm", 37): ("a7a59ca239875a15", "93e5ebd22ec263e2"),
    ("attention", 37): ("afc62e653e887f2c", "3dc1587f1dcead03"),
    ("lstm", 101): ("aa8b03e06178e4b9", "5aed2c43a00f38ca"),  # with weights of 8 bits
}
"""Of 20 texts. Another digest is another text for the same seed, on some machine or on all."""

FILTERED = {
    "temperature": 0.9,
    "top_k": 30,
    "top_p": 0.95,
    "min_p": 0.01,
    "typical": 0.98,
    "repetition_penalty": 1.2,
    "stop": ("A", "bc"),
}


def digest(engine: Engine, model: Model, **chosen: Any) -> str:
    config = SamplingConfig(length=100, seed=5, **chosen)
    samples = Sampler(model, engine).samples("AB", config, indices=range(20))
    return hashlib.sha256("|".join(each.text for each in samples).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("network", "size"), DIGESTS)
def test_texts_are_the_same_on_every_machine(network: str, size: int) -> None:
    model = model_of(network, hidden_size=size)
    kinds = processors() if native_choice.available() else ()
    in_c = [Int8Engine(model.config, model.tensors, processor=each) for each in kinds]
    engines: list[Engine] = [Int8NumPyEngine.of(model), *in_c]
    for engine in engines:
        assert (digest(engine, model), digest(engine, model, **FILTERED)) == DIGESTS[network, size]


@needs_library
@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_a_stop_string_may_lie_in_several_pieces(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of()
    config = SamplingConfig(length=300, stop=("ABA", "AB c", "BBBB"), only="AB c", seed=1)
    with without_c():
        expected = [written(Int8NumPyEngine.of(model), model, "", config)]
    monkeypatch.setattr(native_writers, "_MOST_STEPS", most)
    monkeypatch.setattr(native_writers, "_MOST_STEPS_OF_LANES", most)
    assert [written(Int8Engine.of(model), model, "", config)] == expected
    for index in range(20):
        stream = Sampler(model, "int8").stream("", config, index=index)
        pieces = list(stream)
        assert "" not in pieces
        assert not any(stop in "".join(pieces) for stop in config.stop)


@needs_library
def test_pieces_come_soon_and_become_longer() -> None:
    model = model_of()
    endless = Sampler(model, "int8").stream("", SamplingConfig(length=None, seed=2))
    sizes = [len(piece) for piece in islice(endless, 6)]
    assert sizes[0] == 1
    assert all(size <= 4 * before for before, size in pairwise(sizes))
    assert max(sizes) > 16


@needs_library
@pytest.mark.parametrize("most", [1, 3, 1024])
def test_pieces_of_bytes_never_split_a_character(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, tensors = drawn_model("gru", hidden_size=37, layers=2, vocabulary_size=256)
    model = Model(config, ByteTokenizer(), tensors, make_provenance())
    monkeypatch.setattr(native_writers, "_MOST_STEPS", most)
    # bytes that make characters of two and three bytes, and parts of them
    sampling = SamplingConfig(length=200, only="éèê€₭a", seed=4)
    with without_c():
        expected = Sampler(model, Int8NumPyEngine.of(model)).sample("é", sampling)
    pieces = list(Sampler(model, "int8").stream("é", sampling))
    assert "".join(pieces) == expected
    assert "é" in expected
    for piece in pieces:
        assert piece.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == piece


@needs_library
@pytest.mark.parametrize("lanes", [1, 3, 64])
def test_lines_in_lanes_are_those_that_are_written_alone(lanes: int) -> None:
    model = model_of(hidden_size=20)
    config = SamplingConfig(length=60, lines=True, seed=8, temperature=1.0)
    sampler = Sampler(model, "int8")
    indices = [*range(300), 7, 7, 10**7]
    samples = list(
        sampler.samples("", config, indices=indices, batch_size=lanes, threads=2, score=True)
    )
    assert [each.index for each in samples] == indices
    assert len({each.characters for each in samples}) > 10
    for each in samples[::23]:
        stream = sampler.stream("", config, index=each.index)
        assert "".join(stream) == each.text
        assert stream.nats == each.nats


@needs_library
def test_an_endless_supply_of_samples_is_closed() -> None:
    config = SamplingConfig(length=60, lines=True, seed=8)
    samples = Sampler(model_of(), "int8").samples("", config, indices=count(), threads=2)
    assert [each.index for each in islice(samples, 700)] == list(range(700))
    samples.close()


@needs_library
def test_ctrl_c_ends_a_text_within_a_piece() -> None:
    model = model_of(hidden_size=200)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for side_by_side in (False, True):
            sampler = Sampler(model, "int8")
            endless = SamplingConfig(length=None if not side_by_side else 10**7)
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            began = time.perf_counter()
            with pytest.raises(KeyboardInterrupt):
                if side_by_side:
                    list(sampler.samples("", endless, indices=range(64), threads=1))
                else:
                    list(sampler.stream("", endless))
            assert time.perf_counter() - began < 1.5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@needs_library
def test_errors_are_those_of_python() -> None:
    model = model_of()
    sampler = Sampler(model, "int8")
    with pytest.raises(ConfigError, match="min-length"):
        sampler.sample("", SamplingConfig(only="a", stop=("a",), min_length=1))
    broken = {name: each.copy() for name, each in model.tensors.items()}
    broken["head.bias"][3] = np.nan
    lost = Sampler(Model(model.config, model.tokenizer, broken, model.provenance), "int8")
    config = SamplingConfig(length=5)
    with pytest.raises(ModelError, match="overflow"):
        lost.sample("", config)
    with pytest.raises(ModelError, match="overflow"):
        list(lost.samples("", config, indices=range(3)))


@needs_library
def test_a_text_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "LONGEST", 5000)
    sampler = Sampler(model_of(), "int8")
    config = SamplingConfig(length=None, stop=("ABCDEFGHIJ",))
    with pytest.raises(CharRNNError, match="text 2 has no end after"):
        sampler.sample("", config, index=2)
    with pytest.raises(CharRNNError, match="has no end after"):
        list(sampler.samples("", config, indices=range(3)))


def test_what_c_cannot_do_is_left_to_python() -> None:
    model = model_of()
    sampler = Sampler(model, "int8")
    for config in (SamplingConfig(no_repeat_ngram=3), SamplingConfig(length=5, regex="[a-z]+")):
        assert native_rules(sampler.request("", config)) is None
    numpy = Sampler(model, Int8NumPyEngine.of(model))
    assert native_rules(numpy.request("", SamplingConfig())) is None


@needs_library
@pytest.mark.parametrize(
    "large",
    [
        {"repetition_penalty": 1.5, "repetition_window": 10**20},
        {"repetition_penalty": 1.5, "repetition_window": 10**9},
        {"length": (1 << 64) + 3},
        {"length": 1 << 70, "min_length": 1 << 64},
    ],
)
def test_numbers_too_large_for_c_mean_what_they_say(large: dict[str, Any]) -> None:
    model = model_of()
    sampler = Sampler(model, "int8")
    config = SamplingConfig(**({"length": 60} | large))
    assert native_rules(sampler.request("", config)) is None
    beginning = "".join(islice(sampler.stream("", config), 60))
    others = {name: 60 for name in ("length", "min_length", "repetition_window") if name in large}
    assert beginning == sampler.sample("", SamplingConfig(**({"length": 60} | large | others)))
    assert len(beginning) == 60


@needs_library
def test_what_ends_in_the_call_of_an_error_is_given_before_the_error() -> None:
    # After an a, both characters would end a text that is too short.
    likelier = ((CHARACTERS.index("b"), 4.0),)
    config = SamplingConfig(
        only="ab", stop=("aa", "ab"), min_length=3, length=3, seed=2, logit_bias=likelier
    )
    sampler = Sampler(model_of(), "int8")

    def text(index: int) -> str | None:
        try:
            return sampler.sample("", config, index=index)
        except ConfigError:
            return None

    expected = [text(index) for index in range(200)]
    broken = expected.index(None)
    assert any(expected[broken:])
    given: list[str | None] = []
    with pytest.raises(ConfigError, match="min-length"):
        given.extend(
            each.text
            for each in sampler.samples("", config, indices=range(200), batch_size=1, threads=1)
        )
    assert given == expected[:broken]
    assert broken > 1


@needs_library
def test_what_comes_before_an_error_is_streamed() -> None:
    config = SamplingConfig(only="ab", stop=("aa", "ab"), min_length=90, length=100, seed=1)
    model = model_of()
    for index in range(5):
        found = []
        for engine in (Int8Engine.of(model), Int8NumPyEngine.of(model)):
            pieces: list[str] = []
            with pytest.raises(ConfigError, match="min-length"):
                pieces.extend(Sampler(model, engine).stream("", config, index=index))
            found.append("".join(pieces))
        assert found[0] == found[1]


class Streamed(NamedTuple):
    """A text as its stream writes it."""

    rules: Rules
    ids: list[int]
    scores: list[float]


def drawn_text(
    sampler: Sampler, random: np.random.Generator, index: int
) -> tuple[Streamed, LaneText]:
    """A text with random settings."""
    settings: dict[str, Any] = {
        "temperature": float(random.choice([0.0, 0.7, 1.5])),
        "repetition_penalty": float(random.choice([0.7, 1.4])),
        "repetition_window": int(random.choice([1, 20, 64, 200])),
        "presence_penalty": float(random.uniform(-2, 2)),
        "frequency_penalty": float(random.uniform(-2, 2)),
        "logit_bias": ((int(random.integers(67)), float(random.uniform(-9, 9))),),
        "top_k": int(random.integers(2, 50)),
        "top_p": float(random.uniform(0.3, 1)),
        "min_p": float(random.uniform(0.001, 0.2)),
        "ban": "".join(random.choice(list(CHARACTERS), size=5)),
        "stop": ("A", "b ", "ccc"),
        "lines": True,
        "min_length": int(random.integers(30)),
    }
    chosen = {name: value for name, value in settings.items() if random.random() < 0.4}
    config = SamplingConfig(length=int(random.integers(30, 300)), seed=index, **chosen)
    prompt = "".join(random.choice(list(CHARACTERS), size=random.integers(90)))
    request = sampler.request(prompt, config, score=bool(random.random() < 0.5))
    rules = native_rules(request)
    assert rules is not None
    (key,) = sample_keys(config.seed, [index]).tolist()
    stream = sampler.stream(prompt, config, index=index, log_probabilities=True)
    ids = sampler.model.tokenizer.encode("".join(stream)).tolist()
    scores = stream.log_probabilities if rules.scored else []
    return Streamed(rules, ids, scores), new_text(request, rules, key)


@needs_library
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.filterwarnings("ignore::charrnn.errors.CharRNNWarning")
def test_texts_with_different_settings_side_by_side_are_those_of_streams(network: str) -> None:
    model = model_of(network)
    engine, random = Int8Engine.of(model), np.random.default_rng(len(network))
    given = [drawn_text(Sampler(model, engine), random, index) for index in range(20)]
    waiting = {number: text for number, (_, text) in enumerate(given)}
    written: list[tuple[list[int], list[float]]] = [([], []) for _ in given]
    writers = [Int8Writer(engine, count=count, room=40) for count in (2, 5)]
    lanes: list[dict[int, int]] = [{}, {}]
    while waiting or any(lanes):
        which = int(random.integers(2))
        writer, places = writers[which], lanes[which]
        for lane in list(places):
            if random.random() < 0.4:
                waiting[places.pop(lane)] = writer.take(lane)
        for lane in writer.free_lanes:
            if waiting and random.random() < 0.8:
                number = int(random.choice(sorted(waiting)))
                places[lane] = number
                writer.put(lane, waiting.pop(number))
        step = writer.write(int(random.integers(1, 40)))
        for lane, number in list(places.items()):
            ids, scores = written[number]
            ids += step.ids[lane].tolist()
            scores += step.scores[lane].tolist() if given[number][0].rules.scored else []
            if (end := int(step.ends[lane, -1])) != 0:
                assert end >= LENGTH
                del ids[len(ids) - max(end, 0) :], places[lane]
    for (text, _), (ids, scores) in zip(given, written, strict=True):
        assert ids == text.ids
        assert scores == text.scores
