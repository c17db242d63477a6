"""RecurrentClassifier: classes of sequences of vectors.

Legend: N sequences, B batch, K classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.data.sequences import check_finite
from charrnn.errors import ConfigError
from charrnn.training.estimator import RecurrentEstimator


class RecurrentClassifier(RecurrentEstimator):
    """The class of each sequence of vectors, by stacked cells and the cross-entropy.

    Args: see RecurrentRegressor.

    Attributes:
        classes_: (K,) the classes, sorted.
        losses_: nats per sequence in each epoch, while it was learned from.
        network_, n_features_in_: see RecurrentRegressor.
    """

    estimator_type = "classifier"

    classes_: npt.NDArray[Any]

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The likeliest class (N,) of each sequence."""
        best = self._answers(X).argmax(1)
        likeliest: npt.NDArray[Any] = self.classes_[best]
        return likeliest

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """The probability (N, K) of each class, in the order of `classes_`."""
        answers = self._answers(X)
        exponentials = np.exp(answers - answers.max(1, keepdims=True))
        probabilities: npt.NDArray[np.float64] = exponentials / exponentials.sum(1, keepdims=True)
        return probabilities

    def score(self, X: Any, y: Any) -> float:
        """The share of sequences whose class is right."""
        predicted, labels = self.predict(X), np.asarray(y)
        if labels.shape != predicted.shape:
            raise ConfigError(f"y has shape {labels.shape}: expected {predicted.shape}")
        return float((labels == predicted).mean())

    def _read_targets(self, y: Any, count: int) -> tuple[dict[str, Any], Tensor]:
        labels = np.asarray(y)
        if labels.shape != (count,):
            raise ConfigError(
                f"y has shape {labels.shape}: expected ({count},), a class for each sequence of X"
            )
        if labels.dtype.kind == "f":
            check_finite(labels, "y")
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ConfigError(
                f"y has the class {classes.tolist()[0]!r} only: there is nothing to tell apart"
            )
        return {"classes_": classes}, torch.from_numpy(numbers.astype(np.int64))

    def _outputs(self, learned: dict[str, Any]) -> int:
        return len(learned["classes_"])

    def _losses(self, answers: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(answers, targets, reduction="none")[:, None]

    def _in_units(self, losses: npt.NDArray[np.float64], learned: dict[str, Any]) -> float:
        return float(losses.mean())
