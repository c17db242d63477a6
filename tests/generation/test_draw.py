import warnings

import numpy as np
import pytest

from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import ConfigError, ModelError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.constraints import Constraints, Draft
from charrnn.generation.draw import check_finite, choose, log_probabilities

FOUR = np.log(np.array([[0.1, 0.4, 0.2, 0.3]], dtype=np.float32))
"""Four hand-made probabilities, of a, b, c and d."""

EVERY_FILTER = SamplingConfig(
    repetition_penalty=1.5, temperature=0.5, top_k=3, top_p=0.9, min_p=0.1, typical=0.9
)


def constraints(config: SamplingConfig) -> Constraints:
    return Constraints(config, CharTokenizer("abcd"))


def chosen(config: SamplingConfig, uniform: float, prompt: tuple[int, ...] = ()) -> int:
    made = constraints(config)
    return int(choose(FOUR, made, [Draft(made, prompt)], np.array([uniform]))[0])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "abbbbccddd"),
        ({"temperature": 0.0}, "b"),
        ({"top_k": 2}, "bd"),
        ({"top_p": 0.3}, "b"),
        ({"min_p": 0.6}, "bd"),
        ({"typical": 0.2}, "d"),
        ({"ban": "bd"}, "ac"),
        ({"only": "a"}, "a"),
        ({"repetition_penalty": 50.0}, "acd"),  # b came
        ({"presence_penalty": 2.0, "frequency_penalty": 2.0}, "abcd"),  # but was not written
        ({"logit_bias": ((1, -100.0),)}, "acd"),
        ({"logit_bias": ((2, 100),)}, "c"),
        ({"no_repeat_ngram": 1}, "acd"),
    ],
    ids=str,
)
def test_every_setting_reaches_the_choice(settings: dict[str, float], expected: str) -> None:
    config = SamplingConfig(**({"temperature": 1.0} | settings))  # type: ignore[arg-type]
    made = {"abcd"[chosen(config, uniform, (1,))] for uniform in np.linspace(0.001, 0.999, 99)}
    assert made == set(expected)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.nan])
@pytest.mark.parametrize(
    "config",
    [
        SamplingConfig(),
        EVERY_FILTER,
        SamplingConfig(temperature=0),
        *(SamplingConfig(**{name: 0.5}) for name in ("top_p", "min_p", "typical")),  # type: ignore[arg-type]
        SamplingConfig(top_k=1),
        SamplingConfig(top_k=2),
        SamplingConfig(ban="c"),  # whose number it is
        SamplingConfig(repetition_penalty=2.0),
        SamplingConfig(frequency_penalty=2.0, presence_penalty=1.0, logit_bias=((2, -100.0),)),
    ],
)
def test_numbers_that_overflow_are_the_models_fault(config: SamplingConfig, wrong: float) -> None:
    made = constraints(config)
    logits = np.repeat(FOUR, 3, axis=0)
    logits[1, 2] = wrong
    drafts = [Draft(made) for _ in range(3)]
    with warnings.catch_warnings(), pytest.raises(ModelError, match="overflow"):
        warnings.simplefilter("error")
        choose(logits, made, drafts, np.full(3, 0.5))


def test_numbers_that_are_large_are_no_fault() -> None:
    logits = np.array([[3e38, 3e38, -3e38, 0]], dtype=np.float32)  # their sum overflows
    made = constraints(SamplingConfig())
    assert choose(logits, made, [Draft(made)], np.array([0.6])).tolist() == [1]


def test_large_numbers_whose_sum_overflows_are_finite() -> None:
    check_finite(np.full((2, 3), 3e38, dtype=np.float32))
    with pytest.raises(ModelError, match="overflow"):
        check_finite(np.array([[np.inf, -np.inf, 3e38]], dtype=np.float32))


def test_where_nothing_may_come_the_settings_are_at_fault() -> None:
    # A text of x alone may not end, and nothing but its end may come.
    config = SamplingConfig(only="a", stop=("a",), min_length=1)
    with pytest.raises(ConfigError, match="min-length"):
        chosen(config, 0.5)


def test_log_probabilities_are_the_models_own() -> None:
    logits = np.concatenate([FOUR, FOUR + 5, FOUR - 700])
    np.testing.assert_allclose(
        log_probabilities(logits, np.array([0, 1, 3])), np.log([0.1, 0.4, 0.3]), rtol=1e-4
    )


def test_log_probabilities_are_the_same_in_any_company() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(40, 101)).astype(np.float32)
    ids = random.integers(101, size=40)
    together = log_probabilities(logits, ids)
    for row in range(40):
        alone = log_probabilities(logits[row : row + 1], ids[row : row + 1])
        assert alone.tolist() == [together[row]]


def test_logits_are_left_as_they_were() -> None:
    logits = FOUR.copy()
    log_probabilities(logits, np.array([1]))
    made = constraints(EVERY_FILTER)
    choose(logits, made, [Draft(made)], np.array([0.5]))
    np.testing.assert_array_equal(logits, FOUR)
