"""Metrics of predicted classes, numbers and strings, in NumPy only.

Those of classes and numbers equal the scikit-learn functions of the same names with default
arguments.

Legend: N texts, C classes, K numbers of each text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.errors import ConfigError
from charrnn.evaluation.edit_distance import edit_distance


@dataclass(frozen=True)
class ClassScores:
    """Scores of each class (C,); a score without a denominator is 0.

    Attributes:
        precision: the share of the texts predicted as this class that belong to it.
        recall: the share of the texts of this class that are predicted as it.
        f1: the harmonic mean of both (van Rijsbergen, 1979).
        texts: the number of texts of this class.
    """

    precision: Float64Array
    recall: Float64Array
    f1: Float64Array
    texts: Int64Array


def accuracy(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return the share of texts whose class (N,) is predicted right. Raises ConfigError."""
    true, guessed = _classes(truth, predicted)
    return float((true == guessed).mean())


def confusion_matrix(truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> Int64Array:
    """Count the texts of each true class (row) and predicted class (column): (C, C).

    Args:
        truth, predicted: ids of classes (N,), from 0 to C - 1.
        classes: C. A class that never occurs has a row of zeros.

    Raises:
        ConfigError: when the shapes differ, there is no text, or an id is out of range.
    """
    true, guessed = _classes(truth, predicted)
    for name, ids in (("true", true), ("predicted", guessed)):
        if ids.min() < 0 or ids.max() >= classes:
            raise ConfigError(
                f"{name} classes from {ids.min()} to {ids.max()}: expected 0 to {classes - 1}"
            )
    counts = np.bincount(true * classes + guessed, minlength=classes * classes)
    return counts.astype(np.int64).reshape(classes, classes)


def class_scores(confusion: Int64Array) -> ClassScores:
    """Return the precision, recall and F1 of each class, from a confusion matrix (C, C)."""
    right = np.diagonal(confusion)
    predicted, texts = confusion.sum(0), confusion.sum(1)
    return ClassScores(
        precision=_shares(right, predicted),
        recall=_shares(right, texts),
        f1=_shares(2 * right, predicted + texts),
        texts=texts.astype(np.int64),
    )


def macro_f1(confusion: Int64Array) -> float:
    """Return the mean F1 of the classes, in which a rare class counts as much as a frequent one.

    A class that neither occurs nor is predicted is left out. A class that occurs and is never
    predicted, or is predicted and never occurs, counts as 0.
    """
    met = (confusion.sum(0) + confusion.sum(1)) > 0
    return float(class_scores(confusion).f1[met].mean()) if met.any() else 0.0


def root_mean_squared_error(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return the root of the mean squared error, in the unit of the numbers (N,) or (N, K).

    For (N, K), it is the mean of the K errors. Raises ConfigError when the shapes differ or are
    empty.
    """
    true, guessed = _numbers(truth, predicted)
    return float(np.sqrt(((true - guessed) ** 2).mean(0)).mean())


def r_squared(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return the coefficient of determination, 1 - squared error / variance.

    1 is perfect, 0 is as good as predicting the mean, and below 0 is worse. If all true numbers are
    equal, there is no variance: the result is 1 if all predictions are exact, else 0. For numbers
    (N, K), it is the mean over the K. Raises ConfigError when the shapes differ or are empty.
    """
    true, guessed = _numbers(truth, predicted)
    errors = ((true - guessed) ** 2).sum(0)  # (K)
    spread = ((true - true.mean(0)) ** 2).sum(0)
    # Rounding of the mean of equal numbers must not count as variance.
    spread = np.where((true == true[0]).all(0), 0.0, spread)
    explained = np.where(errors == 0, 1.0, 0.0)
    np.divide(spread - errors, spread, out=explained, where=spread > 0)
    return float(explained.mean())


def character_error_rate(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Return the fewest characters to insert, delete or replace (Levenshtein, 1966) in all
    predictions together, per character of the references. It may exceed 1.

    Raises ConfigError when their numbers differ, or there is no character.
    """
    if len(references) != len(predictions):
        raise ConfigError(
            f"{len(predictions)} predictions and {len(references)} references: expected as many"
        )
    characters = sum(map(len, references))
    if characters == 0:
        raise ConfigError("there are no characters in the references; give at least one")
    return sum(map(edit_distance, references, predictions)) / characters


def _shares(parts: Int64Array, wholes: Int64Array) -> Float64Array:
    """Divide counts; the result is 0 where the denominator is 0."""
    return np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)


def _classes(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
    """Check and return both arrays as ids of classes (N,)."""
    true, guessed = np.asarray(truth), np.asarray(predicted)
    _check_shapes(true, guessed)
    for ids in (true, guessed):
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise ConfigError(
                f"classes of shape {ids.shape} and type {ids.dtype}: expected whole numbers (N,)"
            )
    return true.astype(np.int64), guessed.astype(np.int64)


def _numbers(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Check both arrays and return them as (N, K)."""
    true, guessed = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    _check_shapes(true, guessed)
    if true.ndim not in (1, 2) or true.size == 0:
        raise ConfigError(f"numbers of shape {true.shape}: expected (N,) or (N, K)")
    return true.reshape(len(true), -1), guessed.reshape(len(true), -1)


def _check_shapes(true: npt.NDArray[np.generic], guessed: npt.NDArray[np.generic]) -> None:
    if true.shape != guessed.shape:
        raise ConfigError(
            f"predictions of shape {guessed.shape} and truth of shape {true.shape}: expected the "
            "same shape"
        )
    if true.shape[:1] == (0,):
        raise ConfigError("there are no predictions; give at least one")
