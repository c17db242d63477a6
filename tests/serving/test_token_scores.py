from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.data.tokenizer import ByteTokenizer
from charrnn.errors import ConfigError, ModelError
from charrnn.evaluation import token_scores
from charrnn.generation.config import SamplingConfig
from charrnn.generation.filters import log_softmax
from charrnn.generation.sampler import Sampler
from charrnn.serving import token_scores as token_scorer
from charrnn.serving.prefix_cache import PrefixCache
from charrnn.serving.token_scores import TokenScorer
from tests.serving.reader import model_of

TEXT = "The fox, 123 AB\ncd. " * 40


@pytest.mark.parametrize("engine", ["int8", "float32", "numpy"])
def test_scores_are_those_of_charrnn_score(engine: str) -> None:
    model = model_of()
    scorer = TokenScorer(Sampler(model, engine))
    found = scorer.score(model.tokenizer.encode(TEXT))
    expected = charrnn.score(model, TEXT, engine=engine)
    np.testing.assert_allclose(found.log_probabilities, expected, rtol=1e-6, atol=1e-6)


def test_ranks_and_likeliest_ids() -> None:
    model = model_of()
    sampler = Sampler(model)
    ids = model.tokenizer.encode(TEXT[:50]).astype(np.int64)
    before = sampler.prompt_ids("")
    logits, _ = sampler.engine.advance([[*before, *ids[:-1]]], None)
    scores = log_softmax(logits[0])
    found = TokenScorer(sampler).score(ids, top=4)
    for place, row in enumerate(scores):
        order = sorted(range(len(row)), key=lambda i: (-row[i], i))
        assert found.top_ids[place].tolist() == order[:4]
        assert found.top_log_probabilities[place].tolist() == [row[i] for i in order[:4]]
        assert found.ranks[place] == 1 + order.index(ids[place])
        assert found.log_probabilities[place] == row[ids[place]]


def test_of_equals_the_smaller_ids_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    model.tensors["head.weight"][:] = 0  # every logit is equal
    model.tensors["head.bias"][:] = 0
    for most in (1024, 1):  # sorted as a whole, or row by row
        monkeypatch.setattr(token_scores, "_SORTED", most)
        found = TokenScorer(Sampler(model)).score([5, 0, 66], top=20)
        assert found.top_ids.tolist() == [list(range(20))] * 3
        assert found.ranks.tolist() == [6, 1, 67]
        np.testing.assert_allclose(found.log_probabilities, -np.log(67))


def test_the_scores_of_a_text_are_those_with_which_it_is_written() -> None:
    sampler = Sampler(model_of())
    prompt = sampler.prompt_ids("A long enough beginning of a text.")
    stream = sampler.stream(
        "A long enough beginning of a text.", SamplingConfig(length=200), log_probabilities=True
    )
    ids = sampler.model.tokenizer.encode("".join(stream))
    cache = PrefixCache()
    scorer = TokenScorer(sampler, cache)
    for _ in range(2):  # the second time, the state after the prompt is known
        found = scorer.score(ids, after=prompt, top=1)
        np.testing.assert_allclose(found.log_probabilities, stream.log_probabilities, rtol=1e-14)
    assert len(cache) == 1


def test_chunks_and_their_length_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = TokenScorer(Sampler(model_of()))
    ids = np.arange(60) % 67
    whole = scorer.score(ids, top=3)
    monkeypatch.setattr(token_scorer, "_CHUNK", 7)
    assert len(list(scorer.stream(ids))) == 9
    for part, expected in zip(scorer.score(ids, top=3), whole, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_nothing_to_score() -> None:
    found = TokenScorer(Sampler(model_of())).score([], top=2)
    assert [part.shape for part in found] == [(0,), (0,), (0, 2), (0, 2)]


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        ([67], {}, "id 67"),
        ([-1], {}, "id -1"),
        ([1], {"after": [99]}, "id 99"),
        ([1], {"after": []}, "nothing to read"),
        ([1], {"top": 68}, "choose from 0 to 67"),
    ],
)
def test_wrong_arguments(ids: list[int], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TokenScorer(Sampler(model_of())).score(ids, **options)


def test_numbers_that_overflow() -> None:
    model = model_of()
    model.tensors["head.bias"][3] = np.nan
    with pytest.raises(ModelError, match="overflow"):
        TokenScorer(Sampler(model)).score([1, 2])


def test_a_model_of_bytes() -> None:
    model = model_of(vocabulary_size=256)
    model = type(model)(model.config, ByteTokenizer(), model.tensors, model.provenance)
    ids = model.tokenizer.encode("Grüße")
    found = TokenScorer(Sampler(model)).score(ids)
    expected = charrnn.score(model, "Grüße", engine="int8")
    assert found.log_probabilities.sum() == pytest.approx(expected.sum(), abs=1e-5)
