"""Compares `charrnn train --label` with logistic regression on TF-IDF of character n-grams
(scikit-learn).

    python -m benchmarks.classification
    python -m benchmarks.classification packages echoes --flags "--epochs 20 --bidirectional" --json
    FILE

Both learn from the same texts, and are scored on the same held-out texts (see
classification_texts.py for the texts and their split):

- programming: the programming or markup language of a snippet of 100 to 200 characters, among those
of files on this machine.
- natural: the language of a message of 20 to 60 characters, among 18 languages of four families,
from installed translations.
- packages: the package of a snippet of 200 to 300 characters, among eight packages of Python's
standard library.
- echoes: whether the last vowel of a made-up name equals the first.

charrnn is run as a command: `train --epochs 20`, or with the flags of `--flags`, then `predict`.
The linear model reads all n-grams of 1 to 4 characters that occur at least twice, with marks for
the beginning and the end of a text, and weights the logarithms of their counts by rarity; the
strength of its regularisation is chosen on a tenth of the training texts. Seconds include reading,
choosing and learning, by the clock and by the processors, which are more reliable on a shared
machine. Prediction takes little time, and is not counted.

A line of `--json` has task, seed, classes, training, test (texts), characters (of the training
texts); for each of `linear` and `charrnn`, accuracy, macro_f1, seconds, processor_seconds and
settings; and only_linear_right and only_charrnn_right, the texts on which they differ.
"""

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.classification_texts import TASKS, Labelled, Parts
from charrnn.evaluation.metrics import accuracy, confusion_matrix, macro_f1

STRENGTHS: Final = (1.0, 10.0, 100.0)
"""The values of C of logistic regression to try."""

LONGEST_GRAM: Final = 4
"""The longest n-grams. With 5, accuracy was the same or less, in twice the time."""

USUAL: Final = ["--epochs", "20"]

START: Final = "\x02"
END: Final = "\x03"
"""Marks at the beginning and the end of a text, which n-grams can see."""


@dataclass(frozen=True)
class Result:
    """The result of one model on a task.

    Attributes:
        predicted: the class of each test text.
        seconds, processor_seconds: the time before the model could predict.
        settings: the settings of the model.
    """

    predicted: list[str]
    seconds: float
    processor_seconds: float
    settings: dict[str, Any]


def learn_linear(parts: Parts) -> Result:
    """Fit TF-IDF of character n-grams and logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    began, used = time.perf_counter(), _processor_seconds()
    vectorizer = TfidfVectorizer(
        analyzer="char",
        ngram_range=(1, LONGEST_GRAM),
        lowercase=False,
        sublinear_tf=True,
        min_df=2,
    )
    features = vectorizer.fit_transform(_marked(parts.training))
    labels = [each.label for each in parts.training]

    def learned(strength: float, count: int) -> Any:
        return LogisticRegression(C=strength, max_iter=1000).fit(features[:count], labels[:count])

    chosen_on = len(labels) * 9 // 10  # the texts are shuffled
    shares = {
        strength: learned(strength, chosen_on).score(features[chosen_on:], labels[chosen_on:])
        for strength in STRENGTHS
    }
    strength = max(STRENGTHS, key=lambda each: shares[each])
    model = learned(strength, len(labels))
    seconds = time.perf_counter() - began, _processor_seconds() - used
    predicted = model.predict(vectorizer.transform(_marked(parts.test))).tolist()
    return Result(predicted, *seconds, {"strength": strength, "features": features.shape[1]})


def _marked(texts: Sequence[Labelled]) -> list[str]:
    return [START + each.text + END for each in texts]


def learn_charrnn(parts: Parts, flags: Sequence[str], directory: Path) -> Result:
    """Run `charrnn train` and `charrnn predict` in separate processes, with their files in a
    directory."""
    for name, texts in zip(Parts._fields, parts, strict=True):
        write_table(directory / f"{name}.csv", texts)
    columns = ["--text", "text", "--label", "label"]
    run, table = str(directory / "run"), str(directory / "training.csv")
    began, used = time.perf_counter(), _processor_seconds()
    _charrnn("train", table, *columns, "--out", run, "--quiet", *flags)
    seconds = time.perf_counter() - began, _processor_seconds() - used
    told = _charrnn("predict", run, str(directory / "test.csv"), "--text", "text", "--jsonl")
    predicted = [json.loads(line)["label"] for line in told.splitlines()]
    config = json.loads((directory / "run" / "best" / "config.json").read_text())["model"]
    return Result(predicted, *seconds, {"flags": shlex.join(flags), **config})


def _processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def write_table(path: Path, texts: Sequence[Labelled]) -> None:
    """Write a table with the columns text and label."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Labelled._fields)
        writer.writerows(texts)


def _charrnn(*arguments: str) -> str:
    """Return what a command prints. Raises CalledProcessError with its stderr."""
    result = subprocess.run(
        [sys.executable, "-m", "charrnn", *arguments],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    return result.stdout


def compare(task: str, seed: int, parts: Parts, linear: Result, charrnn: Result) -> dict[str, Any]:
    """Return a line of the results; see above."""
    truth = [each.label for each in parts.test]
    right = [
        [guess == label for guess, label in zip(result.predicted, truth, strict=True)]
        for result in (linear, charrnn)
    ]
    pairs = list(zip(*right, strict=True))
    return {
        "task": task,
        "seed": seed,
        "classes": len(set(truth)),
        "training": len(parts.training),
        "test": len(parts.test),
        "characters": sum(len(each.text) for each in parts.training),
        "linear": _judged(truth, linear),
        "charrnn": _judged(truth, charrnn),
        "only_linear_right": pairs.count((True, False)),
        "only_charrnn_right": pairs.count((False, True)),
    }


def _judged(truth: Sequence[str], result: Result) -> dict[str, Any]:
    """Return the scores of a result, with its settings."""
    ids = {label: number for number, label in enumerate(sorted({*truth, *result.predicted}))}
    true, guessed = ([ids[label] for label in labels] for labels in (truth, result.predicted))
    return {
        "accuracy": accuracy(true, guessed),
        "macro_f1": macro_f1(confusion_matrix(true, guessed, len(ids))),
        "seconds": result.seconds,
        "processor_seconds": result.processor_seconds,
        **result.settings,
    }


def table(records: Sequence[dict[str, Any]]) -> str:
    """Return the results in Markdown."""
    heads = (
        "task",
        "classes",
        "texts, characters",
        "linear: accuracy, macro-F1",
        "seconds, of processors",
        "charrnn: accuracy, macro-F1",
        "seconds, of processors",
        "only one is right: linear, charrnn",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for record in records:
        linear, charrnn = record["linear"], record["charrnn"]
        lines.append(
            f"| {record['task']} | {record['classes']} "
            f"| {record['training']:,}, {record['characters']:,} "
            f"| {linear['accuracy']:.3f}, {linear['macro_f1']:.3f} "
            f"| {linear['seconds']:.0f}, {linear['processor_seconds']:.0f} "
            f"| {charrnn['accuracy']:.3f}, {charrnn['macro_f1']:.3f} "
            f"| {charrnn['seconds']:.0f}, {charrnn['processor_seconds']:.0f} "
            f"| {record['only_linear_right']}, {record['only_charrnn_right']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "tasks", nargs="*", metavar="TASK", help=f"among {', '.join(TASKS)} (default: all)"
    )
    parser.add_argument(
        "--flags",
        type=shlex.split,
        default=USUAL,
        help=f"flags of charrnn train (default: {shlex.join(USUAL)})",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the texts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append a line for each task")
    arguments = parser.parse_args()
    for task in arguments.tasks:
        if task not in TASKS:
            parser.error(f"no task {task!r}: choose from {', '.join(TASKS)}")
    records = []
    for task in arguments.tasks or TASKS:
        parts = TASKS[task](arguments.seed)
        if not parts.test:
            print(f"{task}: this machine has too few such files", file=sys.stderr)
            continue
        linear = learn_linear(parts)
        with tempfile.TemporaryDirectory() as directory:
            charrnn = learn_charrnn(parts, arguments.flags, Path(directory))
        records.append(compare(task, arguments.seed, parts, linear, charrnn))
        if arguments.json:
            with arguments.json.open("a") as file:
                file.write(json.dumps(records[-1]) + "\n")
    print(table(records))


if __name__ == "__main__":
    main()
