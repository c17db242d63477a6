import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.evaluation.forecast_metrics import (
    absolute_scaled_errors,
    continuous_ranked_probability_scores,
    covered,
    naive_error,
    quantile_losses,
)

random = np.random.default_rng(0)


def test_the_scale_is_the_error_of_the_seasonal_naive_forecast() -> None:
    history = [1.0, 5.0, 2.0, 9.0]
    assert naive_error(history) == pytest.approx((4 + 3 + 7) / 3)
    assert naive_error(history, 2) == pytest.approx((1 + 4) / 2)
    assert absolute_scaled_errors([3.0, 2.0], [4.0, 7.0], history, 2).tolist() == [0.4, 2.0]


def test_of_several_variables_each_has_its_own_scale() -> None:
    history = random.normal(size=(20, 2)) * [1, 100]
    errors = absolute_scaled_errors(history[:3], history[3:6], history)
    for variable in range(2):
        column = history[:, variable]
        expected = absolute_scaled_errors(column[:3], column[3:6], column)
        assert np.allclose(errors[:, variable], expected)


def test_the_score_of_samples_is_its_definition() -> None:
    samples, truth = random.normal(size=(7, 3)), random.normal(size=3)
    for step in range(3):
        x = samples[:, step]
        expected = np.abs(x - truth[step]).mean() - np.abs(x[:, None] - x).mean() / 2
        score = continuous_ranked_probability_scores(truth, samples)[step]
        assert score == pytest.approx(expected)
    one = continuous_ranked_probability_scores(truth, samples[:1])
    assert np.allclose(one, np.abs(samples[0] - truth))


def test_twice_the_mean_quantile_loss_is_the_score() -> None:
    """Over all probabilities, for many samples (Gneiting & Raftery, 2007)."""
    samples, truth = random.normal(size=(4000, 1)), np.array([0.7])
    probabilities = (np.arange(200) + 0.5) / 200
    quantiles = np.quantile(samples, probabilities, axis=0)
    losses = [
        quantile_losses(truth, quantile, probability)
        for quantile, probability in zip(quantiles, probabilities, strict=True)
    ]
    score = continuous_ranked_probability_scores(truth, samples)
    assert 2 * np.mean(losses) == pytest.approx(score[0], rel=0.01)


def test_an_interval_covers_its_ends() -> None:
    assert covered([1, 2, 3, 4], [1, 0, 0, 5], [1, 1, 3, 6]).tolist() == [1, 0, 1, 0]


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than a season of 4"):
        naive_error([1, 2, 3], 4)
    with pytest.raises(ConfigError, match="repeats exactly"):
        naive_error([1, 2, 1, 2], 2)
    with pytest.raises(ConfigError, match=r"shape \(2,\), the forecast \(3,\)"):
        covered([1, 2], [1, 2, 3], [1, 2, 3])
