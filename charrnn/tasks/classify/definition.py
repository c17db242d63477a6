"""CLASSIFY and REGRESS: the definitions of predicting a class or a number for each document. No
torch."""

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from charrnn.errors import ConfigError, CorpusError
from charrnn.model.config import POOLINGS, ModelConfig
from charrnn.tasks.classify import MOST_CLASSES
from charrnn.training.loss import Loss
from charrnn.training.report import LossUnit, bits_per
from charrnn.training.task import TaskDefinition

if TYPE_CHECKING:
    from charrnn.data.corpus import Corpus
    from charrnn.data.read_options import ReadOptions
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.data.two_pass_reading import ReadingProgress
    from charrnn.explanation.explanation import Explanation
    from charrnn.explanation.request import ExplainRequest
    from charrnn.storage.model_directory import Model, Provenance
    from charrnn.tasks.classify.card import DocumentCard
    from charrnn.tasks.classify.documents import LabelledCorpus
    from charrnn.tasks.classify.network import SequenceClassifier
    from charrnn.tasks.classify.task import DocumentTask
    from charrnn.training.config import TrainingConfig
    from charrnn.training.options import TrainingOptions
    from charrnn.training.report import Evaluate, EvaluationRequest, Rows


LABELS_SHOWN: Final = 12
"""The most classes whose names `charrnn info` shows."""


class DocumentDefinition(TaskDefinition):
    """The common part of both tasks on labelled documents."""

    usage = ("predict {run} TEXT", "predict {run} FILE --lines")
    labelled = True
    held_out_items = "documents"
    fields = frozenset({"pooling", "outputs"})
    bidirectional = None
    fewest_outputs: int = 1
    most_outputs: int = 1

    def network(self) -> "Callable[..., SequenceClassifier]":
        """Return SequenceClassifier."""
        from charrnn.tasks.classify.network import SequenceClassifier

        return SequenceClassifier

    def loss(self) -> Loss:
        """See `document_loss`."""
        from charrnn.tasks.classify.task import document_loss

        return document_loss

    def check_model(self, config: ModelConfig) -> None:
        """See TaskDefinition."""
        super().check_model(config)
        if config.pooling not in POOLINGS:
            raise ConfigError(f"pooling {config.pooling!r}: choose from {', '.join(POOLINGS)}")
        least, most = self.fewest_outputs, self.most_outputs
        if type(config.outputs) is not int or not least <= config.outputs <= most:
            raise ConfigError(
                f"outputs {config.outputs!r}: a network to {self.name} has {least} to {most:,}"
            )

    def tensor_shapes(self, config: ModelConfig) -> dict[str, tuple[int, ...]]:
        """See TaskDefinition."""
        shapes, head = config.layer_shapes(), config.head_shapes()
        if config.pooling == "attention":
            shapes["pooling.weight"] = (1, head["head.weight"][1])
        return shapes | head

    def check_options(self, options: "TrainingOptions") -> None:
        """See TaskDefinition."""
        if options.lines:
            raise ConfigError("--lines: a row, or a file, is a document already; leave that out")
        if options.attention is not None:
            raise ConfigError(
                "--attention is for generating text; for labels, use --pooling attention"
            )

    def inherit(self, options: "TrainingOptions", base: "Model") -> "TrainingOptions":
        """See TaskDefinition. The base is a language model or a model of labelled documents."""
        from charrnn.tasks.classify.plan import inherit

        return inherit(options, base)

    def read_corpus(self, corpus: "Corpus", **how: Any) -> "LabelledCorpus":
        """Read the documents of a corpus; see `read_labelled`."""
        from charrnn.tasks.classify.documents import read_labelled

        if corpus.options.label is None:
            raise CorpusError(f"{corpus.name}: its documents have no labels")
        return read_labelled(corpus, numbers=not self.has_classes, **how)

    def make_task(
        self, corpus: Any, settings: "TrainingConfig | TrainingOptions", *, split_seed: int | None
    ) -> "DocumentTask":
        """See TaskDefinition."""
        from charrnn.tasks.classify.task import DocumentTask

        return DocumentTask(
            corpus,
            validation_fraction=self.held_out_share(settings),
            seed=settings.seed if split_seed is None else split_seed,
            class_weights=settings.class_weights,
        )

    def describe_corpus(self, provenance: "Provenance") -> str:
        """See TaskDefinition."""
        return "labelled documents" if self.has_classes else "documents with numbers"

    def model_rows(self, model: "Model") -> "Rows":
        """Return the classes and the pooling."""
        pooling = ("pooling", str(model.config.pooling))
        if not self.has_classes:
            return (pooling,)
        shown = ", ".join(label[:40] for label in model.labels[:LABELS_SHOWN])
        more = ", ..." if len(model.labels) > LABELS_SHOWN else ""
        return (("classes", f"{len(model.labels):,}: {shown}{more}"), pooling)

    def evaluation_read_options(
        self, file: str, read: "ReadOptions", trained_on: "ReadOptions | None"
    ) -> "ReadOptions":
        """Return the options with the columns of the training, unless they name others."""
        from charrnn.data.documents import FOLDER
        from charrnn.data.sources import find_corpus

        path = find_corpus(file)
        if path is not None and path.is_dir():
            read = dataclasses.replace(read, label=read.label or FOLDER)
        elif trained_on is not None:
            read = dataclasses.replace(
                read, column=read.column or trained_on.column, label=read.label or trained_on.label
            )
        if read.label is None:
            raise ConfigError(f"{file}: say which column holds the labels with --label NAME")
        return read

    def card(self) -> "DocumentCard":
        """See TaskDefinition."""
        from charrnn.tasks.classify.card import DocumentCard

        return DocumentCard(has_classes=self.has_classes)

    def prepare_evaluation(
        self, request: "EvaluationRequest", progress: "ReadingProgress"
    ) -> "Evaluate":
        """See `charrnn.tasks.classify.evaluation`."""
        from charrnn.tasks.classify.evaluation import prepare_evaluation

        return prepare_evaluation(request, progress)

    def explain(self, request: "ExplainRequest") -> "Explanation":
        """See `charrnn.tasks.classify.explanation`."""
        from charrnn.tasks.classify.explanation import explain

        return explain(request)


class ClassifyDefinition(DocumentDefinition):
    """The definition of classification."""

    name = "classify"
    has_classes = True
    shown_measure = "accuracy"
    fewest_outputs = 2
    most_outputs = MOST_CLASSES

    def loss_unit(self, tokenizer: "Tokenizer") -> LossUnit:
        """Return bits (of the cross-entropy) per document."""
        return bits_per("document")


class RegressDefinition(DocumentDefinition):
    """The definition of regression. The loss is a squared error, so that of an outlier is
    unbounded."""

    name = "regress"
    hopeless_loss = math.inf

    def check_options(self, options: "TrainingOptions") -> None:
        """See TaskDefinition."""
        super().check_options(options)
        if options.class_weights != "none":
            raise ConfigError("--class-weights: numbers have no classes; leave that out")

    def loss_unit(self, tokenizer: "Tokenizer") -> LossUnit:
        """Return the root of the mean squared error, in the unit of the numbers."""
        return LossUnit("root mean squared error", "error", lambda loss: f"{math.sqrt(loss):.4g}")

    def describe_loss(self, tokenizer: "Tokenizer", loss: float) -> str:
        """See TaskDefinition."""
        unit = self.loss_unit(tokenizer)
        return f"{unit.name} {unit.show(loss)}"


CLASSIFY: Final = ClassifyDefinition()
REGRESS: Final = RegressDefinition()
