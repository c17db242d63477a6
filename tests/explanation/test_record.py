import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.explanation.record import Record


@dataclass(frozen=True)
class Inner(Record):
    value: float


@dataclass(frozen=True)
class Outer(Record):
    inner: Inner
    numbers: Any
    table: Any
    shares: dict[int, float]
    activity: bytes
    nothing: None = None


def test_a_record_is_plain_json() -> None:
    """NaN and infinity are no JSON: strict readers, and browsers, refuse the whole file."""
    record = Outer(
        inner=Inner(math.nan),
        numbers=np.array([0.123456, 1.0, math.inf]),
        table=np.array([[1, 2]], np.uint8),
        shares={20: 0.5},
        activity=b"\x00\xff",
    )
    assert json.loads(json.dumps(record.to_json(), allow_nan=False)) == {
        "inner": {"value": None},
        "numbers": [0.1235, 1.0, None],
        "table": [[1, 2]],
        "shares": {"20": 0.5},
        "activity": "AP8=",
        "nothing": None,
    }
