"""Measures how fast pairs of strings are learned and translated.

    python -m benchmarks.transduction_speed training PAIRS.tsv --rounds 5
    python -m benchmarks.transduction_speed translating RUN PAIRS.tsv

PAIRS.tsv has no header; its first column is the source, its second the target, with blanks between
symbols, or without (`--separator ''`).

- training: `charrnn train --steps` and the usual PyTorch loop (attention_baseline.py) take turns,
  and the median of the rounds' ratios is shown. Both have the sizes, the number of networks, the
  batch size and the threads that charrnn chose, or that `--flags` say. A character is one of a
  source or a symbol of a target. charrnn's seconds are those that it notes in training.json:
  reading, evaluations and saving are left out, first steps are not. The loop's are those of its
  steps, after the first ones.
- translating: `charrnn translate RUN FILE` on one core, in words per second between a tenth of the
  sources and all of them, so that the start of the command is left out; the median of the rounds.
"""

import argparse
import json
import os
import shlex
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from benchmarks.attention_baseline import AttentionBaseline, PairIds, Sizes, train_step
from benchmarks.transduction import read_pairs, run_charrnn

WARM_UP: Final = 3
"""Steps of the loop in which memory is allocated."""

FEWER: Final = 10
"""The loop takes one of so many steps, and a short list has one of so many words."""


class Trained(NamedTuple):
    """What charrnn did: its characters per second, and what config.json and training.json say."""

    speed: float
    model: dict[str, Any]
    config: dict[str, Any]


def train_charrnn(path: Path, separator: str, steps: int, flags: Sequence[str]) -> Trained:
    """Run `charrnn train` for some steps."""
    columns = ["--source", "1", "--target", "2"]
    columns += ["--target-separator", separator] if separator else []
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory, "run")
        run_charrnn(
            *["train", str(path), *columns, "--out", str(run), "--steps", str(steps), "--quiet"],
            *flags,
        )
        model = json.loads((run / "last" / "config.json").read_text())["model"]
        training = json.loads((run / "last" / "training.json").read_text())
    position = training["position"]
    return Trained(position["characters"] / position["seconds"], model, training["config"])


class Loop:
    """The usual loop, with the sizes that charrnn chose. Its first steps are taken at once."""

    def __init__(self, ids: PairIds, model: dict[str, Any], config: dict[str, Any]) -> None:
        torch.set_num_threads(config["threads"])
        sizes = Sizes(
            characters=ids.characters,
            symbols=ids.symbols,
            embedding_size=model["embedding_size"],
            hidden_size=model["hidden_size"],
            layers=model["layers"],
            dropout=model.get("dropout") or 0.0,
        )
        self._ids, self._batch_size = ids, config["batch_size"]
        networks = [AttentionBaseline(sizes) for _ in range(model.get("members") or 1)]
        self._networks = [(each, torch.optim.Adam(each.parameters())) for each in networks]
        self.steps(WARM_UP)

    def steps(self, count: int) -> float:
        """Take some steps, and return characters per second."""
        characters, began = 0, time.perf_counter()
        for _ in range(count):
            batch = self._ids.batch(self._batch_size)
            for network, optimizer in self._networks:
                train_step(network, optimizer, batch)
            characters += batch.characters
        return characters / (time.perf_counter() - began)


def measure_training(options: argparse.Namespace) -> str:
    """Return a table of the speeds of both, and their ratio."""
    separator = options.separator
    ids = PairIds(
        [
            (source, target.split(separator) if separator else target)
            for source, target in read_pairs(options.pairs)
        ]
    )
    ours, theirs = [], []
    loop = None
    for _ in range(options.rounds):
        trained = train_charrnn(options.pairs, separator, options.steps, options.flags)
        loop = loop or Loop(ids, trained.model, trained.config)
        ours.append(trained.speed)
        theirs.append(loop.steps(max(options.steps // FEWER, WARM_UP)))
    model, config = trained.model, trained.config
    size = f"{model['cell']} {model['layers']}x{model['hidden_size']}"
    if (model.get("members") or 1) > 1:
        size = f"{model['members']} times {size}"
    cells = (
        f"{size}, batches of {config['batch_size']}",
        f"{config['kernel']} {config['precision']}",
        config["threads"],
        f"{statistics.median(theirs):,.0f}",
        f"{statistics.median(ours):,.0f}",
        f"{ratio(ours, theirs):.2f}",
    )
    heads = ("network", "kernel", "threads", "the usual loop, characters/s", "charrnn", "ratio")
    return _table(heads, cells)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def measure_translating(options: argparse.Namespace) -> str:
    """Return a table with the words per second of each round, and their median."""
    sources = list(dict.fromkeys(source for source, _ in read_pairs(options.pairs)))
    if len(sources) < FEWER:
        raise SystemExit(f"{options.pairs}: {len(sources)} different sources; {FEWER} are needed")
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])  # the commands get the same core
    speeds = [words_per_second(options.run, sources, options.flags) for _ in range(options.rounds)]
    heads = ("words", "words/s on one core", "of each round")
    each = ", ".join(f"{speed:,.0f}" for speed in speeds)
    return _table(heads, (f"{len(sources):,}", f"{statistics.median(speeds):,.0f}", each))


def words_per_second(run: str, sources: Sequence[str], flags: Sequence[str]) -> float:
    """Return the words per second of `charrnn translate`, its start left out.

    Raises ValueError where it does not answer every line.
    """
    few = sources[::FEWER]
    seconds = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "words.txt")
        for words in (few, sources):
            path.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
            began = time.perf_counter()
            lines = run_charrnn("translate", run, str(path), *flags).count("\n")
            seconds.append(time.perf_counter() - began)
            if lines != len(words):
                raise ValueError(f"{len(words)} words have {lines} translations")
    return (len(sources) - len(few)) / (seconds[1] - seconds[0])


def _table(heads: Sequence[str], cells: Sequence[object]) -> str:
    rows = (heads, ["---"] * len(heads), cells)
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def parsed() -> argparse.Namespace:
    """Return the checked command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("training", help="beside the usual PyTorch loop")
    training.add_argument("pairs", type=Path, metavar="PAIRS.tsv")
    training.add_argument("--separator", default=" ", help="between symbols (default: a blank)")
    training.add_argument("--steps", type=int, default=200, help="of charrnn (default: 200)")
    training.set_defaults(measure=measure_training)
    translating = commands.add_parser("translating", help="on one core")
    translating.add_argument("run", metavar="RUN")
    translating.add_argument("pairs", type=Path, metavar="PAIRS.tsv")
    translating.set_defaults(measure=measure_translating)
    for command in (training, translating):
        command.add_argument("--rounds", type=int, default=5)
        command.add_argument(
            "--flags", type=shlex.split, default=[], help="flags of the charrnn command"
        )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    return options


def main() -> None:
    """Run the command."""
    options = parsed()
    print(options.measure(options))


if __name__ == "__main__":
    main()
