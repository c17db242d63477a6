"""What stands for a missing value, in tables and in arrays."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from charrnn.data.table_cells import is_missing


@pytest.mark.parametrize(
    "value",
    [
        *(None, float("nan"), np.float32("nan"), np.datetime64("NaT"), np.ma.masked),
        *(Decimal("NaN"), Decimal("sNaN")),
    ],
    ids=repr,
)
def test_a_missing_value_is_known(value: Any) -> None:
    assert is_missing(value)


def test_missing_values_of_pandas_are_known() -> None:
    pandas = pytest.importorskip("pandas")
    assert is_missing(pandas.NA) and is_missing(pandas.NaT)


@pytest.mark.parametrize(
    "value",
    ["", "NaN", 0, False, float("inf"), datetime.date(2020, 1, 1), [], [None], np.array([1, 2])],
    ids=repr,
)
def test_a_value_is_not_missing(value: Any) -> None:
    assert not is_missing(value)
