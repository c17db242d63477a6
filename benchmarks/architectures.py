"""Which changes of the network are worth what they cost.

    python -m benchmarks.architectures tinyshakespeare.txt --budget 3255steps --seeds 0,1
    python -m benchmarks.architectures tinyshakespeare.txt --budget 100s residual "residual, 3
    layers"

Each variant is trained as the recipe trains such a size, on the same chunks in the same order, and
reads the last 10 % of the text. Prints a row for each: nats per character, how long a step takes,
and how many weights there are. Given a time, each has as many steps as it gets done in that; given
steps, all have the same, and the time of a step says what they would cost.

Cells that no kernel computes go through autograd, one small operation after another. Their steps
are compared with those of an LSTM that does so too (`plain, step by step`).

Legend: T time, B batch, I input, H hidden, V vocabulary.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from benchmarks.quality import parse_seeds
from benchmarks.quality_corpora import find_file
from benchmarks.quality_table import Budget, parse_budget
from charrnn.data.corpus import TokenizedCorpus, open_corpus, tokenize
from charrnn.data.dataloader import Lanes, TBPTTLoader
from charrnn.engines import TorchEngine
from charrnn.evaluation.scoring import score
from charrnn.model.cells import LayerState, LayerWeights
from charrnn.model.config import ModelConfig
from charrnn.model.language_model import CharRNN, State
from charrnn.tasks.generate.task import GenerationTask, validation_lanes
from charrnn.training.config import TrainingConfig, TrainingOptions
from charrnn.training.learner import Learner, autocast, threads
from charrnn.training.probe import ALL_THREADS, Probe
from charrnn.training.recipe import (
    choose_batch,
    choose_dropout,
    choose_readout_scale,
    choose_training,
)

MEASURED_STEPS: Final = 12
"""Steps whose median time is that of a step; as many go before them."""


class Multiplicative(nn.Module):
    """Multiplicative LSTM (Krause et al., 2017, arXiv:1609.07959): the gates do not see h, but
    m = (W_mx x) * (W_mh h), which every character can turn into something else."""

    def __init__(self, inputs: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.from_x = _matrix(hidden, inputs, generator)
        self.from_h = _matrix(hidden, hidden, generator)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return x, linear(x, self.from_x) * linear(h, self.from_h)


class Mogrifier(nn.Module):
    """Mogrifier LSTM (Melis et al., 2020, arXiv:1909.01792): before each step x and h gate each
    other, five times in turn: x = 2 sigmoid(Q h) x, h = 2 sigmoid(R x) h."""

    ROUNDS = 5

    def __init__(self, inputs: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.gates = nn.ParameterList(
            _matrix(*((hidden, inputs) if turn % 2 else (inputs, hidden)), generator)
            for turn in range(self.ROUNDS)
        )

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        for turn, gate in enumerate(self.gates):
            if turn % 2:
                h = 2 * torch.sigmoid(linear(x, gate)) * h
            else:
                x = 2 * torch.sigmoid(linear(h, gate)) * x
        return x, h


def _matrix(rows: int, columns: int, generator: torch.Generator) -> nn.Parameter:
    matrix = torch.empty(rows, columns)
    nn.init.xavier_uniform_(matrix, generator=generator)
    return nn.Parameter(matrix)


@dataclass(frozen=True)
class Variant:
    """A change of the network.

    Attributes:
        layers: L.
        residual: whether each layer's output is added to what it read, from the second on. (Of two
            layers, that is the sum of both.)
        summed: whether the head reads the sum of all layers' outputs.
        normalized: whether each layer's output is layer-normalized (Ba et al., 2016,
            arXiv:1607.06450).
        gating: what is done to x and h before a step; None where the kernel computes the layer.
        attention: W, see ModelConfig; leaves no room for the other changes.
        by_steps: whether the kernel is the equations, one small operation after another.
    """

    layers: int = 2
    residual: bool = False
    summed: bool = False
    normalized: bool = False
    gating: type[Multiplicative] | type[Mogrifier] | None = None
    attention: int | None = None
    by_steps: bool = False


PLAIN: Final = "plain"
BY_STEPS: Final = "plain, step by step"

VARIANTS: Final = {
    PLAIN: Variant(),
    "plain, 3 layers": Variant(3),
    "residual": Variant(residual=True),
    "residual, 3 layers": Variant(3, residual=True),
    "summed, 3 layers": Variant(3, summed=True),
    "normalized": Variant(normalized=True),
    "normalized residual, 3 layers": Variant(3, residual=True, normalized=True),
    BY_STEPS: Variant(by_steps=True),
    "multiplicative": Variant(gating=Multiplicative, by_steps=True),
    "mogrifier": Variant(gating=Mogrifier, by_steps=True),
}


class VariantRNN(CharRNN):
    """A CharRNN with a change."""

    def __init__(
        self, config: ModelConfig, variant: Variant, *, kernel: str, generator: torch.Generator
    ) -> None:
        super().__init__(config, kernel=kernel, generator=generator)
        self.variant = variant
        hidden = config.hidden_size
        self.norms = nn.ModuleList(
            nn.LayerNorm(hidden) if variant.normalized else nn.Identity()
            for _ in range(config.layers)
        )
        self.gatings = nn.ModuleList()
        if variant.gating is not None:
            sizes = [config.embedding_size, *[hidden] * (config.layers - 1)]
            self.gatings.extend(variant.gating(size, hidden, generator) for size in sizes)

    def forward(
        self,
        ids: Tensor,
        state: State | None = None,
        *,
        generator: torch.Generator | None = None,
        batch_size: int | None = None,
        lanes: slice = slice(None),
    ) -> tuple[Tensor, State]:
        """See CharRNN."""
        if self.config.attention is not None:
            return super().forward(
                ids, state, generator=generator, batch_size=batch_size, lanes=lanes
            )
        if state is None:
            state = self.zero_state(len(ids))
        states, outputs = [], []
        x = self.embedding(ids.T)  # (T, B, E)
        for layer in range(self.config.layers):
            before = tuple(part[layer] for part in state)  # each (B, H)
            weights = self._drop_weights(self._weights(layer), generator)
            if self.gatings:
                y, after = _gated_lstm(x, before, weights, self.gatings[layer])
            elif layer == 0:
                y, after = self._kernel.first(ids.T, self.embedding.weight, before, weights)
            else:
                y, after = self._kernel.layer(x, before, weights)
            y = self._drop(self.norms[layer](y), generator, batch_size, lanes)  # (T, B, H)
            x = x + y if self.variant.residual and layer else y
            outputs.append(y)
            states.append(after)
        logits = self.head(sum(outputs) if self.variant.summed else x)  # (T, B, V)
        kept = self.head.weight.dtype
        state = tuple(torch.stack(parts).to(kept) for parts in zip(*states, strict=True))
        return logits.transpose(0, 1), state


def _gated_lstm(
    x: Tensor, state: LayerState, weights: LayerWeights, gating: nn.Module
) -> tuple[Tensor, LayerState]:
    """The equations of cells.py, x and h changed before each step."""
    h, c = state
    outputs = []
    for x_t in x:
        x_t, h = gating(x_t, h)
        sums = linear(x_t, weights.weight_ih, weights.bias_ih)
        i, f, g, o = (sums + linear(h, weights.weight_hh, weights.bias_hh)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs), (h, c)


@dataclass(frozen=True)
class Result:
    """What came of one training: nats per character, seconds of a step, steps, and weights."""

    nats: float
    step_seconds: float
    steps: int
    parameters: int


class Trial:
    """Trainings of one text in one size.

    Args:
        corpus: the text.
        hidden_size: H.
        budget: of each that is `run`.
        lines: whether each line is a document.
    """

    def __init__(
        self, corpus: TokenizedCorpus, hidden_size: int, budget: Budget, *, lines: bool = False
    ) -> None:
        self.corpus, self.budget = corpus, budget
        self.options = TrainingOptions(hidden_size=hidden_size)
        self.task = GenerationTask(corpus, validation_fraction=0.1, lines=lines)
        self.training, self.validation = self.task.training, self.task.validation
        self.batch_size, self.sequence_length = choose_batch(
            self.options, training_characters=len(self.training)
        )

    def run(self, variant: Variant, seed: int) -> Result:
        """One training."""
        steps = int(self.budget.amount)
        (step_seconds,) = self.step_seconds([variant], seed)
        if not self.budget.in_steps:
            steps = max(1, int(self.budget.amount / step_seconds))
        return self.train(variant, seed, steps=steps, step_seconds=step_seconds)

    def step_seconds(self, variants: Sequence[Variant], seed: int) -> list[float]:
        """The time of a step of each, by turns, so that a busy machine is as busy for all."""
        learning = [self._prepare(each, seed, 2 * MEASURED_STEPS)[1:] for each in variants]
        times: list[list[float]] = [[] for _ in variants]
        with threads(ALL_THREADS):
            for number in range(2 * MEASURED_STEPS):
                for (learner, loader), taken in zip(learning, times, strict=True):
                    began = time.perf_counter()
                    learner.step(next(loader), number)
                    taken.append(time.perf_counter() - began)
        return [statistics.median(taken[MEASURED_STEPS:]) for taken in times]

    def train(self, variant: Variant, seed: int, *, steps: int, step_seconds: float) -> Result:
        """One training of so many steps."""
        network, learner, loader = self._prepare(variant, seed, steps)
        with threads(ALL_THREADS):
            for number in range(steps):
                learner.step(next(loader), number)
            network.eval()
            lanes = validation_lanes(len(self.validation))
            with autocast("cpu", learner.config.precision):
                nats = score(TorchEngine(network), self.validation, lanes=lanes)
        return Result(nats, step_seconds, steps, sum(each.numel() for each in network.parameters()))

    def _prepare(
        self, variant: Variant, seed: int, steps: int
    ) -> tuple[VariantRNN, Learner, TBPTTLoader]:
        options = replace(self.options, layers=variant.layers, steps=steps, seed=seed)
        assert options.hidden_size is not None
        sizes = ModelConfig(
            vocabulary_size=self.corpus.tokenizer.vocabulary_size,
            hidden_size=options.hidden_size,
            layers=variant.layers,
            attention=variant.attention,
        )
        chunks = len(Lanes(self.training, self.batch_size, self.sequence_length))
        characters, epochs = len(self.training), steps / chunks
        scale = choose_readout_scale(options, sizes, epochs=epochs, training_characters=characters)
        sizes = choose_dropout(options, sizes, epochs=epochs, training_characters=characters)
        config = replace(self._config(options, sizes, chunks, variant), readout_scale=scale)
        generator = torch.Generator().manual_seed(seed)
        network = VariantRNN(sizes, variant, kernel=config.kernel, generator=generator)
        network.scale_readout(config.readout_scale)
        loader = self.task.loader(
            batch_size=self.batch_size,
            sequence_length=self.sequence_length,
            seed=seed,
        )
        return network, Learner(network, config), loader

    def _config(
        self, options: TrainingOptions, sizes: ModelConfig, chunks: int, variant: Variant
    ) -> TrainingConfig:
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
        if variant.by_steps:
            config = replace(config, kernel="equations", precision="fp32")
        return replace(config, threads=ALL_THREADS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("corpus", type=Path, help="a text file, or the name of one in corpora/")
    parser.add_argument("variants", nargs="*", help=f"of: {'; '.join(VARIANTS)} (all)")
    parser.add_argument("--budget", type=parse_budget, default="3000steps", help="or like 100s")
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--seeds", type=parse_seeds, default=[0], help="like 0,1,2")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.variants if name not in VARIANTS]:
        parser.error(f"{unknown[0]!r}: choose from {'; '.join(VARIANTS)}")
    path = find_file(str(options.corpus))
    if path is None:
        parser.error(f"{options.corpus}: no such file")
    trial = Trial(tokenize(open_corpus([str(path)])), options.hidden_size, options.budget)
    print("| variant | nats, a seed each | mean | steps | ms a step | weights |")
    print("|---|---|---|---|---|---|")
    for name in options.variants or VARIANTS:
        results = [trial.run(VARIANTS[name], seed) for seed in options.seeds]
        nats = [result.nats for result in results]
        milliseconds = 1000 * statistics.median(result.step_seconds for result in results)
        row = [
            name,
            ", ".join(f"{each:.4f}" for each in nats),
            f"{statistics.fmean(nats):.4f}",
            f"{statistics.fmean(result.steps for result in results):,.0f}",
            f"{milliseconds:.1f}",
            f"{results[0].parameters:,}",
        ]
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
