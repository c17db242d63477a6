"""What the networks of a forecaster read and predict at each step of a series. No torch.

Legend: T steps, V variables, C covariates, E inputs of a step, L lags.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from charrnn.array_types import Float32Array, Float64Array
from charrnn.estimators.arrays import Array
from charrnn.estimators.forecasting.transforms import Transform, Transformed

CONTEXT: Final = 256
"""The steps of a window of a series in training, and the last steps of a history that are read to
continue it."""

PENALTY: Final = 0.05
"""The penalty of the squared weights of the initial linear autoregression, for each step."""

NEAREST: Final = (1, 2, 3)
"""The lags that are always read."""


@dataclass(frozen=True)
class Example:
    """A transformed series as inputs and targets.

    Attributes:
        inputs: (T, E): for each lag the V values, then the C covariates.
        targets: (T, V).
        counted: (T,) whether a step counts in the loss.
        future: (H, C) the covariates of the steps that follow.
    """

    inputs: Float32Array
    targets: Float32Array
    counted: Array
    future: Float32Array

    def last(self, share: float) -> Array:
        """Return whether a step (T,) is among a share of those that count, at the end."""
        steps = len(self.counted)
        return np.arange(steps) >= steps - int(share * self.counted.sum())


def choose_lags(season_length: int) -> tuple[int, ...]:
    """Return the lags of the values that are read at each step: the last three, and three about a
    season before."""
    season = (season_length - 1, season_length, season_length + 1) if season_length > 1 else ()
    return tuple(sorted({*NEAREST, *season} - {0}))


def lagged(values: Float64Array, lags: Sequence[int]) -> Float64Array:
    """Return the values (T, V) some lags before each step, (T, L V), 0 before the first one."""
    columns = [np.vstack([np.zeros_like(values[:lag]), values[:-lag]]) for lag in lags]
    return np.hstack([each[: len(values)] for each in columns])


def make_example(
    transform: Transform,
    transformed: Transformed,
    covariates: Float64Array | None,
    lags: Sequence[int],
) -> Example:
    """Make the inputs and targets of a transformed series, with covariates (T + H, C)."""
    values = transformed.values.copy()
    values[: transform.burn_in] = 0
    inputs = lagged(values, lags)
    steps, future = len(values), np.empty((0, 0), np.float32)
    if covariates is not None:
        read = transform.apply_to_covariates(covariates, steps).astype(np.float32)
        read[: transform.burn_in] = 0
        inputs, future = np.hstack([inputs, read[:steps]]), read[steps:]
    counted = np.arange(steps) >= transform.burn_in
    return Example(inputs.astype(np.float32), values.astype(np.float32), counted, future)


def linear_autoregression(
    examples: Sequence[Example], begin: int, held_out: float = 0.0
) -> tuple[Float32Array, Float32Array]:
    """Fit the linear autoregression of least squares with a penalty (ridge regression).

    Args:
        examples: the series.
        begin: the steps left out after those that do not count, whose lags are not all known.
        held_out: the share of the steps of each series, at its end, that is left out.

    Returns: the weights (V, E), and the scale of the errors (V,).
    """
    rows = [each.counted & ~each.last(held_out) for each in examples]
    complete = [row & (np.cumsum(row) > begin) for row in rows]
    if sum(row.sum() for row in complete) > 2 * examples[0].inputs.shape[1]:
        rows = complete
    x = np.vstack([each.inputs[row] for each, row in zip(examples, rows, strict=True)])
    y = np.vstack([each.targets[row] for each, row in zip(examples, rows, strict=True)])
    x, y = x.astype(np.float64), y.astype(np.float64)
    penalty = PENALTY * len(x) * np.eye(x.shape[1])
    weights = np.linalg.solve(x.T @ x + penalty, x.T @ y)  # (E, V)
    scale = np.maximum((y - x @ weights).std(0), 1e-3)
    return weights.T.astype(np.float32), scale.astype(np.float32)
