"""The toy task over a corpus. Legend: B batch, T time, V vocabulary."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from charrnn.data.dataloader import Chunk, TBPTTLoader
from charrnn.data.loader import LoaderSettings
from charrnn.model.language_model import CharRNN
from charrnn.model.recurrent import RecurrentNetwork, State, detach
from charrnn.storage.model_directory import Model
from charrnn.storage.run import Run
from charrnn.training.loss import Learned
from charrnn.training.report import TrainingSummary
from charrnn.training.text_task import TextTask


class EchoTask(TextTask):
    """A text to repeat."""

    name = "echo"
    usual_batch = (4, 16)
    sequence_name = "excerpt"
    repeated = 0.0

    def make_loader(self, settings: LoaderSettings) -> TBPTTLoader:
        return TBPTTLoader(
            self.training,
            batch_size=settings.batch_size,
            sequence_length=settings.sequence_length,
            seed=settings.seed,
        )

    def steps_per_epoch(self, batch_size: int, sequence_length: int) -> int:
        return -(-(self.training_characters - 1) // (batch_size * sequence_length))

    @torch.no_grad()
    def evaluate(
        self, network: RecurrentNetwork, *, at_most: float, at_once: int | None = None
    ) -> Iterator[tuple[float, int]]:
        ids = torch.from_numpy(np.asarray(self.validation).astype(np.int64))[None]  # (1, T)
        logits, _ = network(ids, None)
        self.repeated = float((logits[0].argmax(dim=-1) == ids[0]).float().mean())
        yield float(cross_entropy(logits[0].float(), ids[0])), ids.shape[1]

    def measures(self) -> dict[str, float]:
        return {"repeated": self.repeated}

    def sample(self, model: Model, seed: int) -> str:
        return "polly"

    def summarize(self, run: Run) -> TrainingSummary:
        return TrainingSummary(rows=(("repeated", f"{self.repeated:.3f}"),))


def echo_loss(
    network: CharRNN,
    chunk: Chunk,
    state: State | None,
    *,
    random: np.random.Generator,
    masks: torch.Generator,
) -> Learned:
    ids = torch.from_numpy(chunk.inputs).to(network.head.bias.device)
    logits, after = network(ids, state, generator=masks)  # (B, T, V)
    return Learned(cross_entropy(logits.float().flatten(0, 1), ids.flatten()), detach(after))
