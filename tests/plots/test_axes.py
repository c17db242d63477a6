"""Ticks stand at round values, and labels keep apart."""

import math
import random
from itertools import pairwise

import pytest

from charrnn.plots.axes import (
    amount_axis,
    apart,
    clock,
    clock_axis,
    nice_step,
    number,
    value_axis,
)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (2.2, 5.8, ["2", "3", "4", "5", "6"]),
        (0.91, 0.98, ["0.90", "0.92", "0.94", "0.96", "0.98"]),
        (-1.0, 1.0, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
    ],
)
def test_values_have_round_ticks_that_cover_them(
    low: float, high: float, labels: list[str]
) -> None:
    axis = value_axis("bits", low, high, 5)
    assert [label for _, label in axis.ticks] == labels
    assert axis.low <= low and high <= axis.high
    assert (axis.share(axis.low), axis.share(axis.high)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("high", "labels"),
    [
        (24, ["0", "5 s", "10 s", "15 s", "20 s"]),
        (300, ["0", "1 min", "2 min", "3 min", "4 min", "5 min"]),
        (5000, ["0", "15 min", "30 min", "45 min", "1 h", "1 h 15 min"]),
        (86400 * 20, ["0", "5 d", "10 d", "15 d", "20 d"]),
        (0.5, ["0", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s"]),
    ],
)
def test_time_is_divided_as_a_clock_is(high: float, labels: list[str]) -> None:
    axis = clock_axis("time", high, 6)
    assert [label for _, label in axis.ticks] == labels


def test_amounts_are_short() -> None:
    assert [label for _, label in amount_axis("steps", 700, 5).ticks] == ["0", "200", "400", "600"]
    labels = [label for _, label in amount_axis("characters", 2.4e6, 5).ticks]
    assert labels == ["0", "500k", "1M", "1.5M", "2M"]


@pytest.mark.parametrize("high", [0.0, -5.0, 1e-300, 1e300, 1.7e308, 10**300, 1])
@pytest.mark.parametrize("low", [0.0, -1e300, 1.0, 1 - 1e-16])
def test_no_numbers_are_too_strange_for_an_axis(low: float, high: float) -> None:
    for axis in (
        value_axis("", low, high, 6),
        clock_axis("", high, 6),
        amount_axis("", high, 6),
    ):
        assert math.isfinite(axis.low) and math.isfinite(axis.high) and axis.low < axis.high
        assert 1 <= len(axis.ticks) <= 20
        assert all(len(label) <= 24 for _, label in axis.ticks)


def test_steps_are_one_two_or_five() -> None:
    for least, step in ((1.0, 1), (1.1, 2), (2.0, 2), (3.0, 5), (5.1, 10), (0.03, 0.05)):
        assert nice_step(least) == pytest.approx(step)


def test_times_and_numbers_in_words() -> None:
    assert [clock(each) for each in (0, 5, 60, 90, 3600, 5400, 90000)] == [
        *("0", "5 s", "1 min", "1 min 30 s", "1 h", "1 h 30 min", "1 d 1 h"),
    ]
    assert [number(each, 3) for each in (-1e-9, 2.0, 1e9, 1e-9)] == [
        "-1e-09",
        "2.000",
        "1e+09",
        "1e-09",
    ]


@pytest.mark.parametrize("seed", range(20))
def test_labels_are_moved_apart_by_as_little_as_needed(seed: int) -> None:
    random_ = random.Random(seed)
    places = [random_.uniform(0, 100) for _ in range(random_.randint(0, 8))]
    moved = apart(places, 10, 0, 100)
    order = sorted(range(len(places)), key=lambda at: places[at])
    ordered = [moved[at] for at in order]
    assert all(b - a >= 10 - 1e-6 for a, b in pairwise(ordered))
    assert all(-1e-6 <= each <= 100 + 1e-6 for each in moved)
    far = [p for p in places if all(abs(p - q) > 25 for q in places if q is not p) and 12 < p < 88]
    assert all(any(abs(each - place) < 15 for each in moved) for place in far)


def test_labels_that_are_apart_stay_where_they_are() -> None:
    assert apart([50.0, 10.0, 30.0], 10, 0, 100) == [50.0, 10.0, 30.0]
    assert apart([50.0, 50.0], 10, 0, 100) == [45.0, 55.0]
