"""JSON that every reader takes: text that is no valid Unicode stands there with its bytes beside
it.

Bytes that are not UTF-8, which a byte model writes and any file may have, are lone surrogates in
Python's strings; strict readers of JSON refuse those.
"""

import json
import re
from base64 import b64encode
from typing import Any, Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_STEERING: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def dumps(data: object, **settings: Any) -> str:
    """`json.dumps`, U+FFFD in the place of each byte that is no part of a character.

    In an object, the string's own bytes in base64 follow it: those of `text` as `bytes`, those of
    any other key as `KEY_bytes`. What could steer a terminal is escaped, also without
    `ensure_ascii`.
    """
    return _STEERING.sub(_escaped, json.dumps(_valid(data), **settings))


def with_bytes(name: str, text: str) -> dict[str, str]:
    """A string of an object as valid Unicode, and its bytes."""
    beside = "bytes" if name == "text" else f"{name}_bytes"
    return {name: _valid(text), beside: b64encode(_bytes(text)).decode()}


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _valid(data: Any) -> Any:
    if isinstance(data, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", data)
    if isinstance(data, dict):
        valid: dict[Any, Any] = {}
        for key, value in data.items():
            name = _valid(key)
            if isinstance(value, str) and _SURROGATE.search(value):
                valid |= with_bytes(name, value)
            else:
                valid[name] = _valid(value)
        return valid
    if isinstance(data, list | tuple):
        return [_valid(each) for each in data]
    return data


def _bytes(text: str) -> bytes:
    """What a text stands for; half a pair, which stands for no byte, as JavaScript would have
    it."""
    return b"".join(
        character.encode("utf-8", "surrogateescape" if character >= "\udc80" else "surrogatepass")
        for character in text
    )
