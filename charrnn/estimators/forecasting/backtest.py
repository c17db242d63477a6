"""Backtesting: forecasts of the past from rolling origins, and their errors. No torch but where the
forecaster is fitted.

Legend: O origins, H horizon, V variables, T steps, N sample paths.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.ambient import as_usual
from charrnn.array_types import Float64Array
from charrnn.errors import ConfigError
from charrnn.estimators.forecasting.forecaster import RecurrentForecaster
from charrnn.estimators.forecasting.series import read_series
from charrnn.estimators.parameters import check_whole
from charrnn.evaluation.forecast_metrics import (
    absolute_scaled_errors,
    continuous_ranked_probability_scores,
    covered,
    naive_error,
)


@dataclass(frozen=True)
class Backtest:
    """Forecasts of the past, and their errors.

    Attributes:
        origins: (O,) the steps before each forecast: it predicts the steps from its origin on.
        truth: (O, H), or (O, H, V), what came.
        median: the forecasts: the median of the sample paths.
        lower, upper: the 10 % and the 90 % quantile, between which the 80 % interval lies.
        naive: the seasonal naive forecasts: the value a season before.
        mase_by_step: (H,) the mean absolute scaled errors of the median (Hyndman & Koehler, 2006):
            of 1, it errs as the seasonal naive forecast of one step does within the history.
        naive_mase_by_step: (H,) the same of the seasonal naive forecasts.
        coverage_by_step: (H,) the share of the values within the 80 % interval.
        crps_by_step: (H,) the continuous ranked probability scores, in the unit of the MASE.
    """

    origins: tuple[int, ...]
    truth: Float64Array
    median: Float64Array
    lower: Float64Array
    upper: Float64Array
    naive: Float64Array
    mase_by_step: Float64Array
    naive_mase_by_step: Float64Array
    coverage_by_step: Float64Array
    crps_by_step: Float64Array

    @property
    def mase(self) -> float:
        """The mean absolute scaled error over all origins and steps."""
        return float(self.mase_by_step.mean())

    @property
    def naive_mase(self) -> float:
        """The same of the seasonal naive forecasts."""
        return float(self.naive_mase_by_step.mean())

    @property
    def coverage(self) -> float:
        """The share of all values within the 80 % interval."""
        return float(self.coverage_by_step.mean())

    @property
    def crps(self) -> float:
        """The mean continuous ranked probability score, in the unit of the MASE."""
        return float(self.crps_by_step.mean())

    def __str__(self) -> str:
        return (
            f"{len(self.origins)} origins: MASE {self.mase:.3f} (seasonal naive "
            f"{self.naive_mase:.3f}), coverage of the 80 % interval {self.coverage:.0%}, CRPS "
            f"{self.crps:.3f}"
        )


@as_usual
def backtest(
    forecaster: RecurrentForecaster,
    series: Any,
    horizon: int,
    *,
    covariates: Any = None,
    origins: int | Iterable[int] = 10,
    step: int = 1,
    refit: bool = False,
    season_length: int | None = None,
    n: int = 1000,
    seed: int = 0,
) -> Backtest:
    """Forecast the end of a series from rolling origins, and compare with what came.

    The forecaster itself does not change: a copy is fitted to the steps before the first origin,
    and reads all steps before each origin. The errors of each forecast are scaled by the history
    that it was made from.

    Args:
        forecaster: the forecaster, fitted or not; only its parameters are used.
        series: one series (T,) or (T, V).
        horizon: H, the steps of each forecast.
        covariates: those of the series (T, C), if any.
        origins: the number of origins, of which the last one leaves H steps; or the origins.
        step: the steps between origins, if their number is given.
        refit: whether to fit again at each origin.
        season_length: the season of the MASE and of the naive forecast; None takes that of the fit.
        n: the sample paths of each forecast.
        seed: the seed of the paths.

    Raises ConfigError for what is not valid; and what `fit` and `predict` raise.
    """
    for name, value in (("horizon", horizon), ("step", step), ("n", n)):
        check_whole(name, value, 1)
    if season_length is not None:
        check_whole("season_length", season_length, 1)
    read = read_series(series, covariates)
    if not read.single:
        raise ConfigError("series is a list: backtest one series at a time")
    values = read.given()
    assert isinstance(values, np.ndarray)
    known = None if read.covariates is None else read.covariates[0]
    places = _origins(origins, len(values), horizon, step)
    fitted = copy.deepcopy(forecaster)
    parts = []
    for place in places:
        if refit or place == places[0]:
            fitted.fit(values[:place], None if known is None else known[:place])
        paths = fitted.sample_paths(
            horizon,
            n,
            seed=seed,
            series=values[:place],
            covariates=None if known is None else known[: place + horizon],
        )
        parts.append(_compared(paths, values, place, season_length or fitted.season_length_))
    columns = {name: np.array([part[name] for part in parts]) for name in parts[0]}
    over = tuple(axis for axis in range(values.ndim + 1) if axis != 1)
    means = {f"{name}_by_step": columns.pop(name).mean(over) for name in _METRICS}
    return Backtest(tuple(places), **columns, **means)


_METRICS = ("mase", "naive_mase", "coverage", "crps")


def _compared(
    paths: Float64Array, values: Float64Array, place: int, season: int
) -> dict[str, Float64Array]:
    """Return the forecasts from one origin, and their errors at each step."""
    history, horizon = values[:place], paths.shape[1]
    truth = values[place : place + horizon]
    lower, median, upper = np.quantile(paths, (0.1, 0.5, 0.9), axis=0)
    naive = history[place - season + np.arange(horizon) % season]
    return {
        "truth": truth,
        "median": median,
        "lower": lower,
        "upper": upper,
        "naive": naive,
        "mase": absolute_scaled_errors(truth, median, history, season),
        "naive_mase": absolute_scaled_errors(truth, naive, history, season),
        "coverage": covered(truth, lower, upper),
        "crps": continuous_ranked_probability_scores(truth, paths) / naive_error(history, season),
    }


def _origins(origins: int | Iterable[int], steps: int, horizon: int, step: int) -> list[int]:
    """Return the origins in order. Raises ConfigError for one without history or future."""
    if isinstance(origins, Iterable):
        places = sorted(int(each) for each in origins)
    else:
        check_whole("origins", origins, 1)
        places = list(range(steps - horizon - (origins - 1) * step, steps - horizon + 1, step))
    if not places or places[0] < 1 or places[-1] > steps - horizon:
        raise ConfigError(
            f"origins {places}: choose from 1 to {steps - horizon}, so that a history of the "
            f"{steps} steps comes before and {horizon} steps come after"
        )
    return places
