"""The task of generating text, over a corpus: each character is predicted from all before it.

Legend: B batch, b lanes of one process, T time, V vocabulary.
"""

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from charrnn.data.corpus import newline_id
from charrnn.data.dataloader import IGNORED, Chunk, Lanes, TBPTTLoader
from charrnn.data.loader import LoaderSettings
from charrnn.engines import TorchEngine
from charrnn.evaluation.baselines import BASELINES, Baseline, prepare_baselines
from charrnn.evaluation.protocols import score_in_steps
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.model.language_model import CharRNN
from charrnn.model.recurrent import RecurrentNetwork, State, detach
from charrnn.storage.model_directory import Model
from charrnn.storage.run import Run
from charrnn.training.advice import is_much_copied
from charrnn.training.forecast import Forecast, forecast
from charrnn.training.loss import Learned
from charrnn.training.next_commands import is_found_again
from charrnn.training.report import NextCommand, TrainingSummary
from charrnn.training.text_task import TextTask

COLD_STARTS: Final = 0.01
"""The share of lanes whose state is set to zero before a chunk (Melis et al., 2018,
arXiv:1707.05589). A network whose state is always carried on would not learn how to begin a sample
without any state."""

SAMPLE_LENGTH: Final = 300

VALIDATION_LANES: Final = 64

LARGEST_FOR_BASELINES: Final = 3_000_000
"""The most characters of a text for which a training computes baselines; with more, this takes
long, and `charrnn evaluate` does it."""


class GenerationTask(TextTask):
    """The task of learning to continue a text; see TextTask."""

    name = "generate"

    def make_loader(self, settings: LoaderSettings) -> TBPTTLoader:
        """Return the chunks of a training; see Task."""
        return TBPTTLoader(
            self.training,
            batch_size=settings.batch_size,
            sequence_length=settings.sequence_length,
            seed=settings.seed,
            separator=newline_id(self.corpus.tokenizer) if self.lines else None,
            rank=settings.rank,
            world_size=settings.world_size,
        )

    def steps_per_epoch(self, batch_size: int, sequence_length: int) -> int:
        """Return the number of chunks of a lane."""
        return len(Lanes(self.training, batch_size, sequence_length))

    def evaluate(
        self, network: RecurrentNetwork, *, at_most: float, at_once: int | None = None
    ) -> Iterator[tuple[float, int]]:
        """Yield nats per character, in lanes; see `score_in_steps`."""
        assert isinstance(network, CharRNN)
        lanes = validation_lanes(len(self.validation))
        yield from score_in_steps(
            TorchEngine(network), self.validation, lanes=lanes, at_most=at_most, at_once=at_once
        )

    def sample(self, model: Model, seed: int) -> str:
        """Return a text without a prompt."""
        return Sampler(model).sample(config=SamplingConfig(length=SAMPLE_LENGTH, seed=seed))

    @functools.cached_property
    def baselines(self) -> Mapping[str, Baseline]:
        """The baselines; none where the text is so large that they take long."""
        if len(self.corpus.ids) > LARGEST_FOR_BASELINES:
            return {}
        return prepare_baselines(self.training, self.validation, self.corpus.tokenizer)

    def next_commands(self) -> tuple[NextCommand, ...]:
        """See Task."""
        sample = NextCommand("charrnn sample {run}", "write a new text")
        if self.lines:
            sample = NextCommand("charrnn sample {run} -n 10", "write ten new lines")
        return (
            sample,
            NextCommand("charrnn repl {run}", "write together with the model"),
            NextCommand("charrnn evaluate {run}", "measure it, beside baselines")
            if is_found_again(self.corpus)
            else NextCommand("charrnn info {run}", "show what the model is"),
        )

    def forecast(self, epochs: float) -> Forecast:
        """See `charrnn.training.forecast`."""
        size = self.corpus.tokenizer.vocabulary_size
        return forecast(self.training, self.validation, size, epochs=epochs)

    def summarize(self, run: Run) -> TrainingSummary:
        """Return the loss of baselines on the same text, and how much of it is copied from the
        training text (not for lines, which the plan counts)."""
        if not self.baselines:
            return TrainingSummary()
        shown = ", ".join(
            f"{BASELINES[name]} {each.nats() / math.log(2):.3f}"
            for name, each in self.baselines.items()
        )
        share = None if self.lines else self.copied_share
        if share is not None and is_much_copied(share):
            shown += f"; {100 * share:.0f} % of the held-out text is also in the training text"
        return TrainingSummary(remark=f"baselines on the same text: {shown}")


def validation_lanes(characters: int) -> int:
    """Return the number of lanes in which a validation text is read during training: up to 64, each
    long enough that its cold start hardly matters."""
    return max(1, min(VALIDATION_LANES, characters // 1000))


def generation_loss(
    network: CharRNN,
    chunk: Chunk,
    state: State | None,
    *,
    random: np.random.Generator,
    masks: torch.Generator,
) -> Learned:
    """Return nats per character of a chunk; see Loss. A share COLD_STARTS of the lanes begins
    without a state."""
    device = network.head.bias.device
    inputs = torch.from_numpy(chunk.inputs).to(device)
    targets = torch.from_numpy(chunk.targets).to(device)
    before = None if chunk.starts_epoch else state
    if before is not None:
        warm = torch.from_numpy(random.random(chunk.batch_size) >= COLD_STARTS)  # (B,)
        kept = warm[chunk.lanes].to(device)[:, None]
        before = tuple(part * kept for part in before)  # each (L, b, H)
    logits, after = network(
        inputs, before, generator=masks, batch_size=chunk.batch_size, lanes=chunk.lanes
    )  # (b, T, V)
    # The mean over all lanes' targets, or this process's part of it.
    nats = cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return Learned(nats / chunk.characters, detach(after))
