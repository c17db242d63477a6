"""RecurrentClassifier: predicts the classes of sequences of vectors.

Legend: N sequences, B batch, K classes.
"""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from charrnn.ambient import as_usual
from charrnn.array_types import Float64Array
from charrnn.errors import ConfigError, ModelError
from charrnn.estimators.arrays import Array, as_classes
from charrnn.estimators.scikit_learn import data_conversion_warning
from charrnn.estimators.sequences import Targets
from charrnn.estimators.storage import classes_from_json, classes_to_json
from charrnn.estimators.supervised import SequenceEstimator

if TYPE_CHECKING:
    from torch import Tensor


class RecurrentClassifier(SequenceEstimator):
    """A classifier of sequences of vectors: a recurrent network with the cross-entropy loss.

    Args: see RecurrentRegressor.

    Attributes:
        classes_: (K,) the classes, sorted.
        losses_: the mean nats per sequence of each epoch, measured during the epoch.
        validation_losses_: the same of the held-out tenth; see RecurrentRegressor.
        settings_, network_config_, tensors_, network_, n_features_in_, input_mean_, input_scale_:
            see RecurrentRegressor.
    """

    estimator_type = "classifier"
    few_dropout = 0.5

    classes_: npt.NDArray[Any]

    @as_usual
    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict the most probable class (N,) of each sequence."""
        best = self._predict(X).argmax(1)  # before classes_, which does not exist before `fit`
        classes: npt.NDArray[Any] = self.classes_[best]
        return classes

    @as_usual
    def predict_proba(self, X: Any) -> Float64Array:
        """Predict the probability (N, K) of each class, in the order of `classes_`."""
        logits = self._predict(X)
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        probabilities: Float64Array = exponentials / exponentials.sum(1, keepdims=True)
        return probabilities

    @as_usual
    def score(self, X: Any, y: Any) -> float:
        """Return the accuracy: the share of sequences whose class is predicted right."""
        predicted = self.predict(X)
        labels = _read_classes(y, len(predicted))
        if _are_strings(labels) != _are_strings(self.classes_):
            learned, given = self.classes_.tolist()[0], labels.tolist()[0]
            raise ConfigError(
                f"y has classes like {given!r}: the fit was on classes like {learned!r}"
            )
        return float((labels == predicted).mean())

    def _read_targets(
        self, y: Any, count: int, before: "RecurrentClassifier | None"
    ) -> tuple[dict[str, Any], Targets]:
        labels = _read_classes(y, count)
        classes, numbers = np.unique(labels, return_inverse=True)
        if before is not None:
            known = {name: number for number, name in enumerate(before.classes_.tolist())}
            for name in classes.tolist():
                if name not in known:
                    raise ConfigError(
                        f"y has the class {name!r}, which the fit that is resumed has not: it "
                        f"knows {', '.join(map(repr, list(known)[:5]))}"
                    )
            numbers = np.array([known[name] for name in labels.tolist()])
            classes = before.classes_
        if len(classes) < 2:
            raise ConfigError(
                f"y has the class {classes.tolist()[0]!r} only, and of one class there is "
                "nothing to tell apart"
            )
        numbers = numbers.astype(np.int64)
        return {"classes_": classes}, Targets(numbers, self._shuffled(numbers))

    def _targets_to_json(self) -> dict[str, Any]:
        return {"classes": classes_to_json(self.classes_)}

    @staticmethod
    def _targets_from_json(data: dict[str, Any], outputs: int, where: str) -> dict[str, Any]:
        if data.keys() != {"classes"}:
            raise ModelError(f"{where}: expected the classes")
        return {"classes_": classes_from_json(data["classes"], f"{where}: classes", outputs)}

    def _output_size(self, fitted: dict[str, Any]) -> int:
        return len(fitted["classes_"])

    @staticmethod
    def _losses(outputs: "Tensor", targets: "Tensor", lengths: "Tensor | None") -> "Tensor":
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, targets, reduction="none")[:, None]

    def _report(self, losses: Float64Array, fitted: dict[str, Any]) -> float:
        return float(losses.mean())


def _read_classes(y: Any, count: int) -> Array:
    """Read the classes (N,) of the sequences; a column (N, 1) is accepted with a warning."""
    labels = as_classes(y, "y")
    if labels.shape == (count, 1):
        message = (
            "A column-vector y was passed when a 1d array was expected: y has shape "
            f"{labels.shape}, and is read as ({count},)"
        )
        warnings.warn(message, data_conversion_warning(), stacklevel=4)
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise ConfigError(
            f"y has shape {labels.shape}: expected ({count},), a class for each sequence of X"
        )
    return labels


def _are_strings(classes: Array) -> bool:
    return classes.dtype.kind == "U" or isinstance(classes.tolist()[0], str)
