"""Compares the loss in the same time with and without attention.

    python -m benchmarks.attention tinyshakespeare.txt names.txt:lines repetitive stdlib@1000000

Each text is trained without attention, and in the same time with each window: the time of a step is
measured first, in turns, and networks with attention take fewer steps accordingly. All are trained
as the recipe trains networks of this size, on the same chunks in the same order, and scored on the
last 10 % of the text. The output is a row for each text and window: nats per character, and how
much lower they are than without attention.

`repetitive` is made from a seed (repetition.py): names of random letters, defined and used again,
in nested brackets.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.quality import parse_seeds
from benchmarks.quality_corpora import CorpusName, parse_corpus, read_corpus
from charrnn.data.corpus import TokenizedCorpus, open_corpus, tokenize
from charrnn.data.dataloader import Lanes, TBPTTLoader
from charrnn.data.loader import LoaderSettings
from charrnn.engines import TorchEngine
from charrnn.evaluation.protocols import score
from charrnn.model.config import ModelConfig
from charrnn.model.language_model import CharRNN
from charrnn.tasks.generate.task import GenerationTask, validation_lanes
from charrnn.training.config import TrainingConfig
from charrnn.training.learner import Learner, autocast, threads
from charrnn.training.options import TrainingOptions
from charrnn.training.probe import ALL_THREADS, Probe
from charrnn.training.recipe import (
    choose_batch,
    choose_dropout,
    choose_readout_scale,
    choose_training,
)

MEASURED_STEPS: Final = 12
"""The steps whose median time is measured; as many steps go before them."""


@dataclass(frozen=True)
class Result:
    """The result of one training.

    Attributes:
        nats: nats per character of the held-out text.
        parameters: the number of weights.
    """

    nats: float
    parameters: int


class Trial:
    """Trainings on one text with one size and different windows.

    Args:
        corpus: the text.
        hidden_size: H.
        lines: whether each line is a document.
    """

    def __init__(self, corpus: TokenizedCorpus, hidden_size: int, *, lines: bool = False) -> None:
        self.corpus = corpus
        self.options = TrainingOptions(hidden_size=hidden_size, layers=2)
        self.task = GenerationTask(corpus, validation_fraction=0.1, lines=lines)
        self.training, self.validation = self.task.training, self.task.validation
        self.batch_size, self.sequence_length = choose_batch(
            self.options, training_characters=len(self.training)
        )

    def step_seconds(self, windows: Sequence[int | None], seed: int) -> list[float]:
        """Measure the time of a step with each window, in turns, so that a busy machine affects all
        alike."""
        learning = [self._prepare(each, seed, 2 * MEASURED_STEPS)[1:] for each in windows]
        times: list[list[float]] = [[] for _ in windows]
        with threads(ALL_THREADS):
            for number in range(2 * MEASURED_STEPS):
                for (learner, loader), taken in zip(learning, times, strict=True):
                    began = time.perf_counter()
                    learner.step(next(loader), number)
                    taken.append(time.perf_counter() - began)
        return [statistics.median(taken[MEASURED_STEPS:]) for taken in times]

    def train(self, window: int | None, seed: int, *, steps: int) -> Result:
        """Train for this many steps, and score the held-out text."""
        network, learner, loader = self._prepare(window, seed, steps)
        with threads(ALL_THREADS):
            for number in range(steps):
                learner.step(next(loader), number)
            network.eval()
            lanes = validation_lanes(len(self.validation))
            with autocast("cpu", learner.config.precision):
                nats = score(TorchEngine(network), self.validation, lanes=lanes)
        return Result(nats, network.config.parameters)

    def _prepare(
        self, window: int | None, seed: int, steps: int
    ) -> tuple[CharRNN, Learner, TBPTTLoader]:
        options = replace(self.options, steps=steps, seed=seed)
        assert options.hidden_size is not None and options.layers is not None
        sizes = ModelConfig(
            vocabulary_size=self.corpus.tokenizer.vocabulary_size,
            hidden_size=options.hidden_size,
            layers=options.layers,
            attention=window,
        )
        chunks = len(Lanes(self.training, self.batch_size, self.sequence_length))
        characters, epochs = len(self.training), steps / chunks
        scale = choose_readout_scale(options, sizes, epochs=epochs, training_characters=characters)
        sizes = choose_dropout(options, sizes, epochs=epochs, training_characters=characters)
        config = replace(self._config(options, sizes, chunks), readout_scale=scale)
        generator = torch.Generator().manual_seed(seed)
        network = CharRNN(sizes, kernel=config.kernel, generator=generator)
        network.scale_readout(config.readout_scale)
        loader = self.task.make_loader(LoaderSettings(self.batch_size, self.sequence_length, seed))
        return network, Learner(network, config), loader

    def _config(self, options: TrainingOptions, sizes: ModelConfig, chunks: int) -> TrainingConfig:
        probe = Probe(
            options,
            task=self.task,
            batch_size=self.batch_size,
            sequence_length=self.sequence_length,
        )
        config = choose_training(
            options,
            probe.measure(sizes),
            batch_size=self.batch_size,
            sequence_length=self.sequence_length,
            hidden_size=sizes.hidden_size,
            chunks_per_epoch=chunks,
            validation_characters=len(self.validation),
        )
        return replace(config, threads=ALL_THREADS)


def compare(
    name: CorpusName, windows: Sequence[int], *, hidden_size: int, steps: int, seeds: Sequence[int]
) -> Iterator[str]:
    """Yield the rows of a text: without attention, in this many steps, and with each window in the
    same time."""
    with tempfile.TemporaryDirectory() as folder:
        text = tokenize(open_corpus([str(read_corpus(name, Path(folder)).path)]))
    trial = Trial(text, hidden_size, lines=name.lines)
    compared = [None, *windows]
    seconds = trial.step_seconds(compared, seeds[0])
    plain = None
    for window, step_seconds in zip(compared, seconds, strict=True):
        affordable = max(1, round(steps * seconds[0] / step_seconds))
        results = [trial.train(window, seed, steps=affordable) for seed in seeds]
        nats = statistics.fmean(result.nats for result in results)
        plain = nats if plain is None else plain
        row = [
            str(name),
            "none" if window is None else str(window),
            ", ".join(f"{result.nats:.4f}" for result in results),
            f"{100 * (plain - nats) / plain:+.1f} %",
            f"{affordable:,}",
            f"{1000 * step_seconds:.1f}",
            f"{step_seconds / seconds[0]:.2f}",
            f"{results[0].parameters:,}",
        ]
        yield f"| {' | '.join(row)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="+", type=parse_corpus, help="as in benchmarks.quality")
    parser.add_argument("--windows", type=parse_seeds, default=[64, 256], help="like 64,256")
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=1500, help="without attention")
    parser.add_argument("--seeds", type=parse_seeds, default=[0], help="like 0,1,2")
    options = parser.parse_args(arguments)
    print("| text | window | nats, a seed each | gained | steps | ms a step | x plain | weights |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.corpora:
        for row in compare(
            name,
            options.windows,
            hidden_size=options.hidden_size,
            steps=options.steps,
            seeds=options.seeds,
        ):
            print(row, flush=True)


if __name__ == "__main__":
    main()
