"""How well the estimators do on sequences of numbers with their defaults.

    python -m benchmarks.sequences [digits] [vowels] [extremes] [--cell gru]

digits: scikit-learn's handwritten digits, each image of 8 x 8 read row by row, in three shuffled
folds. With `writers`, the folds are cut from the table as it is, which mostly separates the people
who wrote them. vowels: benchmarks/vowels.py in three folds of speakers, each unseen in training.
extremes: the largest first number of a sequence less its smallest second one. Beside them stand a
support vector machine of all pixels, one of the mean and the deviation of each band, and the mean.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import charrnn
from benchmarks.vowels import speak


def digits(folds: Any = None, **settings: Any) -> tuple[Any, float]:
    """Return the accuracies of the folds, and the mean accuracy of a support vector machine."""
    table = load_digits()
    folds = StratifiedKFold(3, shuffle=True, random_state=0) if folds is None else folds
    classifier = charrnn.RecurrentClassifier(**settings)
    scores = cross_val_score(classifier, table.images, table.target, cv=folds)
    return scores, cross_val_score(SVC(gamma=0.001), table.data, table.target, cv=folds).mean()


def writers(**settings: Any) -> tuple[Any, float]:
    """Do the same, in folds of the table as it is."""
    return digits(StratifiedKFold(3), **settings)


def vowels(**settings: Any) -> tuple[Any, float]:
    """Return the accuracies for unseen speakers, and that of a support vector machine."""
    said, folds = speak(), GroupKFold(3)
    classifier = charrnn.RecurrentClassifier(**settings)
    scores = cross_val_score(classifier, said.spectra, said.labels, groups=said.speakers, cv=folds)
    summaries = np.array([np.concatenate([each.mean(0), each.std(0)]) for each in said.spectra])
    machine = make_pipeline(StandardScaler(), SVC(C=10))
    beside = cross_val_score(machine, summaries, said.labels, groups=said.speakers, cv=folds)
    return scores, beside.mean()


def extremes(**settings: Any) -> tuple[Any, float]:
    """Return R² of the folds; the mean has 0."""
    random = np.random.default_rng(0)
    x = [random.normal(size=(random.integers(5, 50), 3)) for _ in range(500)]
    y = [each[:, 0].max() - each[:, 1].min() for each in x]
    return cross_val_score(charrnn.RecurrentRegressor(**settings), x, y, cv=KFold(3)), 0.0


DATA: dict[str, Callable[..., tuple[Any, float]]] = {
    "digits": digits,
    "writers": writers,
    "vowels": vowels,
    "extremes": extremes,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=list(DATA), help=", ".join(DATA))
    parser.add_argument("--cell", default="lstm")
    arguments = parser.parse_args()
    for name in arguments.data:
        began = time.perf_counter()
        scores, beside = DATA[name](cell=arguments.cell)
        seconds = time.perf_counter() - began
        print(
            f"{name:9} {np.mean(scores):.4f}  folds {' '.join(f'{each:.4f}' for each in scores)}  "
            f"beside {beside:.4f}  {seconds:.0f} s"
        )


if __name__ == "__main__":
    main()
