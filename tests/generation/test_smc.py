import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from charrnn.engines import ENGINES
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model
from tests.exact_scores import exact_log_probabilities
from tests.patterns import needs_regex

MakeModel = Callable[..., Model]

pytestmark = [needs_regex, pytest.mark.usefixtures("patterns_compile_here")]


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
    assert whole < 0.9  # or else nothing is constrained
    expected = np.array([count * each / whole for each in likely.values()])
    assert expected.min() > 2
    found = np.array([sum(sample.text == text for sample in samples) for text in likely])
    assert found.sum() == count
    chi_square = ((found - expected) ** 2 / expected).sum()
    degrees = len(likely) - 1
    assert chi_square < degrees + 4 * math.sqrt(2 * degrees)


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


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_text_that_matches_and_has_no_room_to_go_on_ends(
    temperature: float, make_model: MakeModel
) -> None:
    config = SamplingConfig(regex="a(bc){9,}", length=20, temperature=temperature)
    assert Sampler(make_model()).sample("", config) == "a" + 9 * "bc"


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
