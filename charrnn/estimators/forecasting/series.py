"""Time series and their known covariates: validated arrays of numbers.

Legend: N series, T steps (may differ between series), V variables, C covariates, H horizon.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.array_types import Float64Array
from charrnn.errors import ConfigError
from charrnn.estimators.arrays import Array, as_numbers, check_finite, unwrap
from charrnn.estimators.forecasting.transforms import POWERS, Transform


@dataclass(frozen=True)
class SeriesList:
    """N time series.

    Attributes:
        values: N arrays (T, V).
        covariates: N arrays (T or more, C), or None.
        single: whether one series was given, not a list.
        flat: whether the values of a step are a number, not a vector of V.
    """

    values: tuple[Float64Array, ...]
    covariates: tuple[Float64Array, ...] | None
    single: bool
    flat: bool

    def given(self) -> Float64Array | list[Float64Array]:
        """Return the values in the form in which they were given."""
        values = [each[:, 0] if self.flat else each for each in self.values]
        return values[0] if self.single else values

    @property
    def variables(self) -> int:
        """V."""
        return int(self.values[0].shape[1])

    @property
    def covariate_count(self) -> int:
        """C."""
        return 0 if self.covariates is None else int(self.covariates[0].shape[1])


def read_series(series: Any, covariates: Any, horizon: int = 0) -> SeriesList:
    """Read one series (T,) or (T, V), or a list of N of these, with covariates (T + H, C) or (T +
    H,) in the same form.

    Args:
        horizon: H, the steps after the end of each series for which covariates are needed.

    Raises ConfigError for other shapes, for missing and infinite numbers, and for covariates that
    end too early.
    """
    items, single = _items(series, "series")
    arrays = [_numbers(each, _name("series", number, single)) for number, each in enumerate(items)]
    flat = arrays[0].ndim == 1
    values = tuple(each.reshape(len(each), -1) for each in arrays)
    _check_same(arrays, "series", single)
    read = None
    if covariates is not None:
        others, covariates_single = _items(covariates, "covariates")
        if covariates_single != single or len(others) != len(values):
            raise ConfigError(
                f"there are {len(values)} series and {len(others)} arrays of covariates: give one "
                "for each"
            )
        known = [
            _numbers(each, _name("covariates", number, single))
            for number, each in enumerate(others)
        ]
        _check_same(known, "covariates", single)
        for number, (each, of) in enumerate(zip(known, values, strict=True)):
            if len(each) < len(of) + horizon:
                after = f", and {horizon} after them" if horizon else ""
                raise ConfigError(
                    f"{_name('covariates', number, single)} has {len(each)} rows: expected one for "
                    f"each of the {len(of)} steps of the series{after}"
                )
        read = tuple(each.reshape(len(each), -1) for each in known)
    return SeriesList(values, read, single, flat)


def check_transformable(read: SeriesList, transforms: tuple[Transform, ...], least: int) -> None:
    """Raise ConfigError for a series that is too short, or has no logarithm."""
    needed = max(each.burn_in for each in transforms) + least
    for number, values in enumerate(read.values):
        name = "the series" if read.single else f"series {number}"
        if len(values) < needed:
            hint = ""
            if needed > least:
                hint = (
                    f" after {transforms[-1]}; a shorter season_length, or differences='none', "
                    "needs fewer"
                )
            raise ConfigError(f"{name} has {len(values)} steps: at least {needed} are needed{hint}")
        power = transforms[0].power
        if (power == 0 and (values <= 0).any()) or (power == 0.5 and (values < 0).any()):
            raise ConfigError(
                f"{name} has {values.min():g}, which has no {POWERS[power]}: fit with power=1"
            )


def _items(given: Any, what: str) -> tuple[list[Any], bool]:
    """Return the arrays of a list, or the only one."""
    unwrapped = unwrap(given, what)
    if isinstance(unwrapped, np.ndarray):
        several = unwrapped.ndim == 3 or (unwrapped.dtype == object and _nested(unwrapped))
    else:
        several = isinstance(unwrapped, list | tuple) and _nested(unwrapped)
    if not several:
        return [given], True
    return list(unwrapped), False


def _nested(values: Any) -> bool:
    """Return whether the first of some values is an array or a list."""
    first = values[0] if len(values) else None
    return isinstance(first, list | tuple) or getattr(first, "ndim", 0) > 0


def _numbers(given: Any, what: str) -> Float64Array:
    """Read one array (T,) or (T, V)."""
    numbers: Array = as_numbers(given, what)
    if numbers.ndim not in (1, 2) or 0 in numbers.shape:
        raise ConfigError(
            f"{what} has shape {numbers.shape}: expected (T,) or (T, V), a row for each step"
        )
    values = numbers.astype(np.float64)
    if len(missing := np.argwhere(np.isnan(values))):
        raise ConfigError(
            f"{what} has no value (NaN) at {missing[0].tolist()}: fill it in, such as by the "
            "interpolate() of pandas, or cut the series there"
        )
    check_finite(values, what)
    largest = np.abs(values).max()
    if largest > 1e100:
        raise ConfigError(f"{what} has a number as large as {largest:.3g}: scale it")
    return values


def _check_same(arrays: list[Float64Array], what: str, single: bool) -> None:
    """Raise ConfigError where arrays differ in their numbers of a step."""
    for number, each in enumerate(arrays):
        if each.shape[1:] != arrays[0].shape[1:]:
            raise ConfigError(
                f"{_name(what, number, single)} has shape {each.shape}, and the first "
                f"{arrays[0].shape}: expected the same numbers of a step"
            )


def _name(what: str, number: int, single: bool) -> str:
    return what if single else f"{what} {number}"
