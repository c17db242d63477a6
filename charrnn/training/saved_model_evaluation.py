"""Evaluation of a saved model of any task."""

from pathlib import Path

from charrnn.data.read_options import ReadOptions
from charrnn.data.two_pass_reading import ReadingProgress, no_progress
from charrnn.errors import ConfigError
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


def evaluation_request(
    model: Model,
    *,
    read: ReadOptions,
    directory: Path | None = None,
    checkpoint: Checkpoint | None = None,
    file: str | None = None,
    protocol: str = "stream",
    adapt: bool = False,
    at_most: int | None = None,
) -> EvaluationRequest:
    """What is to be evaluated, as EvaluationRequest has it; of a table, columns that `read` leaves
    open are those of the training.

    Raises ConfigError for settings that mean nothing for models of its task.
    """
    definition = task_definition(model.config.task)
    for name, changed in (("protocol", protocol != "stream"), ("adapt", adapt)):
        if changed and name not in definition.evaluation_options:
            raise ConfigError(
                f"{name} does not apply to a model trained to {definition.name}; leave it out"
            )
    if file is not None:
        trained_on = None if checkpoint is None else checkpoint.options
        read = definition.evaluation_read_options(file, read, trained_on)
    return EvaluationRequest(
        model=model,
        directory=directory,
        checkpoint=checkpoint,
        file=file,
        read=read,
        protocol=protocol,
        adapt=adapt,
        at_most=at_most,
    )


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
