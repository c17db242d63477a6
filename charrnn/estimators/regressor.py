"""RecurrentRegressor: predicts numbers for sequences of vectors.

Legend: N sequences, T steps, E numbers of a step, B batch, K outputs.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from charrnn.ambient import as_usual
from charrnn.array_types import Float64Array
from charrnn.errors import ConfigError, ModelError
from charrnn.estimators.arrays import as_numbers, check_finite
from charrnn.estimators.sequences import Targets
from charrnn.estimators.storage import numbers_from_json
from charrnn.estimators.supervised import SequenceEstimator
from charrnn.evaluation.metrics import r_squared

if TYPE_CHECKING:
    from torch import Tensor


class RecurrentRegressor(SequenceEstimator):
    """A regressor of sequences of vectors: a recurrent network with the mean squared error, which
    predicts one number or K numbers for each sequence.

    >>> regressor = charrnn.RecurrentRegressor(cell="gru")
    >>> regressor.fit(X, y).predict(X_new)

    Each of the K targets and each of the E numbers of a step is standardized, so that units do not
    matter. The sequences of a batch are padded to the same length, which changes no prediction.

    A parameter that is None is chosen for the data: sizes and rates by the rules of
    `choose_settings`, the epochs and the pooling by what predicts a held-out tenth best; see
    `fit_network`.

    Args:
        input_size: E; None takes it from X.
        hidden_size, cell, layers, bidirectional, dropout: see ModelConfig.
        pooling: how the outputs of all steps become one vector: "last", "mean", "max" or
            "attention"; see Pooling.
        optimizer: an entry of OPTIMIZERS: "adamw" or "rmsprop".
        learning_rate: the learning rate. It is the same at every step of given epochs; of epochs
            that are measured, it is the largest, and falls to zero.
        epochs: the number of passes over all sequences.
        batch_size: B, the sequences of a batch.
        clip: the largest norm of a gradient; None is off.
        standardize: whether the numbers of a step are standardized.
        random_state: the seed. The same seed gives the same weights on the same machine; None gives
            other weights at every fit.
        device: a device of PyTorch, or "auto" for the best one.
        verbose: whether to show a progress bar (tqdm).

    Attributes:
        settings_: the settings of the fit, given or chosen.
        network_config_: the sizes of the fitted network, with the pooling that was chosen.
        tensors_: its weights by name, as arrays.
        network_: the fitted network as a ManyToOne of PyTorch.
        n_features_in_: E.
        input_mean_, input_scale_: (E,) the mean and scale of the numbers of a step.
        losses_: the mean squared error of each epoch, measured during the epoch, in squared units
            of y (for K numbers, the mean).
        validation_losses_: the same of the held-out tenth after each epoch up to the best one;
            empty where nothing was held out.
        target_mean_, target_scale_: (K,) the mean and scale of the targets.
    """

    estimator_type = "regressor"
    few_dropout = 0.1

    target_mean_: Float64Array
    target_scale_: Float64Array
    one_d_: bool

    @as_usual
    def predict(self, X: Any) -> Float64Array:
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

    def _read_targets(
        self, y: Any, count: int, before: "RecurrentRegressor | None"
    ) -> tuple[dict[str, Any], Targets]:
        numbers = as_numbers(y, "y").astype(np.float64)
        if numbers.ndim not in (1, 2) or len(numbers) != count or numbers.size == 0:
            raise ConfigError(
                f"y has shape {numbers.shape}: expected ({count},) or ({count}, K), a row for each "
                f"sequence of X"
            )
        with np.errstate(over="ignore"):
            check_finite(numbers.astype(np.float32), "y")
        columns = numbers.reshape(count, -1)
        mean, scale, one_d = columns.mean(0), columns.std(0), numbers.ndim == 1
        scale[(columns == columns[0]).all(0)] = 1.0
        if before is not None:
            mean, scale = before.target_mean_, before.target_scale_
            if (before.one_d_, len(mean)) != (one_d, columns.shape[1]):
                raise ConfigError(
                    f"y has shape {numbers.shape}: the fit that is resumed has another number of "
                    "columns"
                )
        fitted = {"target_mean_": mean, "target_scale_": scale, "one_d_": one_d}
        targets = ((columns - mean) / scale).astype(np.float32)
        return fitted, Targets(targets, self._shuffled(targets[:, 0]))

    def _targets_to_json(self) -> dict[str, Any]:
        return {
            "target_mean": self.target_mean_.tolist(),
            "target_scale": self.target_scale_.tolist(),
            "one_d": self.one_d_,
        }

    @staticmethod
    def _targets_from_json(data: dict[str, Any], outputs: int, where: str) -> dict[str, Any]:
        if data.keys() != {"target_mean", "target_scale", "one_d"}:
            raise ModelError(f"{where}: expected the mean and the scale of the targets")
        if not isinstance(data["one_d"], bool) or (data["one_d"] and outputs != 1):
            raise ModelError(f"{where}: one_d is {data['one_d']!a:.100}")
        return {
            "target_mean_": numbers_from_json(data["target_mean"], where, outputs),
            "target_scale_": numbers_from_json(data["target_scale"], where, outputs),
            "one_d_": data["one_d"],
        }

    def _output_size(self, fitted: dict[str, Any]) -> int:
        return len(fitted["target_mean_"])

    @staticmethod
    def _losses(outputs: "Tensor", targets: "Tensor", lengths: "Tensor | None") -> "Tensor":
        return (outputs - targets).square()

    def _report(self, losses: Float64Array, fitted: dict[str, Any]) -> float:
        return float((losses * fitted["target_scale_"] ** 2).mean())
