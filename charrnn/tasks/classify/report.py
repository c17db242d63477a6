"""How well a model tells the classes or numbers of texts.

Legend: N texts, M texts that were learned from, C classes (1 for a number).
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.metrics import (
    accuracy,
    confusion_matrix,
    macro_f1,
    r_squared,
    root_mean_squared_error,
)
from charrnn.storage.model_directory import Model
from charrnn.tasks.classify.documents import Indices, LabelledCorpus
from charrnn.tasks.classify.engine import ClassifyingEngine

Float64Array = npt.NDArray[np.float64]

NAMES: Final = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "root_mean_squared_error": "root mean squared error",
    "r_squared": "R²",
}
"""What the measures are called on screen."""


def measures(
    predictions: Float64Array,
    targets: npt.NDArray[Any],
    learned: npt.NDArray[Any] | None,
    *,
    classes: int,
) -> dict[str, float]:
    """How good predictions (N, C) are, and how good the simplest guess is: the most frequent class,
    or the mean, of what was learned from.

    Args:
        targets: (N,) what is right.
        learned: (M,) the targets that were learned from; None where they are not known, and there
            is no simplest guess.
        classes: how many; 0 for numbers.
    """
    if classes:
        told = predictions.argmax(axis=1)
        known = {
            "accuracy": accuracy(targets, told),
            "macro_f1": macro_f1(confusion_matrix(targets, told, classes)),
        }
        if learned is None:
            return known
        guess = np.full_like(targets, np.bincount(learned).argmax())
        return known | {
            "baseline_accuracy": accuracy(targets, guess),
            "baseline_macro_f1": macro_f1(confusion_matrix(targets, guess, classes)),
        }
    known = {
        "root_mean_squared_error": root_mean_squared_error(targets, predictions[:, 0]),
        "r_squared": r_squared(targets, predictions[:, 0]),
    }
    if learned is None:
        return known
    guess = np.full_like(targets, learned.mean())
    return known | {"baseline_root_mean_squared_error": root_mean_squared_error(targets, guess)}


def predict_documents(
    model: Model, corpus: LabelledCorpus, numbers: Indices, *, at_most: float = np.inf
) -> tuple[Float64Array, npt.NDArray[Any]]:
    """The logits of classes, or the numbers, (N, C) that a model tells of documents, each read from
    its first character to its last, and what is right (N,).

    It reads the documents of those numbers, in that order, until it has read `at_most` characters.
    Raises ModelError when the model is not one to classify or regress, or its numbers overflow.
    """
    before = np.cumsum(corpus.lengths[numbers]) - corpus.lengths[numbers]
    numbers = numbers[before < at_most]
    engine = ClassifyingEngine.of(model)
    told = engine.logits([corpus.document(int(number)) for number in numbers])
    return told.astype(np.float64), corpus.targets[numbers]
