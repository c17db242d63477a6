"""Rules that choose the transforms of time series: season length, logarithm, differences. No torch.

Legend: N series, T steps, V variables, S season length.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from charrnn.array_types import Float64Array
from charrnn.estimators.forecasting.transforms import Transform, raised

STRONG_SEASON: Final = 0.5
"""The strength of a season from which seasonal differences are taken."""

NEARLY_HIGHEST: Final = 0.9
"""The share of the highest peak of the autocorrelation from which a peak at a shorter lag is the
season: a multiple of a season is one too."""

KPSS_CRITICAL: Final = 0.463
"""The statistic of Kwiatkowski et al. (1992) above which a series is not stationary, at 5 %."""

LEAST_CORRELATION: Final = 0.3
"""The autocorrelation from which its peak is taken as a season."""

DIFFERENCES: Final = {
    "none": ((0.0, 0.0),),
    "first": ((1.0, 0.0), (0.6, 0.0), (0.3, 0.0)),
    "seasonal": ((0.0, 1.0), (0.0, 0.3), (1.0, 0.3)),
}
"""The weights of the difference and of the seasonal difference, one pair for each kind of member of
an ensemble: for series that are stationary, that are not, and that have a strong season."""


def choose_transforms(
    series: Sequence[Float64Array],
    *,
    season_length: int | None = None,
    power: float | None = None,
    differences: str | None = None,
) -> tuple[Transform, ...]:
    """Return the transforms of the members of an ensemble, in turn, with the season length S (1
    where there is none). What is None is chosen by the median over the series and variables.

    Args:
        series: N series (T, V).
        season_length: S; None finds it; see `find_season_length`.
        power: an entry of POWERS; see `choose_power`.
        differences: an entry of DIFFERENCES.

    Raises ConfigError for a seasonal difference without a season.
    """
    columns = [column for each in series for column in each.T]
    if season_length is None:
        season_length = find_season_length(columns)
    if power is None:
        power = choose_power(columns, season_length)
    if differences is None:
        read = [raised(each, power) for each in columns]
        if _median([season_strength(each, season_length) for each in read]) >= STRONG_SEASON:
            differences = "seasonal"
        elif _median([kpss(each, season_length) for each in read]) > KPSS_CRITICAL:
            differences = "first"
        else:
            differences = "none"
    return tuple(
        Transform(power=power, level=level, season=season, season_length=season_length)
        for level, season in DIFFERENCES[differences]
    )


def find_season_length(columns: Sequence[Float64Array]) -> int:
    """Return the lag of the first of the nearly highest peaks of the mean autocorrelation of series
    (T,), or of their logarithms where they are positive, less their straight line; 1 where no peak
    is high."""
    longest = min(len(each) for each in columns) // 3
    if longest < 3:
        return 1
    lines = [_detrended(np.log(each) if (each > 0).all() else each) for each in columns]
    correlations = np.mean([_autocorrelation(each, longest) for each in lines], 0)
    inner = correlations[1:-1]
    peaks = 1 + np.flatnonzero((inner > correlations[:-2]) & (inner >= correlations[2:]))
    peaks = peaks[(peaks > 1) & (correlations[peaks] > LEAST_CORRELATION)]
    if not len(peaks):
        return 1
    return int(peaks[correlations[peaks] >= NEARLY_HIGHEST * correlations[peaks].max()][0])


def choose_power(columns: Sequence[Float64Array], season_length: int) -> float:
    """Return 0, for a logarithm, if most series (T,) vary in proportion to their level; 0.5, for a
    square root, if some of their values are 0; else 1."""
    if _median([grows(each, season_length) for each in columns]) <= 0.5:
        return 1.0
    smallest = min(each.min() for each in columns)
    return 0.0 if smallest > 0 else 0.5 if smallest == 0 else 1.0


def grows(column: Float64Array, season_length: int) -> bool:
    """Return whether the spread of a series (T,) grows about in proportion to its level.

    The series is cut into parts of a season; the slope of the logarithm of their standard deviation
    on that of their mean is more than a half, as in Guerrero (1993).
    """
    size = season_length if season_length > 1 else max(8, len(column) // 10)
    count = len(column) // size
    if (column < 0).any() or count < 4:
        return False
    parts = column[len(column) - count * size :].reshape(count, size)
    parts = parts[parts.mean(1) > 0]
    spread = np.std(parts if season_length > 1 else np.diff(parts, axis=1), axis=1)
    level, spread = np.log(parts.mean(1)), np.log(spread + 1e-9 * column.mean())
    if len(parts) < 4 or level.std() == 0 or spread.std() == 0:
        return False
    correlation = float(np.corrcoef(level, spread)[0, 1])
    slope = correlation * float(spread.std() / level.std())
    return slope > 0.5 and correlation > LEAST_CORRELATION


def season_strength(column: Float64Array, season_length: int) -> float:
    """Return the share of the variance of a series (T,), less its moving average, that the means of
    the S steps of a season explain, from 0 to 1 (Wang, Smith & Hyndman, 2006)."""
    if season_length < 2 or len(column) < 3 * season_length:
        return 0.0
    rest = column - _moving_average(column, season_length)
    phases = np.arange(len(rest)) % season_length
    means = np.array([rest[phases == phase].mean() for phase in range(season_length)])
    variance = rest.var()
    return max(0.0, 1 - float((rest - means[phases]).var() / variance)) if variance else 0.0


def kpss(column: Float64Array, season_length: int) -> float:
    """Return the statistic of Kwiatkowski, Phillips, Schmidt & Shin (1992) of a series (T,): large
    where it wanders. Its long-run variance covers the lags of a season at least."""
    errors, count = column - column.mean(), len(column)
    lags = min(max(int(3 * np.sqrt(count) / 13), season_length), count - 1)
    variance = errors @ errors / count
    for lag in range(1, lags + 1):  # Newey & West's estimate, with Bartlett's weights
        variance += 2 * (1 - lag / (lags + 1)) * (errors[lag:] @ errors[:-lag]) / count
    return float(np.square(np.cumsum(errors)).sum() / count**2 / variance) if variance > 0 else 0.0


def _detrended(column: Float64Array) -> Float64Array:
    """Subtract the straight line of least squares."""
    steps = np.arange(len(column)) - (len(column) - 1) / 2
    rest: Float64Array = column - column.mean() - steps * (steps @ column) / (steps @ steps)
    return rest


def _autocorrelation(column: Float64Array, longest: int) -> Float64Array:
    """Return the autocorrelations of a series (T,) with mean 0 at the lags from 0 to the longest
    one."""
    total = column @ column
    if total <= 0:
        return np.zeros(longest + 1)
    return np.array([column[lag:] @ column[: len(column) - lag] for lag in range(longest + 1)]) / (
        total
    )


def _moving_average(column: Float64Array, size: int) -> Float64Array:
    """Return the centred moving average of a series over a season, with the ends repeated."""
    weights = np.ones(size + 1 - size % 2)
    if size % 2 == 0:
        weights[[0, -1]] = 0.5
    inner = np.convolve(column, weights / weights.sum(), "valid")
    return np.pad(inner, (len(weights) // 2, len(column) - len(inner) - len(weights) // 2), "edge")


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))
