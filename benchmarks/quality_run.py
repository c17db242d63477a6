"""One run of benchmarks.quality: `charrnn train`, and a score computed without charrnn."""

import argparse
import functools
import json
import math
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.quality_corpora import Corpus
from benchmarks.quality_table import CHOSEN, Budget, Record
from benchmarks.torch_baseline import Plain
from charrnn.evaluation.baselines import n_gram

SETTLED: Final = {
    *("--out", "--name", "--resume", "--from", "--seed", "--budget", "--steps", "--epochs"),
    *("--lines", "--tokenizer", "--min-count", "--validation-fraction", "--encoding"),
}
"""Flags of `charrnn train` that no recipe may set: the search sets them, or the scoring depends on
them."""

LARGEST_FOR_N_GRAMS: Final = 3_000_000
"""The most characters of training text for which the n-gram is computed; with more, it takes longer
than many runs."""

PIECE: Final = 1000
"""Characters that the plain module reads at once, carrying its state."""


@dataclass(frozen=True)
class Recipe:
    """A name, and flags of `charrnn train`."""

    name: str
    flags: tuple[str, ...] = ()


def parse_recipe(text: str) -> Recipe:
    """Parse `NAME: FLAGS`. Raises ArgumentTypeError."""
    name, colon, flags = (part.strip() for part in text.partition(":"))
    if not (name and colon and flags.startswith("--")):
        raise argparse.ArgumentTypeError(f"{text!r}: write 'NAME: --flag value ...'")
    if name == CHOSEN:
        raise argparse.ArgumentTypeError(f"{text!r}: {CHOSEN} is the one without flags; rename it")
    try:
        recipe = Recipe(name, tuple(shlex.split(flags)))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error
    if settled := SETTLED.intersection(flag.partition("=")[0] for flag in recipe.flags):
        raise argparse.ArgumentTypeError(f"{text!r}: {min(settled)} is none of a recipe's flags")
    return recipe


@dataclass(frozen=True)
class Task:
    """A run to do."""

    corpus: Corpus
    budget: Budget
    recipe: Recipe
    seed: int

    def __str__(self) -> str:
        return f"{self.corpus.name} {self.budget.text} {self.recipe.name} seed {self.seed}"

    @property
    def beginning(self) -> dict[str, Any]:
        """Return the fields of its line that identify the run."""
        return {
            "corpus": str(self.corpus.name),
            "sha256": self.corpus.sha256,
            "lines": self.corpus.name.lines,
            "budget": self.budget.text,
            "recipe": self.recipe.name,
            "flags": shlex.join(self.recipe.flags),
            "seed": self.seed,
        }

    @property
    def arguments(self) -> list[str]:
        """Return the arguments of `charrnn train`."""
        lines = ["--lines"] if self.corpus.name.lines else []
        seed = ["--seed", str(self.seed)] if self.seed else []
        return [str(self.corpus.path), *lines, *self.budget.flags, *self.recipe.flags, *seed]


BOX: Final = " ╭╮╰╯─│"
"""The frame around an error on a command line."""

RUNNING: Final[set[subprocess.Popen[str]]] = set()
"""The running trainings, which are ended with the search."""


class FailedRun(Exception):
    """A command of charrnn failed; the message is the last line of its output."""


def perform(task: Task, environment: Mapping[str, str], *, expected: bool = False) -> Record:
    """Train in a temporary folder, and score the best model. Raises FailedRun."""
    record = task.beginning
    if expected:
        record |= expectation(charrnn(["plan", *task.arguments, "--json"], environment))
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        began = time.perf_counter()
        charrnn(["train", *task.arguments, "--out", str(run), "--quiet"], environment)
        seconds = time.perf_counter() - began
        return {**record, **described(task.corpus, run), "seconds": round(seconds, 1)}


def charrnn(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what a command writes to stdout. Raises FailedRun."""
    command = [sys.executable, "-m", "charrnn", *arguments]
    environment = {**environment, "COLUMNS": "1000"}  # an error is one line, and the last
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        RUNNING.add(process)
        written, said = process.communicate()
        RUNNING.remove(process)
    if process.returncode:
        lines = filter(None, (each.strip(BOX) for each in said.splitlines()))
        raise FailedRun([f"exit code {process.returncode}", *lines][-1])
    return written


def expectation(plan: str) -> dict[str, float]:
    """Return the fields of a line from `charrnn plan --json`."""
    expected = json.loads(plan)["expected"]
    names = {"expected_nats": "", "expected_low": "low_", "expected_high": "high_"}
    return {
        field: round(expected[f"{which}nats_per_character"], 5) for field, which in names.items()
    }


def described(corpus: Corpus, run: Path) -> dict[str, Any]:
    """Return the fields of a line from a run directory."""
    training = json.loads((run / "last" / "training.json").read_text())
    config, position = training["config"], training["position"]
    model = json.loads((run / "best" / "config.json").read_text())["model"]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    evaluations = [line for line in lines if "validation_nats" in line]
    speeds = [line["characters_per_second"] for line in lines if "train_nats" in line]
    per_step = position["characters"] / position["step"]
    network = Plain.load(run / "best").to(config["device"])
    nats = score(network, run / "best", corpus.held_out)
    return {
        "characters": len(corpus.training),
        "vocabulary": len(corpus.vocabulary),
        "n_gram_nats": n_gram_nats(corpus),
        "steps": position["step"],
        "best_step": position["best_step"],
        "epochs": round(position["characters"] / len(corpus.training), 3),
        "characters_read": position["characters"],
        **{name: model[name] for name in ("cell", "layers", "hidden_size", "embedding_size")},
        **{name: model[name] for name in ("dropout", "weight_dropout")},
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        **{name: config[name] for name in ("learning_rate", "batch_size", "sequence_length")},
        **{name: config[name] for name in ("precision", "threads", "device")},
        "nats": round(nats, 5),
        "bits": round(nats / math.log(2), 5),
        "reported_nats": round(min(line["validation_nats"] for line in evaluations), 5),
        "characters_per_second": round(statistics.median(speeds)) if speeds else None,
        "curve": [
            [round(line["step"] * per_step), round(line["validation_nats"], 5)]
            for line in evaluations
        ],
    }


@torch.inference_mode()
def score(network: Plain, directory: Path, text: str) -> float:
    """Return the nats per character of a text by the network of a model directory, read as one
    stream on the network's device."""
    characters = json.loads((directory / "tokenizer.json").read_text())["characters"]
    numbers = {character: number for number, character in enumerate(characters)}
    device = network.head.weight.device
    ids = torch.tensor([[numbers[character] for character in text]], device=device)
    state, total = None, 0.0
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # float32 on a GPU as well
        for begin in range(0, ids.shape[1] - 1, PIECE):
            piece = ids[:, begin : begin + PIECE + 1]
            logits, state = network(piece[:, :-1], state)
            nats = torch.nn.functional.cross_entropy(logits[0], piece[0, 1:], reduction="sum")
            total += nats.item()
    return total / (ids.shape[1] - 1)


@functools.cache
def n_gram_nats(corpus: Corpus) -> float | None:
    """Return the loss of n-grams on the held-out text; None where it would take long."""
    if len(corpus.training) > LARGEST_FOR_N_GRAMS:
        return None
    numbers = {character: number for number, character in enumerate(corpus.vocabulary)}
    training, held_out = (
        np.array([numbers[character] for character in text], dtype=np.uint32)
        for text in (corpus.training, corpus.held_out)
    )
    return round(n_gram(training, held_out, len(numbers)), 5)
