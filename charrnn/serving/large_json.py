"""JSON of large answers, made in slices, so that other threads have their turn between two."""

import json
from collections.abc import Iterator
from typing import Any, Final

_SLICE: Final = 256
"""The most items of a list that are encoded at once, about a millisecond's work."""

_COMPACT: Final = (",", ":")


def encode_in_slices(value: Any) -> bytes:
    """Return the compact JSON of a value."""
    return "".join(_pieces(value)).encode()


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        mark = "{"
        for name, each in value.items():
            yield f"{mark}{json.dumps(name)}:"
            yield from _pieces(each)
            mark = ","
        yield "}"
    elif isinstance(value, list) and len(value) > _SLICE:
        mark = "["
        for begin in range(0, len(value), _SLICE):
            encoded = json.dumps(value[begin : begin + _SLICE], separators=_COMPACT)
            yield mark + encoded[1:-1]
            mark = ","
        yield "]"
    elif isinstance(value, list) and value:
        mark = "["
        for each in value:
            yield mark
            yield from _pieces(each)
            mark = ","
        yield "]"
    else:
        yield json.dumps(value, separators=_COMPACT)
