"""Measures how much the int8 engine loses beside float32.

    python -m benchmarks.int8 --runs RUNS
    python -m benchmarks.int8 --runs RUNS "tinyshakespeare.txt: --cell gru --layers 3 --steps 300"
    python -m benchmarks.int8 checkpoints/book

Each argument is a run directory, or a corpus (as in benchmarks.quality) and flags of `charrnn
train` for a run that is trained first. Without arguments, NETWORKS are trained. Runs are trained
into folders in RUNS; those that are there already are not trained again.

The output is a row for each run and text: the bits of its matrices, nats per character with both
engines, each reading the text as one stream, and their difference. The best model reads the
held-out part, the last one the beginning of the training part, which a long training knows by
heart. A last line names the largest difference, in whichever direction.
"""

import argparse
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.quality_corpora import parse_corpus, read_corpus
from benchmarks.quality_run import charrnn
from charrnn.data.read_options import ReadOptions
from charrnn.data.two_pass_reading import no_progress
from charrnn.engines import ENGINES
from charrnn.engines.int8_description import int8_bits
from charrnn.evaluation.protocols import score
from charrnn.evaluation.scoring import held_out
from charrnn.training.report import EvaluationRequest
from charrnn.training.saved_model_evaluation import read_evaluated, read_training_corpus

LIMIT: Final = 0.002
"""The largest difference in nats per character that is accepted."""

READ: Final = 50_000
"""The most characters that are read of each part of a text."""

BY_HEART: Final = "--dropout 0 --weight-dropout 0 --steps 600"

NETWORKS: Final = (
    f"fables@800: --cell rnn --layers 2 --hidden-size 48 {BY_HEART}",
    f"fables@800: --cell gru --layers 2 --hidden-size 48 {BY_HEART}",
    f"fables@800: --cell lstm --layers 2 --hidden-size 48 {BY_HEART}",
    f"fables@3000: --cell rnn --layers 1 --hidden-size 128 {BY_HEART}",
    "fables: --cell gru --layers 1 --hidden-size 64 --steps 400",
    "fables: --cell rnn --layers 3 --hidden-size 32 --steps 600",
    "fables: --cell rnn --layers 1 --hidden-size 1024 --steps 24",
    "towns:lines: --cell gru --layers 2 --hidden-size 96 --steps 400",
    "towns:lines: --cell rnn --layers 2 --hidden-size 64 --steps 500",
    "python-docs: --cell lstm --layers 1 --hidden-size 256 --steps 120",
    "python-docs: --cell rnn --layers 3 --hidden-size 128 --steps 160",
    "python-docs: --cell lstm --layers 2 --hidden-size 128 --attention 64 --steps 100",
    "stdlib@1000000: --cell gru --layers 2 --hidden-size 192 --steps 120",
    "stdlib@1000000: --cell rnn --layers 1 --hidden-size 512 --steps 80",
    "rare-characters: --cell lstm --layers 2 --hidden-size 128 --steps 160",
    "rare-characters: --cell rnn --layers 2 --hidden-size 128 --steps 200",
    "rare-characters: --cell gru --layers 1 --hidden-size 128 --attention 32 --steps 120",
    "repetitive: --cell gru --layers 2 --hidden-size 128 --attention 64 --steps 120",
)


@dataclass(frozen=True)
class Row:
    """A run's losses on one part of its text, in nats per character."""

    corpus: str
    network: str
    bits: str
    part: str
    characters: int
    float32: float
    int8: float

    @property
    def difference(self) -> float:
        """Return how much more int8 loses."""
        return self.int8 - self.float32

    def __str__(self) -> str:
        cells = self.corpus, self.network, self.bits, self.part, f"{self.characters:,}"
        losses = f"{self.float32:.4f}", f"{self.int8:.4f}", f"{self.difference:+.5f}"
        return f"| {' | '.join([*cells, *losses])} |"


def train(network: str, runs: Path) -> Path:
    """Train a network of NETWORKS, unless that is done. Returns its run."""
    corpus, _, flags = network.rpartition(": ")
    run = runs / re.sub(r"[^\w@.]+", "-", network)
    if (run / "best").exists():
        return run
    name = parse_corpus(corpus)
    with tempfile.TemporaryDirectory() as folder:
        text = read_corpus(name, Path(folder)).path
        kept = runs / text.name  # the run reads it again
        kept.write_bytes(text.read_bytes())
    lines = ["--lines"] if name.lines else []
    options = [*lines, *shlex.split(flags), "--out", str(run), "--quiet"]
    charrnn(["train", str(kept), *options], os.environ)
    return run


def rows(run: Path) -> Iterator[Row]:
    """Yield the row of each part of a run's text."""
    for which, part in (("best", "held out"), ("last", "learned")):
        directory = run / which
        model, checkpoint = read_evaluated(directory)
        read = ReadOptions()
        request = EvaluationRequest(
            model=model, read=read, directory=directory, checkpoint=checkpoint
        )
        corpus = read_training_corpus(request, no_progress)
        training, validation = held_out(model, corpus)
        ids = (validation if which == "best" else training)[:READ]
        config = model.config
        attention = "" if config.attention is None else f", attention {config.attention}"
        yield Row(
            corpus=Path(model.provenance.corpus).stem,
            network=f"{config.cell} {config.layers}x{config.hidden_size}{attention}",
            bits=" and ".join(str(each) for each in sorted({*int8_bits(model).values()})),
            part=part,
            characters=len(ids) - 1,
            float32=score(ENGINES["float32"](model), ids),
            int8=score(ENGINES["int8"](model), ids),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, row by row, and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="RUN or 'CORPUS: FLAGS'")
    parser.add_argument("--runs", type=Path, help="the folder of the runs that are trained")
    options = parser.parse_args(arguments)
    print("| text | network | bits | part | characters | float32 | int8 | difference |")
    print("|---|---|---|---|---|---|---|---|")
    found = []
    for network in options.networks:
        if ": " in network:
            if options.runs is None:
                parser.error("--runs FOLDER: say where to train")
            options.runs.mkdir(parents=True, exist_ok=True)
        run = train(network, options.runs) if ": " in network else Path(network)
        for row in rows(run):
            found.append(row)
            print(row, flush=True)
    worst = max(found, key=lambda row: abs(row.difference))
    print(
        f"\nthe largest difference: {worst.difference:+.5f}, of {worst.network} on {worst.corpus}"
    )
    if abs(worst.difference) > LIMIT:
        sys.exit(f"more than {LIMIT}")


if __name__ == "__main__":
    main()
