"""Compares `charrnn train --source --target` with simpler ways to map strings to strings.

    python -m benchmarks.transduction towns dates PAIRS/ --budget 60s --models 1,5 --json FILE

Each name is a task, or a folder with a task in each pair of files `NAME_train.tsv` and
`NAME_dev.tsv`, which have a source, a tab, and the symbols of the target divided by blanks:

- towns: invented names in an invented older spelling, corpora/towns-older.tsv; a tenth is the test.
- dates: 22,000 dates as many locales write them, to ISO 8601 (dates.py); 2,000 are the test.

The word error rate is the percentage of sources whose target is not entirely right. A source that
has several targets in the test is right with any of them.

- copy: the source is its own target.
- joint n-grams: see joint_ngrams.py. They cannot change the order of what they read, so dates are
  left out.
- charrnn: `charrnn train` with that budget for each model, one model or several (`--models`), and
  `charrnn evaluate --json`. Seconds include the start of the command.
- published: the baseline of SIGMORPHON 2021, task 1, on the same development sets, an ensemble of
  neural transducers (https://aclanthology.org/2021.sigmorphon-1.13), as far as it is known here.

A line of `--json` has task, training and test (sources), copy, joint_ngrams, published, and charrnn
by the number of models: word_error_rate, symbol_error_rate and seconds. Rates are from 0 to 1.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.dates import date_pairs
from benchmarks.joint_ngrams import JointNGrams, Symbols

ROOT: Final = Path(__file__).parents[1]

PUBLISHED: Final = {
    "low_ady": 0.22,
    "low_gre": 0.05,
    "low_ice": 0.11,
    "low_ita": 0.22,
    "low_khm": 0.34,
    "medium_fre": 0.074,
    "medium_hun": 0.015,
    "medium_jpn_hira": 0.062,
}
"""Published word error rates of the baseline on the development sets."""

DATES: Final = 22_000
DATES_OF_TEST: Final = 2_000

Pair = tuple[str, str]


@dataclass(frozen=True)
class PairTask:
    """Pairs to learn from, and pairs to test with.

    Attributes:
        training, test: sources and targets.
        separator: what divides the symbols of a target; None for characters.
        in_order: whether the parts of a target have the order of the source.
    """

    name: str
    training: Sequence[Pair]
    test: Sequence[Pair]
    separator: str | None = None
    in_order: bool = True

    def symbols(self, target: str) -> Symbols:
        """Return the symbols of a target."""
        return tuple(target) if self.separator is None else tuple(target.split(self.separator))


def towns() -> PairTask:
    """Return the towns of corpora/, of which every tenth is in the test."""
    pairs = read_pairs(ROOT / "corpora" / "towns-older.tsv")[1:]
    training = [pair for number, pair in enumerate(pairs) if number % 10]
    return PairTask("towns", training, pairs[::10])


def dates() -> PairTask:
    """Return dates of many locales."""
    pairs = [(each.written, each.iso) for each in date_pairs(DATES, seed=0)]
    return PairTask("dates", pairs[DATES_OF_TEST:], pairs[:DATES_OF_TEST], in_order=False)


TASKS: Final[Mapping[str, Callable[[], PairTask]]] = {"towns": towns, "dates": dates}


def read_pairs(path: Path) -> list[Pair]:
    """Return the first two columns of a file. Raises ValueError for a line that has one."""
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        cells = line.split("\t")
        if not line:
            continue
        if len(cells) < 2:
            raise ValueError(f"{path}, line {number}: no tab between source and target")
        pairs.append((cells[0], cells[1]))
    return pairs


def tasks_of(folder: Path, only: Sequence[str] = ()) -> Iterator[PairTask]:
    """Yield the tasks of a folder, in the order of their names."""
    for training in sorted(folder.glob("*_train.tsv")):
        name = training.name.removesuffix("_train.tsv")
        if not only or name in only:
            test = training.with_name(f"{name}_dev.tsv")
            yield PairTask(name, read_pairs(training), read_pairs(test), " ")


def word_error_rate(translate: Callable[[str], str], test: Sequence[Pair]) -> float:
    """Return the share of sources whose translation is none of their targets."""
    correct: dict[str, set[str]] = {}
    for source, target in test:
        correct.setdefault(source, set()).add(target)
    wrong = sum(translate(source) not in targets for source, targets in correct.items())
    return wrong / len(correct)


def copy_error_rate(task: PairTask) -> float:
    """Return the word error rate of sources as they are."""
    return word_error_rate((task.separator or "").join, task.test)


def joint_ngram_error_rate(task: PairTask, order: int) -> float:
    """Return the word error rate of joint n-grams."""
    pairs = [(source, task.symbols(target)) for source, target in task.training]
    model = JointNGrams(pairs, order=order)
    join = (task.separator or "").join
    return word_error_rate(lambda source: join(model.translate(source)), task.test)


def charrnn_error_rates(
    task: PairTask, models: int, budget: str, flags: Sequence[str]
) -> dict[str, float]:
    """Run `charrnn train` and `charrnn evaluate`, and return the rates and the seconds of the
    training."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for part, pairs in (("training", task.training), ("test", task.test)):
            write_pairs(directory / f"{part}.tsv", pairs)
        columns = ["--source", "source", "--target", "target"]
        separator = ["--target-separator", task.separator] if task.separator else []
        several = ["--models", str(models)] if models > 1 else []
        run = str(directory / "run")
        began = time.perf_counter()
        run_charrnn(
            *["train", str(directory / "training.tsv"), *columns, *separator],
            *["--out", run, "--budget", budget, "--quiet", *several, *flags],
        )
        seconds = time.perf_counter() - began
        told = run_charrnn("evaluate", run, str(directory / "test.tsv"), *columns, "--json")
    scores = json.loads(told)
    rates = {key: float(scores[key]) for key in ("word_error_rate", "symbol_error_rate")}
    return {**rates, "seconds": round(seconds, 1)}


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Write a table with the columns source and target."""
    rows = [("source", "target"), *pairs]
    path.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8", newline="\n")


def run_charrnn(*arguments: str) -> str:
    """Return what a command prints. Exits with its messages if it fails."""
    result = subprocess.run(
        [sys.executable, "-m", "charrnn", *arguments],
        check=False,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    if result.returncode:
        raise SystemExit(f"charrnn {shlex.join(arguments)}\n{result.stderr}")
    return result.stdout


def compare(task: PairTask, options: argparse.Namespace) -> dict[str, Any]:
    """Return a line of the results; see above."""
    return {
        "task": task.name,
        "training": len(task.training),
        "test": len({source for source, _ in task.test}),
        "copy": copy_error_rate(task),
        "joint_ngrams": joint_ngram_error_rate(task, options.order) if task.in_order else None,
        "published": PUBLISHED.get(task.name),
        "charrnn": {
            str(models): charrnn_error_rates(task, models, options.budget, options.flags)
            for models in options.models
        },
    }


def table(records: Sequence[dict[str, Any]]) -> str:
    """Return the results in Markdown: word error rates in per cent, and their means over the tasks
    of each folder's kind (`low`, `medium`)."""
    models = list(dict.fromkeys(key for record in records for key in record["charrnn"]))
    titles = [f"charrnn, {'one model' if key == '1' else f'{key} models'}" for key in models]
    heads = ["task", "pairs, test", "copy", "joint n-grams", "published", *titles]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    kinds: dict[str, list[list[float | None]]] = {}
    for record in records:
        rates = [record["copy"], record["joint_ngrams"], record["published"]]
        rates += [record["charrnn"].get(key, {}).get("word_error_rate") for key in models]
        lines.append(_row(record["task"], f"{record['training']:,}, {record['test']:,}", rates))
        kinds.setdefault(record["task"].partition("_")[0], []).append(rates)
    for kind, rows in kinds.items():
        if len(rows) > 1:
            columns = zip(*rows, strict=True)
            lines.append(_row(f"mean of {kind}", "", [_mean(column) for column in columns]))
    return "\n".join(lines)


def _mean(rates: Sequence[float | None]) -> float | None:
    """Return the mean; None where a rate is missing, since means of other tasks do not compare."""
    known = [rate for rate in rates if rate is not None]
    return statistics.fmean(known) if len(known) == len(rates) else None


def _row(title: str, size: str, rates: Sequence[float | None]) -> str:
    cells = ["" if rate is None else f"{100 * rate:.1f}" for rate in rates]
    return f"| {' | '.join([title, size, *cells])} |"


def whole_numbers(text: str) -> list[int]:
    """Return the numbers in an option: 1,5. Raises ValueError, which argparse reports."""
    found = [int(each) for each in text.split(",") if each]
    if any(each < 1 for each in found):
        raise ValueError(text)
    return found


def parsed() -> argparse.Namespace:
    """Return the checked command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "tasks", nargs="+", metavar="TASK", help=f"{', '.join(TASKS)}, or a folder of pairs"
    )
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=[], help="tasks of a folder: a,b"
    )
    parser.add_argument("--budget", default="60s", help="of each model (default: %(default)s)")
    parser.add_argument(
        "--models",
        type=whole_numbers,
        default=[1],
        help="how many models decode together, such as 1,5; '' trains none (default: 1)",
    )
    parser.add_argument("--flags", type=shlex.split, default=[], help="flags of charrnn train")
    parser.add_argument("--order", type=int, default=6, help="of the n-grams (default: 6)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append a line for each task")
    options = parser.parse_args()
    for name in options.tasks:
        if name not in TASKS and not Path(name).is_dir():
            parser.error(f"{name}: no task and no folder; tasks: {', '.join(TASKS)}")
    return options


def main() -> None:
    """Run the command."""
    options = parsed()
    records = []
    for name in options.tasks:
        tasks = [TASKS[name]()] if name in TASKS else tasks_of(Path(name), options.only)
        for task in tasks:
            records.append(compare(task, options))
            if options.json:
                with options.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(records[-1]) + "\n")
    print(table(records))


if __name__ == "__main__":
    main()
