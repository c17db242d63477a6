"""Record: the base of the parts of an Explanation, which is written as JSON."""

from base64 import b64encode
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

DECIMALS: Final = 4
"""The decimals of numbers in JSON."""


class Record:
    """A part of the record, which is written as a JSON object of its attributes."""

    def to_json(self) -> dict[str, Any]:
        """Return the attributes as plain values of JSON: numbers have four decimals, bytes are in
        base64, numbers that are not finite are null."""
        assert is_dataclass(self)
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, float | np.floating):
        return round(float(value), DECIMALS) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
