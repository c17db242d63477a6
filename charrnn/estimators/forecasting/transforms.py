"""Transforms of time series that make them stationary, and their inverses. No torch.

Legend: T steps, V variables, N sample paths, S season length.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from charrnn.array_types import Float64Array
from charrnn.errors import ConfigError

LARGEST_SEASON: Final = 1 << 16
"""The longest season that is read from a file."""

POWERS: Final = {0.0: "log", 0.5: "square root", 1.0: "none"}
"""The powers of Box & Cox (1964), with the names of the functions."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Transform:
    """A power, a difference and a seasonal difference, each of which may be off.

    A difference is taken to an exponentially weighted mean of the earlier values: with B as the
    operator that shifts a series by one step, z = (1 - B) / (1 - (1 - level) B) x, and the same
    with B to the power of S for seasons. A weight of 1 takes the difference to the last value. Both
    weights below 1 are those of the airline model (Box & Jenkins, 1976).

    Attributes:
        power: an entry of POWERS, which is taken first: 0 for the logarithm, 0.5 for the square
            root, 1 for neither (Box & Cox, 1964).
        level: the weight of the newest value in the mean; 0 takes no difference.
        season: the same for values a season apart.
        season_length: S; 1 where there is no season.

    Raises ConfigError when one is out of range.
    """

    power: float
    level: float
    season: float
    season_length: int

    def __post_init__(self) -> None:
        if self.power not in POWERS:
            raise ConfigError(f"power {self.power}: choose from 0, 0.5 and 1")
        for name in ("level", "season"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} {getattr(self, name)}: choose from 0 to 1")
        if not 1 <= self.season_length <= LARGEST_SEASON:
            raise ConfigError(
                f"season_length {self.season_length}: choose from 1 to {LARGEST_SEASON}"
            )
        if self.season and self.season_length == 1:
            raise ConfigError("season_length 1: a seasonal difference needs 2 at least")

    @property
    def burn_in(self) -> int:
        """The steps at the beginning of a series without a difference."""
        return (self.level > 0) + (self.season_length if self.season else 0)

    def __str__(self) -> str:
        parts = [POWERS[self.power]] if self.power != 1 else []
        if self.level:
            parts.append("difference" + _weight(self.level))
        if self.season:
            parts.append(f"seasonal difference of {self.season_length}" + _weight(self.season))
        return ", ".join(parts) or "none"

    def __repr__(self) -> str:
        return f"<Transform: {self}>"

    def apply(self, values: Float64Array) -> "Transformed":
        """Transform a series (T, V), where T is more than `burn_in`."""
        x = raised(values, self.power)
        x, level = difference(x, 1, self.level)
        x, season = difference(x, self.season_length, self.season)
        kept = x[self.burn_in :]
        mean, scale = kept.mean(0), _scale(kept)
        return Transformed((x - mean) / scale, mean, scale, level, season)

    def apply_to_covariates(self, values: Float64Array, known: int) -> Float64Array:
        """Take the same differences of covariates (T + H, C), of which the first `known` steps, T,
        are those of the series, and standardize them."""
        x, _ = difference(values, 1, self.level, known)
        x, _ = difference(x, self.season_length, self.season, known)
        kept = x[self.burn_in : known]
        standardized: Float64Array = (x - kept.mean(0)) / _scale(kept)
        return standardized

    def invert(self, paths: Float64Array, end: "Transformed") -> Float64Array:
        """Return the values (H, N, V) of standardized paths that continue a transformed series."""
        x = paths * end.scale + end.mean
        x = integrate(x, end.season, self.season)
        x = integrate(x, end.level, self.level)
        if self.power == 0:
            return np.exp(x)
        return np.square(np.maximum(x, 0)) if self.power == 0.5 else x


@dataclass(frozen=True)
class Transformed:
    """A transformed series, and what is needed to continue it.

    Attributes:
        values: (T, V), standardized; the first `burn_in` have no meaning.
        mean, scale: (V,) before they were standardized.
        level: (1, V) the means from which the next value differs.
        season: (S, V) those of the next S steps, in order.
    """

    values: Float64Array
    mean: Float64Array
    scale: Float64Array
    level: Float64Array
    season: Float64Array


def raised(values: Float64Array, power: float) -> Float64Array:
    """Return a power of values."""
    if power == 0:
        return np.log(values)
    return np.sqrt(values) if power == 0.5 else values


def difference(
    x: Float64Array, lag: int, weight: float, known: int | None = None
) -> tuple[Float64Array, Float64Array]:
    """Return the differences (T, V) of a series to the weighted means of its values some lags
    before, and the means (lag, V) of the next steps.

    The means begin where a steady growth, that of the first `known` steps, would have left them.
    """
    if weight == 0:
        return x, np.zeros((lag, x.shape[1]))
    growth = np.mean(x[lag:known] - x[: len(x[:known]) - lag], axis=0)
    means = x[:lag] - growth / weight
    differences = np.empty_like(x)
    for begin in range(0, len(x), lag):
        part = x[begin : begin + lag]
        differences[begin : begin + lag] = part - means[: len(part)]
        means[: len(part)] += weight * differences[begin : begin + lag]
    return differences, np.roll(means, -(len(x) % lag), axis=0)


def integrate(differences: Float64Array, means: Float64Array, weight: float) -> Float64Array:
    """Invert `difference` for paths (H, N, V) that continue a series."""
    if weight == 0:
        return differences
    lag = len(means)
    means = np.repeat(means[:, None], differences.shape[1], axis=1)  # (lag, N, V)
    values = np.empty_like(differences)
    for begin in range(0, len(values), lag):
        part = differences[begin : begin + lag]
        values[begin : begin + lag] = means[: len(part)] + part
        means[: len(part)] += weight * part
    return values


def _scale(values: Float64Array) -> Float64Array:
    """Return the standard deviations (V,) of values (T, V); 1 where all are the same."""
    scale: Float64Array = values.std(0)
    scale[scale < 1e-9 * (1 + np.abs(values).max(0))] = 1.0
    return scale


def _weight(weight: float) -> str:
    return "" if weight == 1 else f" (weight {weight:g})"
