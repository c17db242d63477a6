"""The task of infilling, over a corpus: each character is predicted from those on both sides of it,
some of which are masked.

Legend: B batch, T time, V vocabulary.
"""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.data.dataloader import IGNORED
from charrnn.data.loader import LoaderSettings
from charrnn.data.tokenizer import Ids
from charrnn.evaluation.protocols import negative_log_likelihood
from charrnn.model.recurrent import RecurrentNetwork, State
from charrnn.storage.model_directory import Model
from charrnn.storage.run import Run
from charrnn.tasks.infill.accuracy import CONTEXT, masked_accuracy
from charrnn.tasks.infill.engine import MARGIN, WINDOW, InfillEngine
from charrnn.tasks.infill.masking import mask_spans
from charrnn.tasks.infill.network import InfillNetwork
from charrnn.tasks.infill.windows import (
    WindowBatch,
    WindowLoader,
    lay_out_windows,
    windows_per_epoch,
)
from charrnn.training.loss import Learned
from charrnn.training.next_commands import example_passage
from charrnn.training.report import NextCommand, TrainingSummary
from charrnn.training.text_task import TextTask

PASSAGES: Final = 2
PASSAGE_LENGTH: Final = 72
GAPS: Final = (1, 2, 1, 4, 1)
"""The number of held-out passages that are shown infilled, the characters of each, and the masked
characters of each gap."""

SPANS: Final = {1: "where one is masked", 2: "of two in a row", 4: "of four in a row"}
"""The lengths of the masked spans on which accuracy is measured, and how they are described."""

EXAMPLE_LENGTH: Final = 28
"""The most characters of the held-out text in a command to try after a training."""

GAP: Final = "_"
LINE_END: Final = "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"

_AT_ONCE: Final = 64
_LARGEST_LOGITS: Final = 1 << 22
"""The most windows of the validation text that are read together, and the most logits of these."""


class InfillTask(TextTask):
    """The task of learning to infill a text; lines are read as running text. See TextTask.

    Each direction begins a window without a state, so a window has to be longer than a chunk whose
    state is carried.
    """

    name = "restore"
    usual_batch = (12, 128)
    sequence_name = "window"

    def make_loader(self, settings: LoaderSettings) -> WindowLoader:
        """Return the windows of a training; see Task."""
        return WindowLoader(
            self.training,
            batch_size=settings.batch_size,
            sequence_length=settings.sequence_length,
            seed=settings.seed,
        )

    def steps_per_epoch(self, batch_size: int, sequence_length: int) -> int:
        """Return the number of batches of windows."""
        return -(-windows_per_epoch(len(self.training), sequence_length) // batch_size)

    def evaluate(
        self, network: RecurrentNetwork, *, at_most: float, at_once: int | None = None
    ) -> Iterator[tuple[float, int]]:
        """Yield nats per character of text that is masked as in training, with the same masks every
        time.

        Where only a part of the text is read, the windows are spread over all of it.
        """
        assert isinstance(network, InfillNetwork)
        random = np.random.default_rng(0)
        windows = lay_out_windows(len(self.validation), WINDOW, MARGIN)
        order = random.permutation(len(windows))
        largest = windows.length * network.config.vocabulary_size
        together = min(max(_LARGEST_LOGITS // largest, 1), _AT_ONCE)
        # The masks do not depend on how many windows are read together.
        rows = together if at_once is None else max(at_once // windows.length, 1)
        total, count = 0.0, 0
        for first in range(0, len(order), together):
            chosen = order[first : first + together]
            ids = self.validation[windows.positions(chosen)].astype(np.int64)
            masked = mask_spans(ids, network.mask, random)
            targets = np.where(windows.kept(chosen), ids, IGNORED)
            for row in range(0, len(chosen), rows):
                some = slice(row, row + rows)
                nats = negative_log_likelihood(_read(network, masked[some]), targets[some])
                total += float(nats.sum())
            count += int((targets != IGNORED).sum())
            yield total / count, count
            if count >= at_most:
                return

    def sample(self, model: Model, seed: int) -> str:
        """Return passages of the held-out text with gaps, each above the same passage infilled."""
        engine = InfillEngine.of(model)
        random = np.random.default_rng(seed)
        length = min(PASSAGE_LENGTH, len(self.validation))
        lines = []
        for _ in range(PASSAGES):
            begin = int(random.integers(len(self.validation) - length + 1))
            passage = self.validation[begin : begin + length].astype(np.int64)
            masked = _with_gaps(passage, engine.mask)
            lines += [_shown(model, masked), _shown(model, fill_greedily(engine, masked))]
        return "\n".join(lines)

    def next_commands(self) -> tuple[NextCommand, ...]:
        """See Task; with words of the held-out text, where there are some."""
        words = example_passage(self.corpus.tokenizer, self.validation, EXAMPLE_LENGTH)
        at = None if words is None else _middle_pair(words)
        if words is None or at is None:
            return super().next_commands()
        before, pair, after = words[:at], words[at : at + 2], words[at + 2 :]
        gap, swapped = before + GAP * 2 + after, before + pair[::-1] + after
        return (
            NextCommand(f"charrnn fill {{run}} '{gap}'", "fill the gap"),
            NextCommand(f"echo '{swapped}' | charrnn proofread {{run}} -", "find the mistake"),
            NextCommand("charrnn info {run}", "show what the model is"),
        )

    def summarize(self, run: Run) -> TrainingSummary:
        """Return the share of masked characters that are infilled right."""
        if len(self.validation) <= 2 * CONTEXT + max(SPANS):
            return TrainingSummary()
        engine = InfillEngine.of(run.best_model())
        shares = {span: masked_accuracy(engine, self.validation, span) for span in SPANS}
        shown = ", ".join(f"{100 * share:.0f} % {SPANS[span]}" for span, share in shares.items())
        remark = f"masked characters of the held-out text that it infills right: {shown}"
        return TrainingSummary(remark=remark)


def infill_loss(
    network: InfillNetwork,
    batch: WindowBatch,
    state: State | None,
    *,
    random: np.random.Generator,
    masks: torch.Generator,
) -> Learned:
    """Return nats per character of windows, over all their characters, masked or not: none is
    predicted from itself. See Loss; no state is carried."""
    device = network.head.bias.device
    masked = torch.from_numpy(mask_spans(batch.ids, network.mask, random)).to(device)
    targets = torch.from_numpy(batch.ids).to(device)
    logits = network(masked, generator=masks)  # (B, T, V)
    return Learned(cross_entropy(logits.float().flatten(0, 1), targets.flatten()), ())


def fill_greedily(engine: InfillEngine, masked: npt.NDArray[np.int64]) -> Ids:
    """Return ids (N,) with each mask replaced, one after another, the most probable character
    first."""
    filled = masked.copy()
    while (missing := np.flatnonzero(filled == engine.mask)).size:
        likely = engine.log_probabilities(filled[None])[0, missing]  # (M, V)
        row, character = np.unravel_index(int(likely.argmax()), likely.shape)
        filled[missing[row]] = character
    return filled.astype(np.uint32)


def _with_gaps(ids: npt.NDArray[np.int64], mask: int) -> npt.NDArray[np.int64]:
    """Return ids (N,) with masks in GAPS, at equal distances."""
    masked = ids.copy()
    for number, length in enumerate(GAPS, start=1):
        begin = len(ids) * number // (len(GAPS) + 1)
        masked[begin : begin + length] = mask
    return masked


def _read(network: InfillNetwork, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return the logits (B, T, V) of windows, without dropout."""
    training = network.training
    network.eval()
    with torch.inference_mode():
        logits: Tensor = network(torch.from_numpy(ids).to(network.head.bias.device))
    network.train(training)
    return logits.float().cpu().numpy()


def _middle_pair(words: str) -> int | None:
    """Return where two different letters or digits stand side by side, nearest to the middle of the
    longest word; None where no two do."""
    longest = max(re.finditer(r"\w+", words), key=lambda match: len(match[0]))
    middle = (longest.start() + longest.end()) / 2 - 1
    pairs = re.finditer(r"(\w)(?=(?!\1)\w)", words)
    return min((each.start() for each in pairs), key=lambda at: abs(at - middle), default=None)


def _shown(model: Model, ids: npt.NDArray[np.integer]) -> str:
    """Return ids (N,), which may contain masks, as text on one line."""
    bounds = np.flatnonzero(np.diff(ids == model.config.vocabulary_size)) + 1
    chunks = []
    for chunk in np.split(ids, bounds):
        if len(chunk) and chunk[0] == model.config.vocabulary_size:
            chunks.append(GAP * len(chunk))
        else:
            chunks.append(model.tokenizer.decode(chunk))
    return "".join(chunks).replace("\n", LINE_END)
