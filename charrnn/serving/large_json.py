"""JSON of large answers, made in slices, so that other threads have their turn between two."""

import json
from collections.abc import Iterator
from typing import Any, Final

from charrnn.wording import valid_text

_SLICE: Final = 256
"""The most items of a list that are encoded at once, about a millisecond's work."""

_COMPACT: Final = (",", ":")


def encode_in_slices(value: Any, *, ascii: bool = True) -> bytes:
    """Return the compact JSON of a value.

    Args:
        ascii: whether other characters are escaped; else U+FFFD stands for each byte of a byte
            model's text that is not UTF-8.
    """
    return valid_text("".join(_pieces(value, ascii))).encode()


def _pieces(value: Any, ascii: bool) -> Iterator[str]:
    if isinstance(value, dict) and value:
        mark = "{"
        for name, each in value.items():
            yield f"{mark}{json.dumps(name, ensure_ascii=ascii)}:"
            yield from _pieces(each, ascii)
            mark = ","
        yield "}"
    elif isinstance(value, list) and len(value) > _SLICE:
        mark = "["
        for begin in range(0, len(value), _SLICE):
            yield mark + _encoded(value[begin : begin + _SLICE], ascii)[1:-1]
            mark = ","
        yield "]"
    elif isinstance(value, list) and value:
        mark = "["
        for each in value:
            yield mark
            yield from _pieces(each, ascii)
            mark = ","
        yield "]"
    else:
        yield _encoded(value, ascii)


def _encoded(value: Any, ascii: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii, allow_nan=False, separators=_COMPACT)
