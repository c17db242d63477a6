"""JSON whose text is valid Unicode, with the bytes beside what was none."""

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.cli.unicode_json import dumps


@pytest.mark.parametrize("ascii_only", [True, False])
def test_broken_text_has_its_bytes_beside_it(ascii_only: bool) -> None:
    data = {"text": "a\udcff", "prompt": "é\udce9", "gaps": [{"filled": "\udc80"}], "n": ("x", 1)}
    written = dumps(data, ensure_ascii=ascii_only)
    written.encode()  # or else it would raise
    read = json.loads(written)
    assert read == {
        "text": "a\ufffd",
        "bytes": "Yf8=",
        "prompt": "é\ufffd",
        "prompt_bytes": "w6np",
        "gaps": [{"filled": "\ufffd", "filled_bytes": "gA=="}],
        "n": ["x", 1],
    }
    assert b64decode(read["prompt_bytes"]).decode("utf-8", "surrogateescape") == data["prompt"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"))


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    )
)
def test_valid_text_is_as_it_was(data: Any) -> None:
    assert dumps(data, indent=1) == json.dumps(data, indent=1)


@given(text=st.text(st.characters()))
def test_any_text_is_valid_and_as_long_as_it_was(text: str) -> None:
    read = json.loads(dumps({"text": text}))["text"]
    read.encode()
    assert len(read) == len(text)


def test_what_could_steer_a_terminal_is_escaped() -> None:
    shown = dumps({"text": "é\x9b2J\x7f\u202e"}, ensure_ascii=False)
    assert shown == '{"text": "é\\u009b2J\\u007f\\u202e"}'
