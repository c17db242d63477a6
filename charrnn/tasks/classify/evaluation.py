"""Evaluation of a saved model that classifies or regresses."""

import warnings
from typing import Any

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.data.corpus import open_corpus
from charrnn.data.two_pass_reading import ReadingProgress
from charrnn.errors import CharRNNWarning, CorpusError
from charrnn.evaluation.metrics import confusion_matrix
from charrnn.tasks.classify.documents import LabelledCorpus, read_labelled
from charrnn.tasks.classify.report import measures, predict_documents, report_rows, report_table
from charrnn.training.report import Evaluate, EvaluationReport, EvaluationRequest
from charrnn.training.saved_model_evaluation import read_training_corpus
from charrnn.training.task import task_definition


def prepare_evaluation(request: EvaluationRequest, progress: ReadingProgress) -> Evaluate:
    """Read the documents to evaluate on: the held-out part of the model's corpus, or the labelled
    documents of a file.

    Raises CorpusError, ConfigError.
    """
    model = request.model
    if request.file is None:
        corpus, learned, numbers = _training_documents(request, progress)
        learned_targets = corpus.targets[learned]
    else:
        corpus = read_labelled(
            open_corpus([request.file], request.read),
            numbers=not model.labels,
            tokenizer=model.tokenizer,
            unknown="skip",
            classes=model.labels,
            progress=progress,
        )
        numbers = np.arange(len(corpus.targets))
        learned_targets = _learned_targets(request, progress)
    return lambda _progress: _evaluate(request, corpus, numbers, learned_targets)


def _evaluate(
    request: EvaluationRequest, corpus: LabelledCorpus, numbers: Int64Array, learned: Any
) -> EvaluationReport:
    labels = request.model.labels
    predictions, targets = predict_documents(request.model, corpus, numbers)
    record: dict[str, Any] = {"texts": len(targets)}
    record |= measures(predictions, targets, learned, classes=len(labels))
    if labels:
        predicted = predictions.argmax(axis=1)
        record["labels"] = list(labels)
        record["confusion"] = confusion_matrix(targets, predicted, len(labels)).tolist()
    held_out = request.file is None
    return EvaluationReport(
        record=record,
        rows=report_rows(predictions, targets, learned, labels, held_out=held_out),
        table=report_table(predictions, targets, labels),
    )


def _training_documents(
    request: EvaluationRequest, progress: ReadingProgress
) -> tuple[LabelledCorpus, Int64Array, Int64Array]:
    """Return the documents of a training, and the numbers of those learned from and of those held
    out. Raises CorpusError."""
    corpus = read_training_corpus(request, progress)
    assert isinstance(corpus, LabelledCorpus)
    provenance = request.model.provenance
    seed = task_definition(request.model.config.task).held_out_seed(provenance)
    assert seed is not None, "documents are always drawn"
    return corpus, *corpus.split_documents(provenance.validation_fraction, seed=seed)


def _learned_targets(request: EvaluationRequest, progress: ReadingProgress) -> Any:
    """Return the targets that a model learned from, for the baselines; None, with a warning, where
    they cannot be read."""
    try:
        corpus, learned, _ = _training_documents(request, progress)
    except CorpusError as error:
        if request.directory is not None:
            message = f"no baselines, which need the documents that the model learned from: {error}"
            warnings.warn(message, CharRNNWarning, stacklevel=2)
        return None
    return corpus.targets[learned]
