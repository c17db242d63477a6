from typing import Any

import pytest

from charrnn.data.tokenizer import REPLACEMENT, CharTokenizer
from charrnn.generation.config import SamplingConfig
from charrnn.generation.ineffective_settings import ineffective_settings

ALPHABET = "\nabcdENDX"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"ban": "§a"}, ["ban: the model has never seen '§', which has no effect"]),
        ({"only": "§a☃"}, ["only: the model has never seen '§' '☃', which has no effect"]),
        (
            {"stop": ("a§", "b")},
            ["stop 'a§': the model has never seen '§', so it never ends a text"],
        ),
        (
            {"stop": ("\u0301",)},
            [
                "stop '◌\u0301' (U+0301): the model has never seen '◌\u0301' (U+0301), "
                + "so it never ends a text"
            ],
        ),
        ({"stop": ("ab",), "ban": "b"}, ["stop 'ab': ban excludes 'b', so it never ends a text"]),
        ({"lines": True, "ban": "\n"}, [r"lines: ban excludes '\n', so it never ends a text"]),
        ({"stop": ("a",), "ban": "b", "only": "cd", "lines": True}, []),
        ({"regex": "a", "lines": True, "ban": "\n"}, []),
    ],
)
def test_what_has_no_effect_is_told(settings: dict[str, Any], says: list[str]) -> None:
    found = ineffective_settings(SamplingConfig(**settings), CharTokenizer(ALPHABET))
    assert [setting.message for setting in found] == says


def test_what_is_folded_is_told() -> None:
    (found,) = ineffective_settings(SamplingConfig(ban="☃"), CharTokenizer("ab" + REPLACEMENT))
    assert (
        found.message
        == "ban: the model has never seen '☃', which is read as U+FFFD, like rare characters"
    )
