"""Prints the table of benchmarks.quality from its lines of JSON.

    python -m benchmarks.quality_table EVIDENCE.jsonl [...]

prints the table of all runs in the files.
"""

import argparse
import json
import math
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from charrnn.errors import ConfigError
from charrnn.training.options import parse_duration

Record = Mapping[str, Any]
"""A run: the fields in the docstring of benchmarks.quality."""

IDENTITY: Final = ("corpus", "sha256", "budget", "recipe", "flags", "seed")
"""The fields that identify a run."""

CHOSEN: Final = "chosen"
"""The recipe that sets only the budget."""


@dataclass(frozen=True)
class Budget:
    """The length of a training.

    Attributes:
        text: the budget as it was written.
        amount: the number of steps or seconds.
        in_steps: whether the amount is in steps.
    """

    text: str
    amount: float
    in_steps: bool

    @property
    def flags(self) -> tuple[str, str]:
        """Return the flags of `charrnn train`."""
        return ("--steps", f"{self.amount:.0f}") if self.in_steps else ("--budget", self.text)


def parse_budget(text: str) -> Budget:
    """Parse `112s`, `10m`, or `5400steps`. Raises ArgumentTypeError."""
    if match := re.fullmatch(r"([1-9]\d*)steps", text):
        return Budget(text, int(match[1]), in_steps=True)
    try:
        return Budget(text, parse_duration(text), in_steps=False)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(f"{error}, or like 5400steps") from error


def identity(record: Record) -> tuple[Any, ...]:
    """Return the values that identify a run."""
    return tuple(record[name] for name in IDENTITY)


def read_records(paths: Iterable[Path]) -> list[Record]:
    """Read the runs in files, in order; of the same run, the last. A file may be missing.

    A line that was cut short when its search was killed is left out. Raises ValueError for any
    other line that is not a run.
    """
    records: dict[tuple[Any, ...], Record] = {}
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            missing = [name for name in (*IDENTITY, "nats") if name not in record]
            if missing:
                raise ValueError(f"{path}: line {number} is no run: it has no {missing[0]}")
            records.pop(identity(record), None)
            records[identity(record)] = record
    return list(records.values())


def append_record(path: Path, record: Record) -> None:
    """Append one line, on its own even where the line before was cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        file.seek(0, 2)
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


def distinct(records: Iterable[Record], name: str) -> list[Any]:
    """Return the values of a field, in the order of their first appearance."""
    return list(dict.fromkeys(record[name] for record in records))


def grouped(records: Iterable[Record], *names: str) -> dict[tuple[Any, ...], list[Record]]:
    """Return the runs that agree in these fields, by their values."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in names), []).append(record)
    return groups


def mean_nats(records: Iterable[Record]) -> float:
    """Return the mean loss over all seeds."""
    return statistics.fmean(record["nats"] for record in records)


def spread(records: Sequence[Record]) -> float:
    """Return the standard deviation over the seeds, in nats; NaN for a single seed."""
    nats = [record["nats"] for record in records]
    return statistics.stdev(nats) if len(nats) > 1 else math.nan


def above_best(recipes: Mapping[str, Sequence[Record]]) -> float | None:
    """Return how far the chosen recipe's loss is above the best one, as a share of the best; None
    where the chosen recipe was not run, or no other was."""
    if CHOSEN not in recipes or len(recipes) == 1:
        return None
    best = min(map(mean_nats, recipes.values()))
    return mean_nats(recipes[CHOSEN]) / best - 1


def table(records: Sequence[Record]) -> Iterator[str]:
    """Yield the lines of a Markdown table: corpora and budgets down, recipes across, nats per
    character as the mean and the standard deviation over the seeds, the best of a row in bold."""
    recipes = distinct(records, "recipe")
    seeds = len(distinct(records, "seed"))
    heads = ["corpus", "characters", "budget", "n-grams", *recipes, f"{CHOSEN}, above the best"]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for (corpus, _, budget), row in grouped(records, "corpus", "sha256", "budget").items():
        by_recipe = {recipe: each for (recipe,), each in grouped(row, "recipe").items()}
        best = min(by_recipe, key=lambda recipe: mean_nats(by_recipe[recipe]))
        cells = [corpus, f"{row[0]['characters']:,}", budget, _nats(row[0].get("n_gram_nats"))]
        for recipe in recipes:
            cell = _cell(by_recipe.get(recipe, ()), seeds)
            cells.append(f"**{cell}**" if recipe == best else cell)
        distance = above_best(by_recipe)
        cells.append("" if distance is None else f"{distance:+.1%}")
        yield f"| {' | '.join(cells)} |"


def _cell(records: Sequence[Record], seeds: int) -> str:
    if not records:
        return ""
    cell = _nats(mean_nats(records))
    if len(records) > 1:
        cell += f" ± {spread(records):.3f}"
    return cell if len(records) == seeds else f"{cell} ({len(records)} of {seeds} seeds)"


def _nats(nats: float | None) -> str:
    return "" if nats is None else f"{nats:.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument(
        "evidence", type=Path, nargs="+", help="a file of benchmarks.quality --json"
    )
    options = parser.parse_args()
    try:
        print("\n".join(table(read_records(options.evidence))))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
