from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.errors import ConfigError
from charrnn.evaluation.forecast_metrics import absolute_scaled_errors, covered

SMALL: dict[str, Any] = {"hidden_size": 4, "members": 1, "epochs": 1, "season_length": 4}
Y = 10 + np.tile([0.0, 3, 1, -2], 12) + np.random.default_rng(0).normal(size=48) / 4


def small(**parameters: Any) -> charrnn.RecurrentForecaster:
    return charrnn.RecurrentForecaster(**SMALL | parameters)


def test_the_figures_are_those_of_each_forecast() -> None:
    forecaster = small()
    tested = charrnn.backtest(forecaster, Y, 6, origins=3, step=2, n=20)
    assert tested.origins == (38, 40, 42)
    assert not hasattr(forecaster, "tensors_")  # a copy was fitted
    fitted = small().fit(Y[:38])
    errors, inside = [], []
    for number, origin in enumerate(tested.origins):
        forecast: Any = fitted.predict(6, series=Y[:origin], n=20)
        truth = Y[origin : origin + 6]
        assert (tested.median[number] == forecast[0.5]).all()
        assert (tested.truth[number] == truth).all()
        assert (tested.naive[number] == Y[origin - 4 : origin][[0, 1, 2, 3, 0, 1]]).all()
        errors.append(absolute_scaled_errors(truth, forecast[0.5], Y[:origin], 4))
        inside.append(covered(truth, forecast[0.1], forecast[0.9]))
    assert np.allclose(tested.mase_by_step, np.mean(errors, 0))
    assert np.allclose(tested.coverage_by_step, np.mean(inside, 0))
    assert tested.mase == pytest.approx(np.mean(errors))
    assert str(tested).startswith(f"3 origins: MASE {tested.mase:.3f} (seasonal naive ")


def test_nothing_after_an_origin_is_known_before_it() -> None:
    changed = Y.copy()
    changed[42:] += 100
    ours, theirs = (
        charrnn.backtest(small(), series, 6, origins=[36, 42], refit=True, n=5)
        for series in (Y, changed)
    )
    assert (ours.median == theirs.median).all()


def test_a_refit_learns_from_what_came() -> None:
    once, again = (
        charrnn.backtest(small(), Y, 3, origins=2, step=9, refit=refit, n=5)
        for refit in (False, True)
    )
    assert (once.median[0] == again.median[0]).all()
    assert (once.median[1] != again.median[1]).any()


def test_several_variables_and_covariates() -> None:
    two, covariates = np.stack([Y, -Y], 1), np.arange(48.0)
    tested = charrnn.backtest(small(), two, 5, covariates=covariates, origins=2, n=5)
    assert tested.median.shape == (2, 5, 2)
    assert tested.crps_by_step.shape == (5,)
    longer = charrnn.backtest(small(), Y, 5, origins=2, n=5, season_length=1)
    assert np.unique(longer.naive[0]).size == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"origins": [45]}, r"origins \[45\]: choose from 1 to 42"),
        ({"origins": []}, r"origins \[\]"),
        ({"origins": 0}, "origins 0"),
        ({"origins": 50}, r"origins \["),
        ({"step": 0}, "step 0"),
        ({"season_length": 0}, "season_length 0"),
        ({"series": [Y, Y]}, "backtest one series at a time"),
    ],
)
def test_what_cannot_be_tested_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        usual: dict[str, Any] = {"series": Y, "horizon": 6}
        charrnn.backtest(small(), **usual | arguments)
