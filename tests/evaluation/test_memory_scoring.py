import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from charrnn.data.tokenizer import CharTokenizer, Ids
from charrnn.engines import ENGINES, int8_engine
from charrnn.engines.memory import Memory
from charrnn.errors import ConfigError, ModelError
from charrnn.evaluation import memory_scoring
from charrnn.evaluation.dynamic_evaluation import AdaptationConfig, Adapter
from charrnn.evaluation.memory_scoring import score_adapted_with_memory, score_with_memory
from charrnn.evaluation.protocols import score, score_adapted
from charrnn.evaluation.scoring import evaluate
from charrnn.storage.model_directory import Model

MakeModel = Callable[..., Model]
TOKENIZER = CharTokenizer("\n abcdefgh")
TEXT = "ab cab\nbad cab ab\nfed gab\n"


def ids_of(model: Model, text: str) -> Ids:
    return model.tokenizer.encode(text)


def test_it_is_the_score_of_a_plain_loop(make_model: MakeModel) -> None:
    model = make_model()
    engine, ids = int8_engine(model), ids_of(model, TEXT * 3)
    memory = Memory.of(TOKENIZER)
    memory.learn(ids[:1])
    logits, _ = engine.advance([ids[:-1]], None)
    expected = sum(
        float(memory.score(ids[place + 1 : place + 2], logits[0, place : place + 1])[0])
        for place in range(len(ids) - 1)
    ) / (len(ids) - 1)
    found = score_with_memory(engine, Memory.of(TOKENIZER), ids)
    assert found.nats == pytest.approx(expected, rel=1e-12)
    assert found.network == pytest.approx(score(engine, ids), rel=1e-6)


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_it_does_not_depend_on_how_the_text_is_cut(
    chunk: int, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    engine, ids, told = int8_engine(model), ids_of(model, TEXT * 3), []
    expected = score_with_memory(engine, Memory.of(TOKENIZER), ids)
    monkeypatch.setattr(memory_scoring, "_CHUNK", chunk)
    found = score_with_memory(engine, Memory.of(TOKENIZER), ids, lambda *each: told.append(each))
    assert found == pytest.approx(expected, rel=1e-12)
    assert told[-1] == (len(ids), len(ids)) and sorted(told) == told


def test_a_text_that_was_read_before_costs_less(make_model: MakeModel) -> None:
    model = make_model()
    ids = ids_of(model, TEXT * 4)
    cold = evaluate(model, ids, memory=True)
    primed = evaluate(model, ids, memory=True, training=ids)
    assert primed.nats_per_character < cold.nats_per_character < cold.network_nats_per_character  # type: ignore[operator]
    assert primed.network_nats_per_character == cold.network_nats_per_character
    assert primed.baselines and not cold.baselines


def test_the_network_reads_with_the_int8_engine_unless_another_is_asked_for(
    make_model: MakeModel,
) -> None:
    model = make_model()
    ids = ids_of(model, TEXT * 3)
    found = evaluate(model, ids, memory=True)
    assert (found.protocol, found.engine) == ("memory", "int8")
    assert found.characters == len(ids) - 1 and found.float32_nats_per_character is None
    int8 = evaluate(model, ids, engine="int8")
    assert found.network_nats_per_character == pytest.approx(int8.nats_per_character, rel=1e-6)
    assert int8.network_nats_per_character is None
    exact = evaluate(model, ids, memory=True, engine="float32")
    assert exact.engine == "float32" and exact.nats_per_character != found.nats_per_character
    expected = evaluate(model, ids).nats_per_character
    assert exact.network_nats_per_character == pytest.approx(expected, rel=1e-6)


def test_of_bytes_a_character_is_still_a_character(make_model: MakeModel) -> None:
    model = make_model(None)
    text = "é€ é€ é€ " * 5
    ids = ids_of(model, text)
    found = evaluate(model, ids, memory=True)
    nats = score_with_memory(int8_engine(model), Memory.of(model.tokenizer), ids)
    ratio = len(ids) / len(text)
    assert found.nats_per_character == pytest.approx(nats.nats * ratio, rel=1e-9)
    assert found.network_nats_per_character == pytest.approx(nats.network * ratio, rel=1e-9)


def test_a_network_may_adapt_beside_a_memory(make_model: MakeModel) -> None:
    model = make_model()
    ids = ids_of(model, TEXT * 5)
    config = AdaptationConfig(segment=10)
    found = score_adapted_with_memory(model, config, Memory.of(TOKENIZER), ids)
    assert found.network == pytest.approx(score_adapted(Adapter(model, config), ids), rel=1e-5)
    assert found.nats < found.network
    result = evaluate(model, ids, memory=True, adapt=config)
    assert (result.protocol, result.engine) == ("adapted+memory", "float32")
    assert result.nats_per_character == pytest.approx(found.nats, rel=1e-9)
    assert result.network_nats_per_character == pytest.approx(found.network, rel=1e-9)
    assert evaluate(model, ids, memory=True).nats_per_character != result.nats_per_character


def test_of_a_long_text_the_beginning_is_read(make_model: MakeModel) -> None:
    model = make_model()
    ids = ids_of(model, TEXT * 20)
    found = evaluate(model, ids, memory=True, at_most=100)
    assert found.of_characters == len(ids)
    whole = evaluate(model, ids[:100], memory=True)
    assert found.nats_per_character == whole.nats_per_character


def test_a_memory_needs_a_text_in_its_order(make_model: MakeModel) -> None:
    model = make_model()
    with pytest.raises(ConfigError, match="windows: a memory needs"):
        evaluate(model, ids_of(model, TEXT), memory=True, protocol="windows")


def test_numbers_that_overflow_are_an_error(make_model: MakeModel) -> None:
    model = make_model()
    ids = ids_of(model, TEXT)
    biases = np.full(TOKENIZER.vocabulary_size, np.inf, dtype=np.float32)
    tensors = {**model.tensors, "head.bias": biases}
    broken = dataclasses.replace(model, tensors=tensors)
    with pytest.raises(ModelError, match="overflow"), np.errstate(all="ignore"):
        score_with_memory(ENGINES["numpy"](broken), Memory.of(TOKENIZER), ids)
