"""Quality of the predicted classes or numbers of texts, and how it is shown.

Legend: N texts, M texts that were learned from, C classes (1 for a number).
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.evaluation.metrics import (
    accuracy,
    confusion_matrix,
    macro_f1,
    r_squared,
    root_mean_squared_error,
)
from charrnn.storage.model_directory import Model
from charrnn.tasks.classify.documents import LabelledCorpus
from charrnn.tasks.classify.engine import ClassifyingEngine
from charrnn.training.report import Rows, Table

NAMES: Final = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "root_mean_squared_error": "root mean squared error",
    "r_squared": "R²",
}
"""The measures and their names."""

LARGEST_AT_THE_END: Final = 2_000_000
"""The most characters of held-out documents that are read at the end of a training; `charrnn
evaluate` reads all."""

LARGEST_MATRIX: Final = 10
CONFUSIONS: Final = 8
LONGEST_NAME: Final = 24
"""The most classes that a confusion matrix shows; the number of confusions shown for more classes;
and the most characters of a class name."""


def measures(
    predictions: Float64Array,
    targets: npt.NDArray[Any],
    learned: npt.NDArray[Any] | None,
    *,
    classes: int,
) -> dict[str, float]:
    """Measure predictions (N, C), and the simplest guess: the most frequent class, or the mean, of
    the documents learned from.

    Args:
        targets: (N,) the true classes or numbers.
        learned: (M,) the targets that were learned from; None where they are not known, and the
            simplest guess is left out.
        classes: the number of classes; 0 for numbers.
    """
    if classes:
        predicted = predictions.argmax(axis=1)
        known = {
            "accuracy": accuracy(targets, predicted),
            "macro_f1": macro_f1(confusion_matrix(targets, predicted, classes)),
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
    model: Model, corpus: LabelledCorpus, numbers: Int64Array, *, at_most: float = np.inf
) -> tuple[Float64Array, npt.NDArray[Any]]:
    """Predict documents, each read from its first character to its last: the logits of classes, or
    the numbers, (N, C); return them with the targets (N,).

    The documents of these numbers are read, in this order, up to `at_most` characters in all.
    Raises ModelError when the model is not one to classify or regress, or its numbers overflow.
    """
    before = np.cumsum(corpus.lengths[numbers]) - corpus.lengths[numbers]
    numbers = numbers[before < at_most]
    engine = ClassifyingEngine.of(model)
    outputs = engine.logits([corpus.document(int(number)) for number in numbers])
    return outputs.astype(np.float64), corpus.targets[numbers]


def report_rows(
    predictions: Float64Array,
    targets: npt.NDArray[Any],
    learned: npt.NDArray[Any] | None,
    labels: Sequence[str],
    *,
    held_out: bool = True,
) -> Rows:
    """Return the measures of predictions (N, C) beside those of the simplest guess, for people.

    Args:
        targets, learned: see `measures`.
        labels: the names of the classes; none for numbers.
        held_out: whether the texts were held out of the training.
    """
    known = measures(predictions, targets, learned, classes=len(labels))
    rows = [("held-out texts" if held_out else "texts", f"{len(targets):,}")]
    digits, guess = ".3f" if labels else ".4g", ""
    if learned is not None:
        most_frequent = int(np.bincount(learned).argmax()) if labels else 0
        guess = repr(labels[most_frequent]) if labels else f"{learned.mean():.4g}"
    for name, title in NAMES.items():
        if name in known:
            text = f"{known[name]:{digits}}"
            if f"baseline_{name}" in known:
                text += f" (always predicting {guess:.60}: {known[f'baseline_{name}']:{digits}})"
            rows.append((title, text))
    return tuple(rows)


def report_table(
    predictions: Float64Array, targets: npt.NDArray[Any], labels: Sequence[str]
) -> Table | None:
    """Return the confusion matrix, or for many classes the most frequent confusions; None for
    numbers."""
    if not labels:
        return None
    matrix = confusion_matrix(targets, predictions.argmax(axis=1), len(labels))
    names = [label.replace("\n", " ")[:LONGEST_NAME] for label in labels]
    if len(labels) <= LARGEST_MATRIX:
        return _matrix_table(names, matrix)
    return _confusions_table(names, matrix)


def _matrix_table(names: Sequence[str], matrix: Int64Array) -> Table:
    return Table(
        "confusion matrix (rows: true class, columns: predicted class)",
        ("", *names),
        tuple(
            (name, *(f"{count:,}" if count else "." for count in counts))
            for name, counts in zip(names, matrix, strict=True)
        ),
        emphasized=frozenset((number, number + 1) for number in range(len(names))),
    )


def _confusions_table(names: Sequence[str], matrix: Int64Array) -> Table:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    return Table(
        "most frequent confusions",
        ("true class", "predicted class", "times", "of"),
        tuple(
            (
                names[true],
                names[predicted],
                f"{wrong[true, predicted]:,}",
                f"{matrix[true].sum():,}",
            )
            for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True)
            if wrong[true, predicted]
        ),
        left=2,
    )
