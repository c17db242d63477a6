import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import ConfigError, ModelError
from charrnn.storage.json_file import LARGEST_BYTES, from_json, parse_json, to_json
from charrnn.storage.manifest import read_json

PATH = Path("folder/it.json")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=values)
def test_what_is_written_is_read_back_as_it_was(value: object) -> None:
    content = to_json(value)
    assert parse_json(PATH, content) == value
    assert to_json(parse_json(PATH, content)) == content  # a manifest has one spelling


def test_json_is_for_people_to_read() -> None:
    assert to_json({"b": [1], "a": "déjà"}).decode() == (
        '{\n  "b": [\n    1\n  ],\n  "a": "déjà"\n}\n'
    )


def test_the_name_of_a_file_need_not_be_unicode() -> None:
    """A UnicodeEncodeError ended the training at its first checkpoint."""
    name = os.fsdecode(b"caf\xe9")
    assert parse_json(PATH, to_json({"corpus": name})) == {"corpus": name}


NOT_JSON = {
    "nothing": b"",
    "cut off": b'{"a": [1, 2',
    "more": b"{}{}",
    "no UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "mark": b"\xef\xbb\xbf{}",
    "comment": b'{"a": 1} // one',
    "single quotes": b"{'a': 1}",
    "comma": b"[1,]",
    "control": b'"a\nb"',
    "zeros": bytes(100),
    "deep": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 300_000,
    "more digits than Python reads": b"1" * 5000,
}


@pytest.mark.parametrize("content", NOT_JSON)
def test_what_is_no_json_is_one_line_that_names_the_file(content: str) -> None:
    with pytest.raises(ModelError, match=r"^folder/it\.json: ") as caught:
        parse_json(PATH, NOT_JSON[content])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "content",
    [
        '{"a": 1, "a": 1}',
        '{"a": 1, "b": 2, "a": 3}',
        '[{"b": {"a": 1, "\\u0061": 2}}]',
        '{"": 0, "a": null, "a": {}}',
    ],
)
def test_a_key_that_stands_twice_is_refused(content: str) -> None:
    """It means one thing to one reader, another to the next."""
    with pytest.raises(ModelError, match=r"it\.json: the key 'a' appears twice$"):
        parse_json(PATH, content.encode())


def test_a_key_that_stands_twice_is_told_in_one_short_line() -> None:
    content = json.dumps({"\n\x1b[31m" * 1000: 1})[:-1] + ", " + json.dumps({"\n": 1})[1:-1]
    twice = f"{content}, {content[1:]}}}"
    with pytest.raises(ModelError, match="appears twice") as caught:
        parse_json(PATH, twice.encode())
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_among_many_keys_the_one_that_stands_twice_is_found_at_once() -> None:
    """Counting each took the square of their number: half an hour for a file of 4 MB."""
    keys = ",".join(f'"{number}":0' for number in range(20_000))
    began = time.process_time()
    with pytest.raises(ModelError, match="'19999' appears twice"):
        parse_json(PATH, f'{{{keys},"19999":0}}'.encode())
    assert time.process_time() - began < 1


def test_the_same_key_in_two_objects_is_no_mistake() -> None:
    assert parse_json(PATH, b'[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]


@pytest.mark.parametrize("more", [0, 1])
def test_a_file_is_at_most_as_large_as_the_largest_alphabet_needs(
    more: int, tmp_path: Path
) -> None:
    """Python takes up to 24 bytes of memory for one of JSON."""
    path = tmp_path / "it.json"
    path.write_bytes(b"[1]".ljust(LARGEST_BYTES + more))
    if not more:
        assert read_json(path) == [1]
        return
    with pytest.raises(ModelError, match=r"it\.json: too large"):
        read_json(path)


# Config objects


@dataclass(frozen=True)
class Settings:
    size: int
    rate: float
    limit: float | None
    name: str | None
    fast: bool

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ConfigError(f"size {self.size} is below 0")


GOOD: dict[str, Any] = {"size": 3, "rate": 0.5, "limit": None, "name": "x", "fast": True}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rate": 1},
        {"limit": 2},
        {"limit": 0.5},
        {"name": None},
        {"size": 2**63 - 1},
        {"rate": 1.7e308},
    ],
    ids=str,
)
def test_plain_values_make_a_config_object(changes: dict[str, Any]) -> None:
    assert from_json(Settings, GOOD | changes, where="it") == Settings(**(GOOD | changes))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"more": 1}, "'more' is unknown"),
        ({"size": 1.0}, r"size is 1\.0"),
        ({"size": True}, "size is True"),
        ({"size": "3"}, "size is '3'"),
        ({"size": None}, "size is None"),
        ({"size": 2**63}, "size is too large"),
        ({"size": -(2**63)}, "size is too large"),
        ({"rate": 10**400}, "rate is too large"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"rate": float("-inf")}, "rate is -inf"),
        ({"rate": False}, "rate is False"),
        ({"rate": None}, "rate is None"),
        ({"limit": True}, "limit is True"),
        ({"limit": float("inf")}, "limit is inf"),
        ({"name": 5}, "name is 5"),
        ({"fast": 1}, "fast is 1"),
        ({"fast": None}, "fast is None"),
        ({"name": ["x" * 10_000]}, r"name is \['xxx"),
        ({"size": -1}, "size -1 is below 0"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_value_of_another_type_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelError, match=f"^it: {problem}") as caught:
        from_json(Settings, GOOD | changes, where="it")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named(key: str) -> None:
    data = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(ModelError, match=f"^it: '{key}' is missing$"):
        from_json(Settings, data, where="it")


@pytest.mark.parametrize("data", [None, [], 5, "size", [["size", 3]]], ids=str)
def test_what_is_no_object_makes_no_config(data: object) -> None:
    with pytest.raises(ModelError, match="^it: expected an object, found "):
        from_json(Settings, data, where="it")


@dataclass(frozen=True, kw_only=True)
class Grown:
    """Settings that have got another key since some files were written."""

    size: int
    colour: str = field(default="none", metadata={"later": True})
    weight: int = 1


def test_a_key_that_came_later_may_be_missing_and_no_other() -> None:
    assert from_json(Grown, {"size": 3, "weight": 2}, where="it") == Grown(size=3, weight=2)
    assert from_json(Grown, {"size": 3, "weight": 2, "colour": "red"}, where="it").colour == "red"
    with pytest.raises(ModelError, match=r"^it: 'weight' is missing$"):
        from_json(Grown, {"size": 3}, where="it")
    with pytest.raises(ModelError, match=r"^it: colour is 5$"):
        from_json(Grown, {"size": 3, "weight": 2, "colour": 5}, where="it")


@dataclass(frozen=True, kw_only=True)
class Renamed:
    size: int
    readout_scale: float = field(default=1.0, metadata={"formerly": "upward_scale"})


def test_a_key_may_have_the_name_that_it_formerly_had_but_not_both() -> None:
    assert from_json(Renamed, {"size": 3, "upward_scale": 2.0}, where="it").readout_scale == 2
    assert from_json(Renamed, {"size": 3, "readout_scale": 2.0}, where="it").readout_scale == 2
    with pytest.raises(ModelError, match="it: 'upward_scale' is unknown"):
        from_json(Renamed, {"size": 3, "upward_scale": 2.0, "readout_scale": 2.0}, where="it")
    with pytest.raises(ModelError, match="it: 'readout_scale' is missing"):
        from_json(Renamed, {"size": 3}, where="it")
