import contextlib
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from charrnn.data.corpus import Corpus, tokenize, utf8_bytes
from charrnn.data.excerpt import passages
from charrnn.data.tokenizer import ByteTokenizer, Ids
from charrnn.engines import ENGINES
from charrnn.errors import ConfigError, CorpusError, ModelError
from charrnn.evaluation.baselines import baselines
from charrnn.evaluation.dynamic_evaluation import AdaptationConfig, Adapter
from charrnn.evaluation.protocols import PROTOCOLS, WINDOW, WINDOWS, score, score_windows
from charrnn.evaluation.scoring import evaluate, held_out
from charrnn.storage.model_directory import Model

MakeModel = Callable[..., Model]
CorpusOf = Callable[..., Corpus]


def some_ids(model: Model, count: int, seed: int = 0) -> Ids:
    random = np.random.default_rng(seed)
    size = model.config.vocabulary_size
    return random.integers(size, size=count).astype(np.uint8)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_number_follows_from_the_nats(
    engine: str, protocol: str, make_model: MakeModel
) -> None:
    model = make_model("\n aé€😀")  # characters of 1, 1, 1, 2, 3 and 4 bytes
    ids = some_ids(model, 400)
    text = model.tokenizer.decode(ids)
    result = evaluate(model, ids, protocol=protocol, engine=engine)
    running = ENGINES[engine](model)
    nats = score(running, ids) if protocol == "stream" else score_windows(running, ids)[0]
    assert result.nats_per_character == pytest.approx(nats, rel=1e-6)
    assert result.bits_per_character == pytest.approx(nats / math.log(2), rel=1e-6)
    assert result.perplexity == pytest.approx(math.exp(nats), rel=1e-6)
    bytes_per_character = len(text.encode()) / len(text)
    assert result.bits_per_byte == pytest.approx(
        result.bits_per_character / bytes_per_character, rel=1e-6
    )
    assert result.characters == (399 if protocol == "stream" else WINDOWS * WINDOW)
    assert (result.protocol, result.skipped, result.baselines) == (protocol, (), {})
    assert result.engine == running.precision
    exact = evaluate(model, ids, protocol=protocol)
    assert (exact.engine, exact.float32_nats_per_character) == ("float32", None)
    expected = None if running.precision == "float32" else exact.nats_per_character
    assert result.float32_nats_per_character == expected


def test_an_unknown_engine_is_refused(make_model: MakeModel) -> None:
    model = make_model()
    with pytest.raises(ConfigError, match="engine 'abacus': choose from .*int8"):
        evaluate(model, some_ids(model, 9), engine="abacus")


def test_under_a_byte_tokenizer_a_character_is_still_a_character(make_model: MakeModel) -> None:
    # Counted in bytes, a byte model of Chinese would look three times better than it is.
    model = make_model(None)
    text = "né€😀" * 20  # 4 characters, 10 bytes
    result = evaluate(model, model.tokenizer.encode(text))
    assert result.bits_per_character == pytest.approx(result.bits_per_byte * 10 / 4)
    assert result.nats_per_character == pytest.approx(result.bits_per_character * math.log(2))
    assert result.characters == 80
    stream = score(ENGINES["numpy"](model), model.tokenizer.encode(text))
    assert result.bits_per_byte == pytest.approx(stream / math.log(2))


def test_bytes_are_counted_without_making_the_text(make_model: MakeModel) -> None:
    model = make_model("aé€😀")
    ids = some_ids(model, 100)
    assert utf8_bytes(model.tokenizer, ids) == len(model.tokenizer.decode(ids).encode())
    assert utf8_bytes(ByteTokenizer(), ids) == 100


def test_characters_the_model_has_never_seen_are_left_out_and_named(
    tmp_path: Path, make_model: MakeModel
) -> None:
    model = make_model("\n abc")
    (tmp_path / "strange.txt").write_text("abc zab\ncab éz ca" * 9)
    (tmp_path / "plain.txt").write_text("abc ab\ncab  ca" * 9)
    strange = evaluate(model, tmp_path / "strange.txt")
    plain = evaluate(model, str(tmp_path / "plain.txt"))
    assert strange.skipped == ("z", "é")
    assert plain.skipped == ()
    assert strange.nats_per_character == plain.nats_per_character
    assert strange.characters == plain.characters == 14 * 9 - 1


def test_baselines_are_in_bits_and_learn_from_the_training_text(make_model: MakeModel) -> None:
    model = make_model("\n abc")
    training, ids = some_ids(model, 500), some_ids(model, 200, seed=1)
    result = evaluate(model, ids, training=training)
    expected = baselines(training, ids, model.tokenizer)
    assert result.baselines.keys() == {"unigram", "n_gram", "xz"}
    for name, bits in result.baselines.items():
        assert bits == pytest.approx(expected[name] / math.log(2))


def test_a_model_that_is_surely_wrong_is_no_arithmetic_error(make_model: MakeModel) -> None:
    # exp(nats) leaves the range of floats at 710 nats: infinite, or an error of ours.
    model = make_model("ab")
    model.tensors["head.bias"][:] = [0, 2000]
    with contextlib.suppress(ModelError):
        assert evaluate(model, model.tokenizer.encode("a" * 10)).perplexity == math.inf


@pytest.mark.parametrize("text", ["", "a"])
def test_too_short_a_text_is_refused(text: str, make_model: MakeModel) -> None:
    model = make_model("ab")
    with pytest.raises(CorpusError, match="two"):
        evaluate(model, model.tokenizer.encode(text))


def test_a_text_of_strange_characters_only_is_refused(
    tmp_path: Path, make_model: MakeModel
) -> None:
    (tmp_path / "strange.txt").write_text("xyz")
    with pytest.raises(CorpusError):
        evaluate(make_model("ab"), tmp_path / "strange.txt")


def test_a_protocol_that_does_not_exist_is_refused(make_model: MakeModel) -> None:
    model = make_model("ab")
    with pytest.raises(ConfigError, match="stream"):
        evaluate(model, model.tokenizer.encode("abab"), protocol="lanes")


# Adapting


def test_what_was_adapted_is_another_protocol_and_every_number_follows(
    make_model: MakeModel,
) -> None:
    model = make_model("\n aé€😀")
    ids = np.tile(some_ids(model, 50), 20)
    config = AdaptationConfig(segment=16, learning_rate=0.01)
    told: list[tuple[int, int]] = []
    result = evaluate(
        model, ids, adapt=config, progress=lambda done, total: told.append((done, total))
    )
    adapter = Adapter(model, config)
    nats = (adapter.read(ids).sum() + adapter.finish().sum()) / 999
    assert result.protocol == "adapted" not in PROTOCOLS
    assert result.nats_per_character == pytest.approx(nats, rel=1e-9)
    assert result.bits_per_character == pytest.approx(nats / math.log(2))
    assert result.characters == 999
    assert told == [(512, 1000), (1000, 1000)]
    assert nats < evaluate(model, ids).nats_per_character - 0.15
    usual = evaluate(model, ids, adapt=True)
    assert usual == evaluate(model, ids, adapt=AdaptationConfig()) != result
    for off in (None, False):
        assert evaluate(model, ids, adapt=off).protocol == "stream"


def test_adapting_to_bytes_counts_characters_too(make_model: MakeModel) -> None:
    model = make_model(None)
    result = evaluate(model, model.tokenizer.encode("né€😀" * 20), adapt=True)
    assert result.bits_per_character == pytest.approx(result.bits_per_byte * 10 / 4)
    assert result.characters == 80


@pytest.mark.parametrize(
    ("setting", "value", "word"), [("protocol", "windows", "order"), ("engine", "numpy", "engine")]
)
def test_what_cannot_be_adapted_is_refused(
    setting: str, value: str, word: str, make_model: MakeModel
) -> None:
    model = make_model("ab")
    with pytest.raises(ConfigError, match=word):
        evaluate(model, model.tokenizer.encode("abab"), adapt=True, **{setting: value})  # type: ignore[arg-type]


def test_adapting_what_overflows_is_refused(make_model: MakeModel) -> None:
    model = make_model("ab")
    model.tensors["head.weight"][:] = 3e38
    with pytest.raises(ModelError, match="overflow"):
        evaluate(model, model.tokenizer.encode("abab" * 20), adapt=True)


# The held-out text of the corpus that was learned


def with_provenance(model: Model, corpus: Corpus, *, lines: bool) -> Model:
    provenance = dataclasses.replace(
        model.provenance, sha256=tokenize(corpus).sha256, validation_fraction=0.2, lines=lines
    )
    return dataclasses.replace(model, provenance=provenance)


@pytest.mark.parametrize("lines", [False, True])
def test_the_held_out_text_is_that_of_the_training(
    lines: bool, make_model: MakeModel, corpus_of: CorpusOf
) -> None:
    corpus = corpus_of("abc\nbca\ncab\n" * 10)
    model = with_provenance(make_model("\nabc"), corpus, lines=lines)
    text = tokenize(corpus, tokenizer=model.tokenizer)
    training, validation = held_out(model, text)
    expected = text.split(0.2, lines=lines)
    np.testing.assert_array_equal(training, expected[0])
    np.testing.assert_array_equal(validation, expected[1])
    assert len(validation) == pytest.approx(0.2 * 120, abs=4)


def test_another_text_has_no_held_out_part(make_model: MakeModel, corpus_of: CorpusOf) -> None:
    model = with_provenance(make_model("\nabc"), corpus_of("abc\n" * 30), lines=False)
    other = tokenize(corpus_of("abc\n" * 31, "other"), tokenizer=model.tokenizer)
    with pytest.raises(CorpusError, match="other"):
        held_out(model, other)


# Of a long text, a part


def test_of_a_long_text_passages_from_all_over_it_are_read(make_model: MakeModel) -> None:
    """`charrnn evaluate` had no end on large text."""
    model = make_model("abcd")
    ids = np.repeat(np.arange(4, dtype=np.uint8), 5000)
    told: list[tuple[int, int]] = []
    result = evaluate(model, ids, at_most=6400, progress=lambda *each: told.append(each))
    assert (result.characters, result.of_characters) == (6399, 20_000)
    assert told[-1] == (6400, 6400)
    read = passages(ids, 6400)
    assert np.bincount(read).tolist() == [1600, 1600, 1600, 1600]
    assert evaluate(model, read).nats_per_character == result.nats_per_character
    whole = evaluate(model, ids, at_most=20_000)
    assert (whole.characters, whole.of_characters) == (19_999, None)


def test_a_part_of_a_text_is_not_looked_for_in_a_large_training_text(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.evaluation.scoring._LARGEST_SEARCHED", 400)
    model, ids = make_model("abcd"), np.arange(4, dtype=np.uint8).repeat(200)
    for training, at_most, share in ((ids[:400], 9, 0), (ids[:401], 9, None), (ids, None, 0)):
        result = evaluate(model, ids, training=training, at_most=at_most)
        assert result.copied_from_training == share


def test_while_adapting_the_beginning_of_a_long_text_is_read(make_model: MakeModel) -> None:
    model = make_model("abcd")
    ids = np.repeat(np.arange(4, dtype=np.uint8), 500)
    result = evaluate(model, ids, adapt=True, at_most=640)
    assert (result.characters, result.of_characters) == (639, 2000)
    assert result.nats_per_character == evaluate(model, ids[:640], adapt=True).nats_per_character
