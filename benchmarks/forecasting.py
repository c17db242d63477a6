"""How well RecurrentForecaster forecasts with its defaults, beside exponential smoothing.

    python -m benchmarks.forecasting [air] [sunspots] [co2] [--cell lstm] [--no-ets]

air: monthly passengers of airlines (pmdarima), the last 36 months. sunspots: yearly numbers
(statsmodels), the last 66 years. co2: monthly means of carbon dioxide at Mauna Loa (statsmodels),
whose gaps are filled in by interpolation, the last 60 months. All are forecast a season ahead from
rolling origins; the forecaster is fitted once, to what is before the first origin.

Beside it stand the seasonal naive forecast and exponential smoothing (ETSModel of statsmodels),
which is fitted again at every origin; at the first one and after each year of monthly origins (each
12 origins), its error, trend and season are chosen among all by AICc (Hyndman et al., 2002).
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import charrnn
from charrnn.array_types import Float64Array
from charrnn.evaluation.forecast_metrics import (
    absolute_scaled_errors,
    continuous_ranked_probability_scores,
    covered,
    naive_error,
)

CHOSEN_EVERY = 12
"""The origins after which the form of exponential smoothing is chosen again."""


@dataclass(frozen=True)
class Data:
    """A series, and how it is forecast.

    Attributes:
        values: (T,).
        season_length: the steps of a season, by which exponential smoothing and the MASE go.
        horizon: the steps of a forecast.
        tested: the steps at the end from which the origins are.
        step: the steps between origins.
    """

    values: Float64Array
    season_length: int
    horizon: int
    tested: int
    step: int

    @property
    def origins(self) -> range:
        """The steps before each forecast."""
        last = len(self.values) - self.horizon
        return range(len(self.values) - self.tested, last + 1, self.step)


def air() -> Data:
    """Return the monthly passengers of airlines, in thousands."""
    from pmdarima.datasets import load_airpassengers

    return Data(np.asarray(load_airpassengers(), np.float64), 12, 12, 36, 1)


def sunspots() -> Data:
    """Return the yearly numbers of sunspots."""
    from statsmodels.datasets import sunspots as spots

    values = spots.load_pandas().data["SUNACTIVITY"].to_numpy(np.float64)
    return Data(values, 11, 11, 66, 1)


def co2() -> Data:
    """Return the monthly means of carbon dioxide, in parts per million."""
    from statsmodels.datasets import co2 as carbon_dioxide

    weekly = carbon_dioxide.load_pandas().data["co2"].interpolate()
    return Data(weekly.resample("MS").mean().to_numpy(np.float64), 12, 12, 60, 3)


DATA = {"air": air, "sunspots": sunspots, "co2": co2}


def forms(values: Float64Array, season_length: int) -> Iterator[dict[str, Any]]:
    """Yield the forms of exponential smoothing, but those that R's `ets` leaves out too:
    multiplicative ones of values that are not positive, multiplicative trends, and multiplicative
    seasons with additive errors."""
    for error in ("add", "mul"):
        for season in (None, "add", "mul") if season_length > 1 else (None,):
            if "mul" in (error, season) and values.min() <= 0:
                continue
            if (error, season) == ("add", "mul"):
                continue
            for trend, damped in ((None, False), ("add", False), ("add", True)):
                yield {
                    "error": error,
                    "trend": trend,
                    "damped_trend": damped,
                    "seasonal": season,
                    "seasonal_periods": season_length if season else None,
                }


class Smoothing:
    """Exponential smoothing, whose form is chosen by AICc."""

    def __init__(self, season_length: int) -> None:
        self.season_length = season_length
        self.form: dict[str, Any] = {}

    def paths(self, values: Float64Array, horizon: int, choose: bool) -> tuple[Any, Any]:
        """Return the mean forecast (H,), and 1000 simulated paths (N, H)."""
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel

        candidates = list(forms(values, self.season_length)) if choose else [self.form]
        fits: list[tuple[float, int, Any, dict[str, Any]]] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # optimizers that stop early
            for form in candidates:
                fit = ETSModel(values, **form).fit(disp=False, maxiter=500)
                if np.isfinite(fit.aicc):
                    fits.append((fit.aicc, len(fits), fit, form))
            _, _, best, self.form = min(fits)
            simulated = best.simulate(horizon, anchor="end", repetitions=1000, rng=0)
            return np.asarray(best.forecast(horizon)), np.asarray(simulated).T


def smoothing_scores(data: Data) -> tuple[float, float, float, dict[str, Any]]:
    """Return the MASE, the coverage of the 80 % interval and the CRPS of exponential smoothing, and
    its last form."""
    smoothing, scores = Smoothing(data.season_length), []
    for number, origin in enumerate(data.origins):
        history = data.values[:origin]
        truth = data.values[origin : origin + data.horizon]
        mean, paths = smoothing.paths(
            history, data.horizon, choose=number * data.step % CHOSEN_EVERY == 0
        )
        lower, upper = np.quantile(paths, (0.1, 0.9), axis=0)
        crps = continuous_ranked_probability_scores(truth, paths)
        scores.append(
            (
                absolute_scaled_errors(truth, mean, history, data.season_length).mean(),
                covered(truth, lower, upper).mean(),
                crps.mean() / naive_error(history, data.season_length),
            )
        )
    mase, coverage, crps_mean = np.mean(scores, axis=0).tolist()
    return mase, coverage, crps_mean, smoothing.form


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=list(DATA), help=", ".join(DATA))
    parser.add_argument("--cell", default="gru")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--no-ets", action="store_true")
    arguments = parser.parse_args()
    print(f"{'':9} {'':22} MASE  80 %  CRPS")
    for name in arguments.data:
        data = DATA[name]()
        began = time.perf_counter()
        forecaster = charrnn.RecurrentForecaster(
            cell=arguments.cell, random_state=arguments.random_state
        )
        tested = charrnn.backtest(
            forecaster,
            data.values,
            data.horizon,
            origins=data.origins,
            season_length=data.season_length,
        )
        seconds = time.perf_counter() - began
        print(f"{name:9} {'seasonal naive':21} {tested.naive_mase:.3f}")
        print(
            f"{'':9} {'RecurrentForecaster':21} {tested.mase:.3f} {tested.coverage:5.1%} "
            f"{tested.crps:.3f}  {len(data.origins)} origins, {seconds:.0f} s",
            flush=True,
        )
        if arguments.no_ets:
            continue
        mase, coverage, crps, form = smoothing_scores(data)
        chosen = ", ".join(f"{key} {value}" for key, value in form.items() if value)
        print(f"{'':9} {'ETS':21} {mase:.3f} {coverage:5.1%} {crps:.3f}  {chosen}", flush=True)


if __name__ == "__main__":
    main()
