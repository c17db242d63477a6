"""How well the estimators do on sequences of numbers with their defaults.

    python -m benchmarks.sequences [digits] [vowels] [extremes] [--folds 0 2] [--seed 7]

digits: scikit-learn's handwritten digits, each image of 8 x 8 read row by row, in three shuffled
folds. writers: the same in folds of the table as it is, which mostly separates the people who wrote
them. vowels: benchmarks/vowels.py in three folds of speakers, each unseen in training. extremes:
the largest first number of a sequence less its smallest second one. Beside them stand a support
vector machine of all pixels, one of the mean and the deviation of each band, and the mean.

A line is printed after each fold; --folds chooses some of them, and --seed shuffles the digits (and
draws the vowels and the extremes) otherwise.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import charrnn
from benchmarks.vowels import speak


class Problem(NamedTuple):
    """What is learned in folds.

    Attributes:
        x: N sequences (T, E).
        y: (N,) what they are.
        folds: pairs of the places of the sequences that are learned and of those that are not.
        estimator: the estimator of the sequences.
        table: N rows that summarize the sequences.
        beside: the estimator of the table.
    """

    x: list[Any]
    y: Any
    folds: Iterable[tuple[Any, Any]]
    estimator: Any
    table: Any
    beside: Any


def digits(seed: int, shuffle: bool = True, **settings: Any) -> Problem:
    """Return the digits, shuffled into folds."""
    table = load_digits()
    folds = StratifiedKFold(3, shuffle=shuffle, random_state=seed if shuffle else None)
    split = folds.split(table.data, table.target)
    classifier = charrnn.RecurrentClassifier(**settings)
    return Problem(
        list(table.images), table.target, split, classifier, table.data, SVC(gamma=0.001)
    )


def writers(seed: int, **settings: Any) -> Problem:
    """Return the digits, in folds of the table as it is."""
    return digits(seed, shuffle=False, **settings)


def vowels(seed: int, **settings: Any) -> Problem:
    """Return vowels, in folds of speakers."""
    said = speak(seed=seed)
    split = GroupKFold(3).split(said.spectra, said.labels, said.speakers)
    summaries = np.array([np.concatenate([each.mean(0), each.std(0)]) for each in said.spectra])
    machine = make_pipeline(StandardScaler(), SVC(C=10))
    classifier = charrnn.RecurrentClassifier(**settings)
    return Problem(said.spectra, said.labels, split, classifier, summaries, machine)


def extremes(seed: int, **settings: Any) -> Problem:
    """Return sequences of 5 to 49 steps, and a difference of two of their extremes."""
    random = np.random.default_rng(seed)
    x = [random.normal(size=(random.integers(5, 50), 3)) for _ in range(500)]
    y = np.array([each[:, 0].max() - each[:, 1].min() for each in x])
    split = KFold(3).split(x)
    regressor = charrnn.RecurrentRegressor(**settings)
    return Problem(x, y, split, regressor, np.zeros((len(x), 1)), DummyRegressor())


DATA: Final[dict[str, Callable[..., Problem]]] = {
    "digits": digits,
    "writers": writers,
    "vowels": vowels,
    "extremes": extremes,
}


def run(name: str, seed: int, chosen: list[int], **settings: Any) -> None:
    """Print the scores of some folds, and their mean."""
    problem = DATA[name](seed, **settings)
    scores, beside = [], []
    for number, (learned, unseen) in enumerate(problem.folds):
        if number not in chosen:
            continue
        began = time.perf_counter()
        estimator = clone(problem.estimator)
        estimator.fit([problem.x[place] for place in learned], problem.y[learned])
        seconds = time.perf_counter() - began
        scores.append(estimator.score([problem.x[place] for place in unseen], problem.y[unseen]))
        other = clone(problem.beside).fit(problem.table[learned], problem.y[learned])
        beside.append(other.score(problem.table[unseen], problem.y[unseen]))
        print(
            f"{name:9} fold {number}  {scores[-1]:.4f}  beside {beside[-1]:.4f}  "
            f"pooling {estimator.network_config_.pooling}, {len(estimator.losses_)} epochs, "
            f"{seconds:.0f} s",
            flush=True,
        )
    print(f"{name:9} mean    {np.mean(scores):.4f}  beside {np.mean(beside):.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=list(DATA), help=", ".join(DATA))
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.data:
        run(name, arguments.seed, arguments.folds, cell=arguments.cell)


if __name__ == "__main__":
    main()
