from typing import Any

import pytest

from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_k": 0},
        {"top_k": -3},
        *({name: p} for name in ("top_p", "min_p", "typical") for p in (0.0, 1.1, float("nan"))),
        {"repetition_penalty": 0.0},
        {"repetition_penalty": -1.0},
        {"repetition_penalty": float("nan")},
        {"repetition_penalty": float("inf")},
        *(
            {f"{name}_penalty": value}
            for name in ("presence", "frequency")
            for value in (-2.1, 2.1, float("nan"), float("-inf"))
        ),
        *(
            {"logit_bias": pairs}
            for pairs in (
                {3: 1.0},
                [(3, 1.0)],
                ([3, 1.0],),
                ((3, 1.0, 2.0),),
                ((3,),),
                (3, 1.0),
                (("3", 1.0),),
                ((3.0, 1.0),),
                ((True, 1.0),),
                ((3, True),),
                ((3, "1"),),
                ((3, None),),
                ((3, 100.5),),
                ((3, -101),),
                ((3, 10**400),),
                ((3, float("nan")),),
                ((3, float("inf")),),
                ((3, 1.0), (4, 1.0), (3, 2.0)),
            )
        ),
        {"length": -1},
        {"length": 2.5},
        {"min_length": -1},
        {"repetition_window": 0},
        {"no_repeat_ngram": 0},
        {"seed": -1},
        {"temperature": "warm"},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ConfigError, match=name.replace("_", "-")):
        SamplingConfig(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"length": None, "seed": 10**400},
        {"temperature": 0.0},
        {"top_k": 1, "top_p": 1.0, "min_p": 1.0, "typical": 1.0, "repetition_penalty": 0.1},
        {"presence_penalty": -2.0, "frequency_penalty": 2, "logit_bias": ((3, -100), (0, 1e-3))},
        {"temperature": 9.0, "top_k": 5, "top_p": 1e-9, "min_p": 1e-9, "typical": 1e-9},
    ],
    ids=str,
)
def test_settings_in_range_pass(settings: dict[str, Any]) -> None:
    SamplingConfig(**settings)


@pytest.mark.parametrize("other", [{"stop": ("e",)}, {"min_length": 3}], ids=str)
def test_a_pattern_says_by_itself_where_a_text_ends(other: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        SamplingConfig(regex="a+", **other)
    assert SamplingConfig(regex="a+", stop=(), min_length=0).stops == ()


def test_stop_strings_are_a_tuple_of_some_that_are_not_empty() -> None:
    with pytest.raises(ConfigError, match="tuple"):
        SamplingConfig(stop="end")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="empty"):
        SamplingConfig(stop=("end", ""))
