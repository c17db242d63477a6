"""The tasks of classification and regression, over a corpus of labelled documents.

Legend: D documents, B batch, T time, C classes (1 for a number).
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.array_types import Float64Array, Int64Array
from charrnn.data.buckets import count_batches, in_characters
from charrnn.data.corpus import TokenizedCorpus
from charrnn.data.loader import LoaderSettings
from charrnn.errors import CorpusError
from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import RecurrentNetwork, State
from charrnn.storage.model_directory import Model
from charrnn.storage.run import Run
from charrnn.tasks.classify.buckets import DocumentBatch, DocumentLoader, Documents
from charrnn.tasks.classify.documents import LabelledCorpus
from charrnn.tasks.classify.network import SequenceClassifier
from charrnn.tasks.classify.plan import (
    LONGEST_EVALUATED,
    choose_classifier,
    choose_documents,
    choose_dropout,
    copy_weights,
    describe_documents,
)
from charrnn.tasks.classify.report import (
    LARGEST_AT_THE_END,
    NAMES,
    measures,
    predict_documents,
    report_rows,
    report_table,
)
from charrnn.training.checkpoint import TrainingState
from charrnn.training.config import TrainingConfig
from charrnn.training.loss import Learned
from charrnn.training.next_commands import example_passage, is_found_again
from charrnn.training.options import TrainingOptions
from charrnn.training.report import NextCommand, TrainingSummary
from charrnn.training.task import Task
from charrnn.wording import counted

EVALUATED_TOGETHER: Final = 64
"""The most held-out documents that are read side by side."""

EXAMPLE_LENGTH: Final = 40
"""The most characters of a held-out document in a command to try after a training."""

SHOWN: Final = 3
SHOWN_CHARACTERS: Final = 60
"""The number of held-out documents that are shown with predictions, and the characters of each."""


class DocumentTask(Task):
    """A task on documents, each with a class or a number.

    Args:
        corpus: the documents.
        validation_fraction, seed, class_weights: see TrainingOptions.

    Attributes:
        training, validation: the documents to learn from, and the held-out ones.
        outputs: C.
        predictions: (N, C) the network's outputs for the held-out documents of the last evaluation,
            numbers in their own unit; None before the first.
        targets: (N,) the classes or numbers of those documents.
    """

    corpus: LabelledCorpus

    def __init__(
        self,
        corpus: TokenizedCorpus,
        *,
        validation_fraction: float,
        seed: int = 0,
        class_weights: str = "none",
    ) -> None:
        if not isinstance(corpus, LabelledCorpus):
            raise CorpusError(f"{corpus.name}: its documents have no labels")
        self.corpus, self.labels = corpus, corpus.labels
        self.name = "classify" if corpus.labels else "regress"
        training, validation = corpus.split_documents(validation_fraction, seed=seed)
        self.outputs = len(corpus.labels) or 1
        self.unit = 1.0
        weights = None
        if not corpus.labels:
            self.unit = _unit(corpus.targets[training])
        elif class_weights == "balanced":
            weights = balanced_weights(corpus.targets[training], self.outputs)
        self.training = self._documents(training, weights)
        self.validation = self._documents(validation, weights)
        self.predictions: Float64Array | None = None
        self.targets: npt.NDArray[Any] = corpus.targets[:0]
        self._numbers: Int64Array = validation[:0]

    def _documents(self, numbers: Int64Array, weights: Float64Array | None) -> Documents:
        corpus = self.corpus
        targets = corpus.targets if corpus.labels else corpus.targets / self.unit
        each = None if weights is None else weights[corpus.targets]
        return Documents(corpus.ids, corpus.bounds, targets, numbers, each)

    @property
    def training_characters(self) -> int:
        """The number of characters to learn from."""
        return int(self.training.lengths.sum())

    @property
    def validation_characters(self) -> int:
        """The number of held-out characters that are read during training."""
        return self.validation.characters(LONGEST_EVALUATED)

    @torch.no_grad()
    def initialize(self, network: RecurrentNetwork) -> None:
        """Set the unit and the bias of the head."""
        super().initialize(network)
        network.head.bias.copy_(torch.from_numpy(self.initial_bias()))

    def initial_bias(self) -> npt.NDArray[np.float32]:
        """Return the head's first bias (C,): the mean, or the logarithm of each class's frequency,
        so that the first hundred steps need not learn it."""
        if not self.corpus.labels:
            return np.array([self.training.targets.mean()], dtype=np.float32)
        counts = np.bincount(
            self.training.targets, weights=self.training.weights, minlength=self.outputs
        )
        bias: npt.NDArray[np.float32] = np.log(counts / counts.sum()).astype(np.float32)
        return bias

    def make_loader(self, settings: LoaderSettings) -> DocumentLoader:
        """Return the batches of a training; see Task."""
        return DocumentLoader(
            self.training,
            batch_size=settings.batch_size,
            longest=settings.sequence_length,
            seed=settings.seed,
        )

    def steps_per_epoch(self, batch_size: int, sequence_length: int) -> int:
        """Return the number of batches of the documents."""
        return count_batches(self.training, batch_size)

    @torch.no_grad()
    def evaluate(
        self, network: RecurrentNetwork, *, at_most: float, at_once: int | None = None
    ) -> Iterator[tuple[float, int]]:
        """Yield nats per document, or the squared error; see Task.

        Where not all documents are read, a fixed random sample is: the shortest ones, which come
        first in batches by length, would not represent the others.
        """
        assert isinstance(network, SequenceClassifier)
        documents = self.validation
        total, weight, characters = 0.0, 0.0, 0
        outputs: list[Float64Array] = []
        targets: list[npt.NDArray[Any]] = []
        numbers: list[Int64Array] = []
        for places in self._evaluated(at_most, at_once or EVALUATED_TOGETHER * LONGEST_EVALUATED):
            batch = documents.batch(places, LONGEST_EVALUATED)
            logits = _read(network, batch)
            total += float(_losses(logits, batch).sum())
            weight += len(places) if batch.weights is None else float(batch.weights.sum())
            characters += batch.characters
            outputs.append(logits.double().cpu().numpy() * self.unit)
            targets.append(self.corpus.targets[batch.numbers])
            numbers.append(batch.numbers)
            yield total / weight * self.unit**2, characters
        self.predictions, self.targets, self._numbers = (
            np.concatenate(outputs),
            np.concatenate(targets),
            np.concatenate(numbers),
        )

    def _evaluated(self, at_most: float, at_once: int) -> Iterator[Int64Array]:
        """Yield the places of the documents that are evaluated, in batches of similar length with
        up to `at_once` characters; they are drawn until they have `at_most` characters."""
        lengths = np.minimum(self.validation.lengths, LONGEST_EVALUATED)
        drawn = np.random.default_rng(0).permutation(len(lengths))
        before = np.cumsum(lengths[drawn]) - lengths[drawn]
        drawn = drawn[before < max(at_most, 1)]
        return in_characters(lengths, drawn, batch_size=EVALUATED_TOGETHER, at_once=at_once)

    def measures(self) -> dict[str, float]:
        """Return measures of the last predictions: accuracy and macro F1, or the root mean squared
        error and R². The same measures of the simplest guess follow, which is the most frequent
        class or the mean of the documents learned from."""
        assert self.predictions is not None, "nothing was evaluated yet"
        learned = self.corpus.targets[self.training.numbers]
        return measures(self.predictions, self.targets, learned, classes=len(self.corpus.labels))

    def sample(self, model: Model, seed: int) -> str:
        """Return the measures, and some held-out documents with their predictions."""
        if self.predictions is None:
            return ""
        known = self.measures()
        lines = [", ".join(f"{NAMES[name]} {known[name]:.3f}" for name in list(known)[:2])]
        chosen = np.random.default_rng(seed).permutation(len(self.targets))[:SHOWN]
        for row in chosen:
            ids = self.corpus.document(int(self._numbers[row]))[:SHOWN_CHARACTERS]
            text = " ".join(self.corpus.tokenizer.decode(ids).split())
            lines.append(f"{text} -> {self._describe_prediction(int(row))}")
        return "\n".join(lines)

    def _describe_prediction(self, row: int) -> str:
        assert self.predictions is not None
        labels, target = self.corpus.labels, self.targets[row]
        if not labels:
            return f"{self.predictions[row, 0]:.4g} (true: {target:.4g})"
        predicted = int(self.predictions[row].argmax())
        return labels[predicted] + ("" if predicted == target else f" (true: {labels[target]})")

    # The plan

    def choose_batch(self, options: TrainingOptions) -> tuple[int, int]:
        """Return how many documents a step reads, and how many characters of each at most."""
        return choose_documents(options, self.training.lengths)

    def step_characters(self, batch_size: int, sequence_length: int) -> float:
        """See Task; documents may be shorter than a step can read."""
        read = self.training.characters(sequence_length)
        return read / self.steps_per_epoch(batch_size, sequence_length)

    def choose_model(
        self,
        options: TrainingOptions,
        sequence_length: int,
        characters: Callable[[ModelConfig], float],
    ) -> ModelConfig:
        """See `choose_classifier`."""
        read = self.training.characters(sequence_length)
        return choose_classifier(
            options,
            task=self.name,
            vocabulary_size=self.corpus.tokenizer.vocabulary_size,
            outputs=self.outputs,
            documents=len(self.training),
            epochs=lambda config: characters(config) / read,
        )

    def regularize(
        self, options: TrainingOptions, config: TrainingConfig, model: ModelConfig, epochs: float
    ) -> tuple[TrainingConfig, ModelConfig]:
        """Choose dropout, and the weights of classes."""
        config = dataclasses.replace(config, class_weights=options.class_weights)
        return config, choose_dropout(options, model, epochs)

    def notes(
        self, options: TrainingOptions, batch_size: int, sequence_length: int, *, fresh: bool
    ) -> list[str]:
        """See `describe_documents`."""
        return describe_documents(options, self.corpus, sequence_length)

    def copy_weights(self, base: Model, network: RecurrentNetwork) -> list[str]:
        """See `charrnn.tasks.classify.plan.copy_weights`."""
        return copy_weights(base, network, self.corpus)

    # What people are shown

    def describe_size(self) -> str:
        """See Task."""
        return counted(len(self.training), "document")

    def describe_corpus(self) -> str:
        """See Task."""
        labels = f"of {len(self.labels):,} classes" if self.labels else "with numbers"
        documents = f"{len(self.corpus.targets):,} documents {labels}"
        return f"{documents}, {len(self.corpus.ids):,} characters"

    def describe_batch(self, config: TrainingConfig) -> str:
        """See Task."""
        length = counted(config.sequence_length, "character")
        return f"{counted(config.batch_size, 'document')}, up to {length} of each"

    def headline(self, position: TrainingState, config: TrainingConfig) -> str:
        """Describe the step of the best model."""
        return f"best model: step {position.best_step:,}, which has the lowest validation loss"

    def next_commands(self) -> tuple[NextCommand, ...]:
        """See Task; with words of a held-out document, where there are some."""
        ids = self.corpus.document(int(self.validation.numbers[0]))
        words = example_passage(self.corpus.tokenizer, ids, EXAMPLE_LENGTH)
        what = "class of a text" if self.labels else "number of a text"
        evaluate = NextCommand("charrnn evaluate {run}", "measure it on the held-out texts")
        return (
            NextCommand(f"charrnn predict {{run}} '{words or 'TEXT'}'", f"predict the {what}"),
            *([evaluate] if is_found_again(self.corpus) else []),
            NextCommand("charrnn info {run}", "show what the model is"),
        )

    def summarize(self, run: Run) -> TrainingSummary:
        """Return measures of the best model on held-out documents, beside the simplest guess."""
        predictions, targets = predict_documents(
            run.best_model(),
            self.corpus,
            self.validation.numbers,
            at_most=LARGEST_AT_THE_END,
        )
        learned = self.corpus.targets[self.training.numbers]
        return TrainingSummary(
            rows=report_rows(predictions, targets, learned, self.labels),
            table=report_table(predictions, targets, self.labels),
        )


def document_loss(
    network: SequenceClassifier,
    batch: DocumentBatch,
    state: State | None,
    *,
    random: np.random.Generator,
    masks: torch.Generator,
) -> Learned:
    """Return nats per document, weighted by class, or the squared error; see Loss. No state is
    carried.

    The weight of a rare class may be thousands, so the unweighted loss shows whether the network
    has diverged.
    """
    losses = _losses(_read(network, batch, masks), batch)
    if batch.weights is None:
        return Learned(losses.mean(), ())
    weights = torch.from_numpy(batch.weights).to(losses)
    return Learned(losses.mean(), (), unweighted=(losses.detach() / weights).mean())


def _read(
    network: SequenceClassifier, batch: DocumentBatch, masks: torch.Generator | None = None
) -> Tensor:
    device = network.head.bias.device
    ids, lengths = (torch.from_numpy(each).to(device) for each in (batch.ids, batch.lengths))
    logits: Tensor = network(ids, lengths, generator=masks)
    return logits.float()


def _losses(logits: Tensor, batch: DocumentBatch) -> Tensor:
    """Return the loss of each document (B,)."""
    targets = torch.from_numpy(batch.targets).to(logits.device)
    if targets.is_floating_point():
        return (logits[:, 0] - targets.to(logits.dtype)).square()
    losses = cross_entropy(logits, targets, reduction="none")
    if batch.weights is not None:
        losses = losses * torch.from_numpy(batch.weights).to(losses)
    return losses


def balanced_weights(targets: Int64Array, classes: int) -> Float64Array:
    """Return the weight of a document of each class (C,), with which all classes weigh the same:
    the inverse of the class's frequency among targets (D,), 1 on average over them."""
    return len(targets) / (classes * np.bincount(targets, minlength=classes))


def _unit(targets: Float64Array) -> float:
    """Return the power of two nearest to the standard deviation. Multiplying and dividing by a
    power of two is exact, so that what is saved in one unit continues in another bit for bit."""
    deviation = float(targets.std())
    return 2.0 ** round(math.log2(deviation)) if deviation > 0 else 1.0
