"""JSON files: written for people to read, and read as untrusted input."""

import json
import math
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeGuard, TypeVar

from charrnn.errors import ConfigError, ModelError

LARGEST_BYTES: Final = 1 << 20
"""The most bytes of a JSON file, a hundred times the usual. Python takes up to 24 bytes of memory
for a byte of JSON."""

T = TypeVar("T")


def to_json(data: object) -> bytes:
    """Return JSON for people to read: indented, UTF-8, with a final newline."""
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # file names may have lone surrogates


def parse_json(path: Path, content: bytes | bytearray) -> Any:
    """Return the value of UTF-8 JSON that was read at `path`; no object may have a key twice.

    Raises ModelError.
    """
    try:
        return json.loads(content.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: {' '.join(str(error).split())}") from error


def is_finite_number(value: object) -> TypeGuard[float]:
    """Return whether a value of JSON is a number that a float can hold: JSON has whole numbers of
    any size, and `true` is not a number."""
    largest = sys.float_info.max
    return type(value) in (int, float) and -largest <= value <= largest  # type: ignore[operator]


def from_json(kind: type[T], data: object, *, where: str) -> T:
    """Return a frozen config object from a JSON object. Raises ModelError for a missing or unknown
    key, or a value of another type.

    A key may be missing if the metadata of its field has `later`: older files lack it. The metadata
    may also have the name that a field had `formerly`, in older files.
    """
    if not isinstance(data, dict):
        raise ModelError(f"{where}: expected an object, found {type(data).__name__}")
    for field in fields(kind):  # type: ignore[arg-type]
        before = field.metadata.get("formerly")
        if before in data and field.name not in data:
            data = {field.name if key == before else key: value for key, value in data.items()}
    known: dict[str, Any] = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    later = {field.name for field in fields(kind) if field.metadata.get("later")}  # type: ignore[arg-type]
    for key in sorted((data.keys() ^ known.keys()) - (later - data.keys())):
        raise ModelError(f"{where}: {key!a} is {'missing' if key in known else 'unknown'}")
    for key, value in data.items():
        expected = known[key]
        if expected is float:
            expected = int | float
        elif expected == float | None:
            expected = int | float | None
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            raise ModelError(f"{where}: {key} is {value!a:.100}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ModelError(f"{where}: {key} is {value}")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise ModelError(f"{where}: {key.replace('_', ' ')} is too large")
    try:
        return kind(**data)
    except ConfigError as error:
        raise ModelError(f"{where}: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the dict of an object's pairs. Raises ValueError where a key appears twice, since JSON
    readers differ on the meaning of that."""
    value: dict[str, Any] = {}
    for key, each in pairs:
        if key in value:
            raise ValueError(f"the key {key!a:.100} appears twice")
        value[key] = each
    return value
