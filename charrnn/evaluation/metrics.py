"""Metrics: how good classes and numbers are that were predicted of texts. NumPy only.

All give what scikit-learn's functions of these names do by default.

Legend: N texts, C classes, K numbers of each text.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.errors import ConfigError

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassScores:
    """Of each class (C,), where there is nothing to divide by 0.

    Attributes:
        precision: the share of what was called so that is so.
        recall: the share of what is so that was called so.
        f1: the harmonic mean of both (van Rijsbergen, 1979).
        texts: how many are so.
    """

    precision: Float64Array
    recall: Float64Array
    f1: Float64Array
    texts: Int64Array


def accuracy(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """The share of texts whose class is right: ids of classes (N,) of each. Raises ConfigError."""
    true, guessed = _classes(truth, predicted)
    return float((true == guessed).mean())


def confusion_matrix(truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> Int64Array:
    """How many texts of each class (row) were called each (column): (C, C).

    Args:
        truth, predicted: ids of classes (N,), from 0 to C - 1.
        classes: C. A class that never occurs has a row of zeros.

    Raises:
        ConfigError: where the shapes differ, no text is there, or an id is none.
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
    """Precision, recall and F1 of each class, from its row and column of the confusion matrix (C,
    C)."""
    right = np.diagonal(confusion)
    called, texts = confusion.sum(0), confusion.sum(1)
    return ClassScores(
        precision=_shares(right, called),
        recall=_shares(right, texts),
        f1=_shares(2 * right, called + texts),
        texts=texts.astype(np.int64),
    )


def macro_f1(confusion: Int64Array) -> float:
    """The mean F1 of the classes, a rare one counting as much as a frequent one.

    A class that neither occurs nor was ever predicted is left out: there was nothing to be right or
    wrong about. One that occurs and was never predicted, or the other way round, counts as 0.
    """
    met = (confusion.sum(0) + confusion.sum(1)) > 0
    return float(class_scores(confusion).f1[met].mean()) if met.any() else 0.0


def root_mean_squared_error(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """The root of the mean squared error, in the unit of the numbers: (N,), or (N, K), where it is
    the mean of those of the K. Raises ConfigError where the shapes differ, or no text is there."""
    true, guessed = _numbers(truth, predicted)
    return float(np.sqrt(((true - guessed) ** 2).mean(0)).mean())


def r_squared(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """The share of the variance that the predictions explain: 1 - squared error / variance.

    1 is perfect; 0 is as good as always saying the mean; below 0, worse. Of numbers that are all
    the
    same there is no variance to explain: 1 where all predictions are exact, else 0. Of (N, K), it
    is the mean of those of the K. Raises ConfigError where the shapes differ, or no text is there.
    """
    true, guessed = _numbers(truth, predicted)
    errors = ((true - guessed) ** 2).sum(0)  # (K)
    spread = ((true - true.mean(0)) ** 2).sum(0)
    # The mean of equal numbers may be a bit off, and what is left of them then is no variance.
    spread = np.where((true == true[0]).all(0), 0.0, spread)
    explained = np.where(errors == 0, 1.0, 0.0)
    np.divide(spread - errors, spread, out=explained, where=spread > 0)
    return float(explained.mean())


def _shares(parts: Int64Array, wholes: Int64Array) -> Float64Array:
    """One count divided by another, 0 where that is 0."""
    return np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)


def _classes(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
    """Both as arrays (N,) of ids."""
    true, guessed = np.asarray(truth), np.asarray(predicted)
    _check_shapes(true, guessed)
    for ids in (true, guessed):
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise ConfigError(
                f"classes of shape {ids.shape} and type {ids.dtype}: expected whole numbers (N,)"
            )
    return true.astype(np.int64), guessed.astype(np.int64)


def _numbers(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Both as arrays (N, K)."""
    true, guessed = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    _check_shapes(true, guessed)
    if true.ndim not in (1, 2) or true.size == 0:
        raise ConfigError(f"numbers of shape {true.shape}: expected (N,) or (N, K)")
    return true.reshape(len(true), -1), guessed.reshape(len(true), -1)


def _check_shapes(true: npt.NDArray[np.generic], guessed: npt.NDArray[np.generic]) -> None:
    if true.shape != guessed.shape:
        raise ConfigError(
            f"predictions of shape {guessed.shape} for the truth's {true.shape}: expected the same"
        )
    if true.shape[:1] == (0,):
        raise ConfigError("there is nothing to compare; give one prediction at least")
