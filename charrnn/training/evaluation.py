"""Evaluation of a saved model of any task."""

from pathlib import Path

from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.storage.model_directory import Model, find_manifest, read_model
from charrnn.training.checkpoint import Checkpoint, read_checkpoint
from charrnn.training.report import Evaluate, EvaluationRequest
from charrnn.training.task import task_definition


def read_evaluated(directory: Path) -> tuple[Model, Checkpoint | None]:
    """A model, and the rest of its checkpoint where it is one. Raises ModelError."""
    if find_manifest(directory) is None:
        return read_model(directory), None
    checkpoint = read_checkpoint(directory)
    return checkpoint.model, checkpoint


def prepare_evaluation(
    request: EvaluationRequest, progress: ReadingProgress = no_progress
) -> Evaluate:
    """Reads what the evaluation of a model needs, whatever its task; gives the evaluation, which
    is called with what is told of its progress (or None) and gives an EvaluationReport.

    `progress` is told how far the reading has come. Raises CorpusError, ConfigError, ModelError.
    """
    definition = task_definition(request.model.config.task)
    return definition.prepare_evaluation(request, progress)
