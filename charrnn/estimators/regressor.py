"""RecurrentRegressor: numbers of sequences of vectors.

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
    """A number, or K of them, for each sequence of vectors, by stacked cells and the mean squared
    error.

    >>> regressor = charrnn.RecurrentRegressor(hidden_size=32, cell="gru", epochs=20)
    >>> regressor.fit(X, y).predict(X_new)

    Targets are learned as if each of the K had mean 0 and variance 1, so that their units do not
    matter; inputs are taken as they are. Sequences of a batch are filled up to the same length,
    which changes no answer.

    Args:
        input_size: E; what X has when None.
        hidden_size, cell, layers, bidirectional, dropout: see ModelConfig.
        pooling: how the outputs for all steps become one: "last", "mean", "max" or "attention"; see
            Pooling.
        optimizer: an entry of OPTIMIZERS: "adamw" or "rmsprop".
        learning_rate: of every step.
        epochs: how often all sequences are read.
        batch_size: B, sequences read at once.
        clip: the norm that a gradient has at most; None is off.
        random_state: with the same one, the same machine learns the same weights; None is another
            every time.
        device: what PyTorch calls it; "auto" for the best there is.
        verbose: whether a progress bar is shown (tqdm's).

    Attributes:
        network_: what has learned, a ManyToOne.
        n_features_in_: E.
        losses_: the mean squared error of each epoch, while it was learned from, in the unit of y
            squared (of K numbers, the mean).
        target_mean_, target_scale_: (K,) what targets were shifted and divided by.
    """

    estimator_type = "regressor"

    target_mean_: npt.NDArray[np.float64]
    target_scale_: npt.NDArray[np.float64]
    one_d_: bool

    @as_usual
    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """A number (N,) for each sequence, or K (N, K), as y was when it learned."""
        answers = self._answers(X) * self.target_scale_ + self.target_mean_
        return answers[:, 0] if self.one_d_ else answers

    @as_usual
    def score(self, X: Any, y: Any) -> float:
        """R², the share of the variance of y that is explained: see `r_squared`."""
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
        learned = {
            "target_mean_": columns.mean(0),
            "target_scale_": scale,
            "one_d_": numbers.ndim == 1,
        }
        targets = ((columns - learned["target_mean_"]) / scale).astype(np.float32)
        return learned, torch.from_numpy(targets)

    def _outputs(self, learned: dict[str, Any]) -> int:
        return len(learned["target_mean_"])

    def _losses(self, answers: Tensor, targets: Tensor) -> Tensor:
        return (answers - targets).square()

    def _in_units(self, losses: npt.NDArray[np.float64], learned: dict[str, Any]) -> float:
        return float((losses * learned["target_scale_"] ** 2).mean())
