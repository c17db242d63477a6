from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import ConfigError
from charrnn.estimators.forecasting.rules import (
    choose_transforms,
    find_season_length,
    grows,
    kpss,
    season_strength,
)
from charrnn.estimators.forecasting.transforms import POWERS, Transform, difference

weights = st.sampled_from([0.0, 0.3, 0.6, 1.0])


def transforms() -> st.SearchStrategy[Transform]:
    def made(power: float, level: float, season: float, season_length: int) -> Transform:
        return Transform(power=power, level=level, season=season, season_length=season_length)

    return st.builds(made, st.sampled_from(sorted(POWERS)), weights, weights, st.integers(2, 7))


@settings(max_examples=100, deadline=None)
@given(transforms(), st.integers(10, 30), st.integers(1, 17), st.integers(0, 9))
def test_what_follows_a_series_comes_back(
    transform: Transform, steps: int, horizon: int, seed: int
) -> None:
    """The transformed future, read with the state at the end of the history, is the future."""
    series = np.exp(np.random.default_rng(seed).normal(size=(steps + horizon, 2)).cumsum(0) / 4)
    end = transform.apply(series[:steps])
    assert np.abs(end.values[transform.burn_in :]).max() < 1e6
    future = undone(transform, series, steps)
    paths = np.stack([(future - end.mean) / end.scale] * 3, axis=1)  # (H, N, V)
    restored = transform.invert(paths, end)
    assert restored.shape == (horizon, 3, 2)
    assert np.allclose(restored, series[steps:, None], rtol=1e-6)


def undone(transform: Transform, series: Any, known: int) -> Any:
    """The differences of a whole series whose growth is known up to some step, (H, V)."""
    powers: dict[float, Any] = {0.0: np.log, 0.5: np.sqrt, 1.0: np.copy}
    power = powers[transform.power]
    x, _ = difference(power(series), 1, transform.level, known)
    x, _ = difference(x, transform.season_length, transform.season, known)
    return x[known:]


def test_a_weight_of_one_is_the_plain_difference() -> None:
    x = np.random.default_rng(0).normal(size=(20, 1))
    differences, means = difference(x, 3, 1.0)
    assert np.allclose(differences[3:], x[3:] - x[:-3])
    assert np.allclose(means, x[-3:])


def test_a_smaller_weight_is_an_invertible_moving_average() -> None:
    """(1 - B) x = (1 - 0.7 B) z, for a weight of 0.3."""
    x = np.random.default_rng(0).normal(size=(20, 1))
    z, _ = difference(x, 1, 0.3)
    assert np.allclose(x[1:] - x[:-1], z[1:] - 0.7 * z[:-1])


@pytest.mark.parametrize("weight", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("lag", [1, 4])
def test_steady_growth_is_constant_from_the_beginning(lag: int, weight: float) -> None:
    differences, _ = difference(2.5 * np.arange(24.0)[:, None], lag, weight)
    assert np.allclose(differences, 2.5 * lag / weight)


def test_covariates_of_the_future_change_nothing_of_the_past() -> None:
    transform = Transform(power=1.0, level=1.0, season=0.3, season_length=4)
    covariates = np.random.default_rng(0).normal(size=(30, 2))
    short = transform.apply_to_covariates(covariates[:25], 20)
    assert (transform.apply_to_covariates(covariates, 20)[:25] == short).all()


def test_a_constant_series_stays_finite() -> None:
    transform = Transform(power=0.0, level=1.0, season=0.3, season_length=4)
    end = transform.apply(np.full((20, 1), 7.0))
    assert (end.values[transform.burn_in :] == 0).all()
    assert np.allclose(transform.invert(np.zeros((9, 1, 1)), end), 7.0)


def test_a_transform_says_what_it_does() -> None:
    transform = Transform(power=0.0, level=0.6, season=1.0, season_length=12)
    assert str(transform) == "log, difference (weight 0.6), seasonal difference of 12"
    assert str(Transform(power=1.0, level=0.0, season=0.0, season_length=1)) == "none"


@pytest.mark.parametrize(
    ("field", "value"), [("power", 2.0), ("level", 1.5), ("season", -1.0), ("season_length", 0)]
)
def test_a_transform_out_of_range_is_refused(field: str, value: float) -> None:
    usual: dict[str, Any] = {"power": 1.0, "level": 0.0, "season": 0.0, "season_length": 4}
    with pytest.raises(ConfigError, match=field):
        Transform(**usual | {field: value})
    with pytest.raises(ConfigError, match="seasonal difference needs 2"):
        Transform(**usual | {"season": 1.0, "season_length": 1})


# Rules


def seasonal(steps: int, season: int, noise: float, seed: int = 0) -> Any:
    """A season of random numbers, repeated, with noise."""
    random = np.random.default_rng(seed)
    return np.tile(random.normal(size=season), steps // season + 1)[:steps] + noise * (
        random.normal(size=steps)
    )


@pytest.mark.parametrize("season", [4, 7, 12, 24])
def test_the_length_of_a_season_is_found(season: int) -> None:
    series = seasonal(10 * season, season, 0.3) + 0.05 * np.arange(10 * season)
    assert find_season_length([series]) == season
    assert season_strength(series, season) > 0.7


def test_noise_and_a_random_walk_have_no_season() -> None:
    noise = np.random.default_rng(0).normal(size=200)
    assert find_season_length([noise]) == 1
    assert season_strength(noise, 12) < 0.3


@pytest.mark.parametrize("season", [1, 6])
def test_a_random_walk_is_not_stationary_and_noise_is(season: int) -> None:
    """The statistic of Kwiatkowski et al. is equation 13 of their paper, written out."""
    noise = np.random.default_rng(0).normal(size=200)
    for series in (noise, noise.cumsum()):
        errors, lags = series - series.mean(), max(int(3 * np.sqrt(200) / 13), season)
        products = np.outer(errors, errors)
        apart = np.abs(np.subtract.outer(np.arange(200), np.arange(200)))
        variance = (products * np.maximum(1 - apart / (lags + 1), 0)).sum() / 200
        expected = (errors.cumsum() ** 2).sum() / 200**2 / variance
        assert kpss(series, season) == pytest.approx(expected)
    assert kpss(noise, season) < 0.463 < kpss(noise.cumsum(), season)


def test_the_power_and_the_differences_follow_the_series() -> None:
    random = np.random.default_rng(0)
    level = np.exp(0.02 * np.arange(144))
    growing = level * np.exp(seasonal(144, 12, 0.05) / 5)
    walk, noise = random.normal(size=150).cumsum(), random.normal(size=150)
    bursts = np.maximum(random.normal(size=150), 0) * level[:144].repeat(2)[:150]
    kinds: dict[str, Any] = {
        "log, seasonal difference of 12": growing,
        "difference": walk,
        "none": noise,
    }
    for expected, series in kinds.items():
        assert str(choose_transforms([series[:, None]])[0]) == expected
    assert bursts.min() == 0 and grows(bursts, 1)
    assert choose_transforms([bursts[:, None]])[0].power == 0.5
    assert not grows(noise, 1)


def test_what_is_given_is_not_chosen() -> None:
    series = [np.abs(np.random.default_rng(0).normal(size=(90, 1))) + 1]
    chosen = choose_transforms(series, season_length=5, power=0.0, differences="seasonal")
    assert str(chosen[0]) == "log, seasonal difference of 5"
    with pytest.raises(ConfigError, match="season_length 1"):
        choose_transforms(series, season_length=1, differences="seasonal")
