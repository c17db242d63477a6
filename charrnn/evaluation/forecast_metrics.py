"""Metrics of forecasts of time series, in NumPy only.

Legend: T steps, H horizon, N sample paths, ... variables.
"""

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array
from charrnn.errors import ConfigError


def naive_error(history: npt.ArrayLike, season_length: int = 1) -> Float64Array:
    """Return the mean absolute error (...) of the seasonal naive forecast of one step within a
    history (T, ...): the scale of the MASE (Hyndman & Koehler, 2006).

    Raises ConfigError where the history is no longer than a season, or repeats exactly.
    """
    values = np.asarray(history, np.float64)
    if season_length < 1 or len(values) <= season_length:
        raise ConfigError(
            f"the history has {len(values)} steps: more than a season of {season_length} are needed"
        )
    error: Float64Array = np.abs(values[season_length:] - values[:-season_length]).mean(0)
    if (error == 0).any():
        raise ConfigError("the history repeats exactly, so that the MASE has no scale")
    return error


def absolute_scaled_errors(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, history: npt.ArrayLike, season_length: int = 1
) -> Float64Array:
    """Return the absolute errors (H, ...) in units of `naive_error`; their mean is the MASE."""
    true, guessed = _arrays(truth, predicted)
    errors: Float64Array = np.abs(true - guessed) / naive_error(history, season_length)
    return errors


def covered(truth: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike) -> Float64Array:
    """Return 1 where a value (H, ...) is within its interval, else 0; their mean is the
    coverage."""
    true, low = _arrays(truth, lower)
    _, high = _arrays(truth, upper)
    return ((low <= true) & (true <= high)).astype(np.float64)


def quantile_losses(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, probability: float
) -> Float64Array:
    """Return the quantile losses (H, ...), also called pinball losses, of a quantile (Koenker &
    Bassett, 1978), in the unit of the values."""
    true, guessed = _arrays(truth, predicted)
    errors = true - guessed
    losses: Float64Array = np.maximum(probability * errors, (probability - 1) * errors)
    return losses


def continuous_ranked_probability_scores(
    truth: npt.ArrayLike, paths: npt.ArrayLike
) -> Float64Array:
    """Return the continuous ranked probability scores (H, ...) of sample paths (N, H, ...), in the
    unit of the values (Gneiting & Raftery, 2007, equation 21).

    The score is the mean distance of a sample from the truth, less half of the mean distance of two
    samples; of a single sample, it is the absolute error.
    """
    samples = np.sort(np.asarray(paths, np.float64), axis=0)
    true, _ = _arrays(truth, samples[0])
    count = len(samples)
    # The mean of |x - x'| over all pairs of sorted samples is a weighted sum of the samples.
    weights = (2 * np.arange(1, count + 1) - count - 1) / count**2
    half = np.tensordot(weights, samples, axes=1)
    scores: Float64Array = np.abs(samples - true).mean(0) - half
    return scores


def _arrays(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    true, guessed = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if true.shape != guessed.shape or true.size == 0:
        raise ConfigError(
            f"the truth has shape {true.shape}, the forecast {guessed.shape}: expected the same"
        )
    return true, guessed
