"""metrics.jsonl: the measurements of a run, one JSON object per line, in the order of its steps.

The values are finite numbers, except for the text of SAMPLE.
"""

import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from charrnn.errors import CharRNNWarning
from charrnn.storage.files import append_line, write_file
from charrnn.storage.json_file import is_finite_number
from charrnn.storage.untrusted_files import read_lines

METRICS: Final = "metrics.jsonl"

REVISION: Final = "revision"
"""What tells the line of a revision of the plan: its number, from 1."""

SAMPLE: Final = "sample"
"""The only key with a text: a sample of the network, in the line of an evaluation."""

LONGEST_SAMPLE: Final = 1000
"""The most characters of a sample; a line with a longer one is damaged."""

LONGEST_MEASUREMENT: Final = 1 << 16
"""The most bytes of a line; a longer one is damaged."""

_BASELINE: Final = ("baseline_", "_nats")

_BATCH_BYTES: Final = 1 << 20

Measurement = Mapping[str, Any]
"""A line: finite numbers by name, among them its step; and perhaps a sample, a text."""


def baseline_name(model: str) -> str:
    """Return the name of the loss of a simpler model, such as `baseline_n_gram_nats`."""
    return model.join(_BASELINE)


def baseline_of(name: str) -> str | None:
    """Return the simpler model whose loss has this name, such as `n_gram`; None for others."""
    before, after = _BASELINE
    if len(name) <= len(before + after) or not (name.startswith(before) and name.endswith(after)):
        return None
    return name.removeprefix(before).removesuffix(after)


def append_measurement(path: Path, measurement: Measurement) -> None:
    """Append a line. Raises StorageError."""
    append_line(path, json.dumps(measurement))


def read_measurements(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the measurements as they are read; none where there is no file. A last line that a
    crash cut short is left out.

    Damaged lines are left out with a warning. Raises ModelError where the path is not a file.
    """
    if not os.path.lexists(path):
        return
    lines = damaged = 0
    for line in read_lines(path, LONGEST_MEASUREMENT):
        lines += 1
        if (measurement := parse_measurement(line)) is None:
            damaged += 1
        else:
            yield measurement
    if damaged:
        message = f"{path}: {damaged} of {lines} lines are damaged"
        warnings.warn(message, CharRNNWarning, stacklevel=2)


def keep_measurements(path: Path, is_kept: Callable[[Measurement], bool]) -> None:
    """Rewrite the file with the measurements that `is_kept` keeps, a few at a time in memory; make
    an empty file where there is none. Raises StorageError, and ModelError as
    `read_measurements`."""
    kept = (
        json.dumps(measurement).encode() + b"\n"
        for measurement in read_measurements(path)
        if is_kept(measurement)
    )
    size = path.stat().st_size if path.exists() else 0
    write_file(path, _batched(kept), size=size)


def _batched(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in chunks of about a megabyte."""
    batch, size = [], 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size >= _BATCH_BYTES:
            yield b"".join(batch)
            batch, size = [], 0
    yield b"".join(batch)


def parse_measurement(line: bytes) -> dict[str, Any] | None:
    """Return the measurement in a line; None unless it is an object of finite numbers with a step,
    and perhaps a sample."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or "step" not in value:
        return None
    is_sound = all(
        is_sample(each) if name == SAMPLE else is_finite_number(each)
        for name, each in value.items()
    )
    return value if is_sound else None


def is_sample(value: object) -> bool:
    """Return whether a value of JSON is a text that is no longer than a sample may be."""
    return isinstance(value, str) and len(value) <= LONGEST_SAMPLE
