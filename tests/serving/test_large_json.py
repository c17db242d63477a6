import json
from typing import Any

import pytest

from charrnn.serving.large_json import encode_in_slices


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 1.5, "ä\u2028\x00", [], {}, [[]], {"a": {}}, [1], {"a": [{"b": None}]}),
        {
            "choices": [
                {"text": "a", "logprobs": {"top": [{"x": -1.0}, None] * 1000, "n": [1] * 257}}
            ]
        },
        [list(range(256)), list(range(256 * 3)), {"é": list(range(1000))}],
    ],
    ids=lambda value: str(value)[:20],
)
def test_slices_make_the_same_json(value: Any) -> None:
    assert encode_in_slices(value) == json.dumps(value, separators=(",", ":")).encode()


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    text = b"\xe4\xc3\xa9".decode(errors="surrogateescape")
    assert encode_in_slices({text: [text]}, ascii=False).decode() == '{"�é":["�é"]}'
