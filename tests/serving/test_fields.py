"""The fields of requests."""

import json
from typing import Any

import pytest

from charrnn.generation.config import SamplingConfig
from charrnn.option_declaration import options_of
from charrnn.serving.api_errors import ApiError
from charrnn.serving.completion_fields import BODY, SETTINGS
from charrnn.serving.configuration_fields import fields_of
from charrnn.serving.fields import Body, Field, Flag, ListOf, Number, OneOrMore, Text
from charrnn.serving.request_body import parse_json
from charrnn.tasks.infill.config import FillConfig, ProofreadConfig

BODY_OF_ALL = Body(
    {
        "text": Field(Text(longest=5), "A text.", required=True),
        "word": Field(Text(choices=("one", "two")), "A word.", default="one"),
        "whole": Field(Number(whole=True, least=0, most=9), "A whole number.", default=3),
        "real": Field(Number(above=0, most=1), "A number."),
        "flag": Field(Flag(), "A flag.", default=False),
        "list": Field(ListOf(Number(whole=True), 1, 3), "A list."),
        "some": Field(OneOrMore(Text(shortest=1), 2), "One or more texts."),
    },
    ignored=("user",),
)


def test_values_are_read_and_what_is_not_given_has_its_default() -> None:
    assert BODY_OF_ALL.read({"text": "abc", "user": {"any": "thing"}, "real": None}) == {
        "text": "abc",
        "word": "one",
        "whole": 3,
        "real": None,
        "flag": False,
        "list": None,
        "some": None,
    }
    given = {"text": "é", "whole": 4.0, "real": 1, "list": [1, -2], "some": "a", "flag": True}
    read = BODY_OF_ALL.read(given)
    assert read["whole"] == 4 and isinstance(read["whole"], int)
    assert read["real"] == 1.0 and isinstance(read["real"], float)
    assert read["some"] == ["a"] and read["list"] == [1, -2]


WRONG: list[tuple[str, Any]] = [
    ("text", None),
    ("text", 1),
    *(("text", each) for each in ("abcdef", "\ud800", "a\udfff")),
    *(("word", each) for each in ("three", 1, "")),
    *(("whole", each) for each in (True, "3", 1.5, -1, 10, 10**400, float("nan"))),
    *(("real", each) for each in (0, 1.5, False, float("inf"), 1e308, -(10**30))),
    ("real", {}),
    *(("flag", each) for each in (0, 1, "true")),
    ("list", []),
    ("list", [1, 2, 3, 4]),
    ("list", [[1]]),
    ("list", [None]),
    ("list", "12"),
    ("list", [True]),
    ("some", ""),
    ("some", ["a", "b", "c"]),
    ("some", [1]),
    ("some", [["a"]]),
    ("some", {}),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_other_values_are_refused_with_the_name_of_their_field(name: str, value: Any) -> None:
    with pytest.raises(ApiError) as caught:
        BODY_OF_ALL.read({"text": "abc", name: value})
    assert (caught.value.status, caught.value.param) == (400, name)
    assert name in caught.value.message and "\n" not in caught.value.message
    assert len(caught.value.message) < 300


def test_unknown_fields_are_refused_as_openai_does() -> None:
    with pytest.raises(ApiError) as caught:
        BODY_OF_ALL.read({"text": "abc", "prompts": 1})
    assert caught.value.message == "Unrecognized request argument supplied: prompts"
    assert caught.value.param == "prompts"
    bodies: tuple[Any, ...] = (None, [], "text", 3)
    for body in bodies:
        with pytest.raises(ApiError, match="JSON object"):
            BODY_OF_ALL.read(body)
    with pytest.raises(ApiError) as caught:
        BODY_OF_ALL.read({"\ud800" * 1000: 1})
    json.loads(caught.value.to_bytes().decode("ascii"))


def test_every_option_of_a_configuration_is_a_field_with_its_limits() -> None:
    for configuration in (SamplingConfig, FillConfig, ProofreadConfig):
        fields = fields_of(configuration)
        assert fields.keys() == options_of(configuration).keys()
        for name, option in options_of(configuration).items():
            schema = fields[name].kind.schema()
            if option.range.least is not None:
                assert schema["minimum"] == option.range.least
            if option.range.most is not None:
                assert schema["maximum"] == option.range.most
    settings = {*options_of(SamplingConfig)} - {"length"}
    assert settings | {"max_tokens", "logit_bias"} <= BODY.fields.keys()
    assert {"top_k", "regex", "lines", "presence_penalty"} <= {*SETTINGS}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"\xff{}", "UTF-8 at byte 0"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b"1" * 5000, "digits"),
        ("\ufeff{}".encode(), "not JSON"),
    ],
)
def test_what_is_not_json_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ApiError, match=message):
        parse_json(content)


def test_a_number_too_large_for_a_float_is_refused() -> None:
    body = parse_json(b'{"prompt": "a", "temperature": 1e400}')
    with pytest.raises(ApiError) as caught:
        BODY.read(body)
    assert caught.value.param == "temperature"
