"""Forecast: what is predicted for the steps after a series. No torch.

Legend: H horizon, V variables, N sample paths.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np

from charrnn.array_types import Float64Array
from charrnn.errors import ConfigError


@dataclass(frozen=True)
class Forecast:
    """A forecast of one series, for each of its next H steps.

    Attributes:
        mean: (H,), or (H, V) for a series of vectors, in the unit of the series.
        quantiles: the value below which the series will be with each probability, (H,) or (H, V).
    """

    mean: Float64Array
    quantiles: Mapping[float, Float64Array]

    def __getitem__(self, probability: float) -> Float64Array:
        """Return a quantile that was asked for. Raises KeyError for another one."""
        if probability not in self.quantiles:
            raise KeyError(f"no quantile {probability!r}: give it to predict, in quantiles=")
        return self.quantiles[probability]


def summarize(paths: Float64Array, probabilities: tuple[float, ...]) -> Forecast:
    """Return the mean and the quantiles of sample paths (N, H) or (N, H, V)."""
    values = np.quantile(paths, probabilities, axis=0)
    return Forecast(paths.mean(0), dict(zip(probabilities, values, strict=True)))


def check_quantiles(quantiles: Iterable[float]) -> tuple[float, ...]:
    """Return the probabilities of quantiles. Raises ConfigError for one that is none."""
    probabilities = tuple(quantiles)
    for each in probabilities:
        if not isinstance(each, Real) or not 0 < float(each) < 1:
            raise ConfigError(f"quantile {each!r}: choose between 0 and 1, such as 0.9")
    return tuple(float(each) for each in probabilities)
