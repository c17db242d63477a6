"""JSON output that strict readers accept: invalid Unicode is replaced, and its bytes are added.

Bytes that are not UTF-8, which a byte model may write and any file may have, are lone surrogates in
Python's strings. Strict readers of JSON refuse those.
"""

import json
import re
from base64 import b64encode
from typing import Any, Final

from charrnn.wording import valid_text

_STEERING: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def dumps(data: object, **settings: Any) -> str:
    """Return `json.dumps` of the data, with U+FFFD for each byte that is not part of a character.

    In an object, the bytes of such a string follow it in base64: those of `text` as `bytes`, those
    of any other key as `KEY_bytes`. Characters that could control a terminal are escaped, also
    without `ensure_ascii`.
    """
    return _STEERING.sub(_escaped, json.dumps(_valid(data), **settings))


def with_bytes(name: str, text: str) -> dict[str, str]:
    """Return a string of an object as valid Unicode, and its bytes in base64."""
    beside = "bytes" if name == "text" else f"{name}_bytes"
    return {name: _valid(text), beside: b64encode(_bytes(text)).decode()}


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _valid(data: Any) -> Any:
    if isinstance(data, str):
        return valid_text(data)
    if isinstance(data, dict):
        valid: dict[Any, Any] = {}
        for key, value in data.items():
            name = _valid(key)
            if isinstance(value, str) and valid_text(value) != value:
                valid |= with_bytes(name, value)
            else:
                valid[name] = _valid(value)
        return valid
    if isinstance(data, list | tuple):
        return [_valid(each) for each in data]
    return data


def _bytes(text: str) -> bytes:
    """Return the bytes of a text. Half of a surrogate pair is encoded as it stands."""
    return b"".join(
        character.encode("utf-8", "surrogateescape" if character >= "\udc80" else "surrogatepass")
        for character in text
    )
