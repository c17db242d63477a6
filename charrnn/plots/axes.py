"""Axes: where ticks stand, and what is written beside them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

_CLOCK: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200),
)
"""Steps of ticks that a clock divides well, in seconds; longer ones are whole days."""

_DAY: Final = 86400.0


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`.

    Attributes:
        title: what it shows, and its unit.
        ticks: the values of the ticks, ascending, and their labels.
    """

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def share(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


def value_axis(title: str, low: float, high: float, ticks: int) -> Axis:
    """Return an axis that covers the values between two round numbers, with about so many ticks."""
    low, high = _widened(low, high)
    step = nice_step((high - low) / ticks)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return Axis(title, low, high, _ticks(low, high, step, lambda value: number(value, digits)))


def amount_axis(title: str, high: float, ticks: int) -> Axis:
    """Return an axis of amounts, from 0 to `high`, with at most so many ticks."""
    _, high = _widened(0.0, high)
    step = nice_step(high / ticks)
    return Axis(title, 0.0, high, _ticks(0.0, high, step, thousands_exactly))


def clock_axis(title: str, high: float, ticks: int) -> Axis:
    """Return an axis of seconds, from 0 to `high`, with at most so many ticks."""
    _, high = _widened(0.0, high)
    least = high / ticks
    step = next((each for each in _CLOCK if each >= least), 0.0)
    step = step if step and least > 1 else nice_step(least)
    if least > _CLOCK[-1]:
        step = nice_step(max(least / _DAY, 1.0)) * _DAY
    return Axis(title, 0.0, high, _ticks(0.0, high, step, lambda value: clock(value, step)))


def nice_step(least: float) -> float:
    """Return 1, 2 or 5 times a power of ten, the smallest that is at least this large."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(
        (each * power for each in (1, 2, 5) if each * power >= least * (1 - 1e-9)), 10 * power
    )


def _ticks(
    low: float, high: float, step: float, label: Callable[[float], str]
) -> tuple[tuple[float, str], ...]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple((each * step, label(each * step)) for each in range(first, last + 1))


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return two finite numbers of which the second is larger, by enough to tell them apart."""
    low, high = (min(max(each, -1e300), 1e300) for each in (low, max(low, high)))
    least = max(abs(low), abs(high), 1e-290) * 1e-9
    return (low, high) if high - low > least else (low - least, high + max(least, 1e-9))


def number(value: float, digits: int) -> str:
    """Return a number with so many decimal places, or in powers of ten where it is far from 1."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.3g}"
    text = f"{value:.{min(digits, 12)}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def thousands_exactly(amount: float) -> str:
    """Return a round amount in few characters: 0, 500, 2.5k, 40k, 1M."""
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit <= amount < 1e15:
            return f"{amount / unit:.10g}{suffix}"
    return f"{amount:.6g}"


def clock(seconds: float, step: float = 1.0) -> str:
    """Return seconds as people say them, as exactly as `step` tells them apart: 0, 30 s, 2 min,
    1 h 30 min, 3 d."""
    if seconds < 1e-12:
        return "0"
    if step < 1:
        return f"{seconds:.6g} s"
    parts, rest = [], round(min(seconds, 1e15))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts[:2])


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places moved as little as needed to lie at least `gap` apart, between two limits as
    far as there is room."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    groups: list[list[int]] = []
    centers: list[float] = []
    for at in order:
        groups.append([at])
        centers.append(places[at])
        while True:
            extent = (len(groups[-1]) - 1) * gap / 2
            centers[-1] = min(max(centers[-1], low + extent), high - extent)
            if len(groups) < 2:
                break
            before = centers[-2] + (len(groups[-2]) - 1) * gap / 2
            if centers[-1] - extent - before >= gap - 1e-9:
                break
            last = groups.pop()
            centers.pop()
            groups[-1] += last
            centers[-1] = sum(places[each] for each in groups[-1]) / len(groups[-1])
    moved = [0.0] * len(places)
    for group, center in zip(groups, centers, strict=True):
        for position, at in enumerate(group):
            moved[at] = center + (position - (len(group) - 1) / 2) * gap
    return moved
