"""RecurrentRegressor: predicts numbers for sequences of vectors.

Legend: N sequences, T steps, E numbers of a step, B batch, K outputs.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.ambient import as_usual
from charrnn.errors import ConfigError
from charrnn.estimators.arrays import as_numbers, check_finite
from charrnn.estimators.base import RecurrentEstimator
from charrnn.evaluation.metrics import r_squared


class RecurrentRegressor(RecurrentEstimator):
    """A regressor of sequences of vectors: a recurrent network with the mean squared error, which
    predicts one number or K numbers for each sequence.

    >>> regressor = charrnn.RecurrentRegressor(hidden_size=32, cell="gru", epochs=20)
    >>> regressor.fit(X, y).predict(X_new)

    Each of the K targets is standardized to mean 0 and variance 1, so that its unit does not
    matter. Inputs are not scaled. The sequences of a batch are padded to the same length, which
    changes no prediction.

    Args:
        input_size: E; None takes it from X.
        hidden_size, cell, layers, bidirectional, dropout: see ModelConfig.
        pooling: how the outputs of all steps become one vector: "last", "mean", "max" or
            "attention"; see Pooling.
        optimizer: an entry of OPTIMIZERS: "adamw" or "rmsprop".
        learning_rate: the learning rate, the same at every step.
        epochs: the number of passes over all sequences.
        batch_size: B, the sequences of a batch.
        clip: the largest norm of a gradient; None is off.
        random_state: the seed. The same seed gives the same weights on the same machine; None gives
            other weights at every fit.
        device: a device of PyTorch, or "auto" for the best one.
        verbose: whether to show a progress bar (tqdm).

    Attributes:
        network_: the fitted network, a ManyToOne.
        n_features_in_: E.
        losses_: the mean squared error of each epoch, measured during the epoch, in squared units
            of y (for K numbers, the mean).
        target_mean_, target_scale_: (K,) the mean and scale of the targets.
    """

    estimator_type = "regressor"

    target_mean_: npt.NDArray[np.float64]
    target_scale_: npt.NDArray[np.float64]
    one_d_: bool

    @as_usual
    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict a number (N,) for each sequence, or K numbers (N, K), in the shape of the y of
        `fit`."""
        numbers = self._predict(X) * self.target_scale_ + self.target_mean_
        return numbers[:, 0] if self.one_d_ else numbers

    @as_usual
    def score(self, X: Any, y: Any) -> float:
        """Return R², the share of the variance of y that is explained; see `r_squared`."""
        numbers = as_numbers(y, "y").astype(np.float64)
        check_finite(numbers, "y")
        return r_squared(numbers, self.predict(X))

    def _read_targets(self, y: Any, count: int) -> tuple[dict[str, Any], Tensor]:
        numbers = as_numbers(y, "y").astype(np.float64)
        if numbers.ndim not in (1, 2) or len(numbers) != count or numbers.size == 0:
            raise ConfigError(
                f"y has shape {numbers.shape}: expected ({count},) or ({count}, K), a row for each "
                f"sequence of X"
            )
        with np.errstate(over="ignore"):
            check_finite(numbers.astype(np.float32), "y")
        columns = numbers.reshape(count, -1)
        scale = columns.std(0)
        scale[(columns == columns[0]).all(0)] = 1.0
        fitted = {
            "target_mean_": columns.mean(0),
            "target_scale_": scale,
            "one_d_": numbers.ndim == 1,
        }
        targets = ((columns - fitted["target_mean_"]) / scale).astype(np.float32)
        return fitted, torch.from_numpy(targets)

    def _output_size(self, fitted: dict[str, Any]) -> int:
        return len(fitted["target_mean_"])

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square()

    def _report(self, losses: npt.NDArray[np.float64], fitted: dict[str, Any]) -> float:
        return float((losses * fitted["target_scale_"] ** 2).mean())
