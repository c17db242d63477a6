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
    """Reads what the evaluation of a model needs, whatever its task, and returns the evaluation.

    `progress` is called while texts are read, see ReadingProgress. The evaluation is a function of
    one argument, which is called with how many of how many characters it has evaluated (None: not
    at all), and it returns an EvaluationReport. Raises CorpusError, ConfigError, ModelError.
    """
    definition = task_definition(request.model.config.task)
    return definition.prepare_evaluation(request, progress)
