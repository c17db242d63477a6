import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer
from charrnn.engines import NumPyEngine
from charrnn.explanation.attention_map import attention_map
from charrnn.explanation.memory import (
    CONTEXTS,
    attention_looks,
    choose_places,
    context_losses,
    explain_memory,
    forgetting,
    occlude,
)
from charrnn.explanation.surprise import measure_surprisals
from charrnn.explanation.texts import ReadText
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model
from tests.explanation.bigrams import Bigrams

TOKENIZER = CharTokenizer("ab c")
TABLE = np.random.default_rng(0).standard_normal((4, 4))


def text_of(count: int) -> ReadText:
    ids = np.random.default_rng(1).integers(0, 4, count)
    return ReadText.of("".join("ab c"[each] for each in ids), TOKENIZER, beginning=0)


def test_a_bigram_model_needs_one_character_of_context() -> None:
    text, engine = text_of(3000), Bigrams(TABLE)
    nats = measure_surprisals(engine, text, 0).of_ids
    found = context_losses(engine, text, nats, windows=5)
    assert [each.characters for each in found] == list(CONTEXTS)
    full = float(nats.mean()) / math.log(2)
    assert all(each.bits == pytest.approx(full) for each in found)
    assert found[0].predictions == 5  # exactly one character
    assert found[-1].predictions == 5 * (2 * 128 + 1)


def test_short_texts_have_short_contexts() -> None:
    text, engine = text_of(20), Bigrams(TABLE)
    nats = measure_surprisals(engine, text, 0).of_ids
    found = context_losses(engine, text, nats, windows=3)
    assert [each.characters for each in found] == [1, 2, 4, 8, 16]
    assert context_losses(engine, text_of(1), nats[:1], windows=3) == ()


def test_contexts_are_compared_on_the_same_text(make_model: Callable[..., Model]) -> None:
    """What costs more with little context is told from what is harder: a window's prediction after
    n characters is compared with the same prediction after all."""
    model = make_model("ab c", cell="gru", hidden_size=8)
    text = ReadText.of("ab ccab abba c" * 90, model.tokenizer, 0)
    engine = NumPyEngine.of(model)
    nats = measure_surprisals(engine, text, 0).of_ids
    found = {each.characters: each.bits for each in context_losses(engine, text, nats, windows=400)}
    costs = []
    for begin in range(len(text.ids) - 1):
        logits = engine.advance(text.ids[None, begin : begin + 1], None)[0][0, 0].astype(float)
        total = math.log(np.exp(logits).sum())
        costs.append((total - logits[text.ids[begin + 1]]) / math.log(2))
    assert found[1] == pytest.approx(float(np.mean(costs)), abs=0.1)
    assert found[1024] == pytest.approx(float(nats.mean()) / math.log(2), abs=0.01)


def test_a_layer_without_recurrent_weights_forgets_at_once(
    make_model: Callable[..., Model],
) -> None:
    model = make_model("ab c", cell="rnn", layers=1)
    still = model.tensors["rnn.weight_hh_l0"] * 0
    model = replace(model, tensors=dict(model.tensors) | {"rnn.weight_hh_l0": still})
    (found,) = forgetting(model, text_of(900))
    assert found.distances[:3] == (0, 1, 2)
    assert found.difference[0] > 0.5
    assert found.difference[1:] == (0,) * (len(found.distances) - 1)


def test_a_bigram_model_looks_at_the_last_character_alone() -> None:
    text, engine = text_of(100), Bigrams(TABLE * 3)
    found = occlude(engine, text, place=80)
    logits = engine.table[text.ids[79]].astype(float)
    expected = math.log(np.exp(logits).sum()) - logits[text.ids[80]]
    assert found.nats == pytest.approx(expected, rel=1e-5)
    assert found.character == text.text[80]
    effects = dict(found.earlier)
    assert list(effects) == list(range(80 - 48, 80))
    assert abs(effects.pop(79)) > 0.01
    assert max(map(abs, effects.values())) < 1e-6


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_beginning_of_a_text_has_few_earlier_characters(place: int) -> None:
    found = occlude(Bigrams(TABLE), text_of(10), place)
    assert [earlier for earlier, _ in found.earlier] == list(range(place))


def test_the_bytes_of_a_character_are_occluded_together() -> None:
    text = ReadText.of("éaéb", ByteTokenizer(), beginning=10)
    table = np.random.default_rng(2).standard_normal((256, 256))
    found = occlude(Bigrams(table), text, place=3)
    assert [earlier for earlier, _ in found.earlier] == [0, 1, 2]


def test_places_are_of_both_kinds_and_of_what_is_shown() -> None:
    nats = np.tile([0.0] * 9 + [5.0], 50)
    places = choose_places(nats, shown=300)
    assert places == sorted(set(places))
    assert max(places) < 300
    assert {float(nats[place]) for place in places} == {0.0, 5.0}
    assert len(choose_places(np.ones(1), shown=1)) <= 1


@pytest.mark.parametrize("characters", ["\n abcé", None])
def test_attention_is_that_of_the_attention_map(
    characters: str | None, make_model: Callable[..., Model]
) -> None:
    model = make_model(characters, attention=6)
    text = "abé cab a\nc"
    sampler = Sampler(model)
    read = ReadText.of(text, model.tokenizer, sampler.prompt_ids("")[0])
    found = attention_looks(model, read, looks=len(text))
    assert found is not None
    assert len(found.looks) == len(text)
    assert len(found.by_distance) == found.window == 6
    # The map reads no newline before the text, so that only the states of the text can be compared.
    seen = attention_map(model, "", text).looks
    for place in range(8, len(text)):
        largest = {place - distance for distance, _ in found.looks[place]}
        row = seen[place]
        strong = {place - len(row) + int(j) for j in np.flatnonzero(row >= 0.02)}
        assert strong <= largest
    for looks in found.looks:
        assert sum(weight for _, weight in looks) <= 1 + 1e-5
        assert all(distance >= 1 for distance, _ in looks)


def test_a_model_without_attention_looks_at_nothing(make_model: Callable[..., Model]) -> None:
    model = make_model("ab c")
    text = text_of(400)
    engine = NumPyEngine.of(model)
    nats = measure_surprisals(engine, text, 0).of_ids
    found = explain_memory(model, engine, text, nats, shown=400, windows=2, places=[30])
    assert found.attention is None
    assert [each.place for each in found.occlusions] == [30]
    assert [each.layer for each in found.forgetting] == [0, 1]
    assert found.full_bits == pytest.approx(float(nats.mean()) / math.log(2))
