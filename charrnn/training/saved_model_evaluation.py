"""Evaluation of a saved model of any task."""

from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from charrnn.data.corpus import TokenizedCorpus
from charrnn.data.read_options import ReadOptions
from charrnn.data.two_pass_reading import KeepIds, ReadingProgress, no_progress
from charrnn.errors import ConfigError, CorpusError
from charrnn.storage.model_directory import Model, find_manifest, first_sound, read_model
from charrnn.storage.model_list import is_model_list, read_model_or_list, trained_members
from charrnn.storage.run import Run
from charrnn.storage.run_lookup import read_found
from charrnn.training.checkpoint import TRAINING, Checkpoint, read_checkpoint
from charrnn.training.report import Evaluate, EvaluationRequest
from charrnn.training.task import task_definition


def read_evaluated(directory: Path) -> tuple[Model, Checkpoint | None]:
    """Read a model, and its checkpoint where the directory is one. Raises ModelError.

    A model without a training may have a manifest, as a pulled one has. Of a list of models, the
    checkpoint is that of the first.
    """
    if is_model_list(directory):
        model = read_model_or_list(directory)
        checkpoint = first_sound(trained_members(directory)[0], read_evaluated)[1][1]
        return model, checkpoint
    manifest = find_manifest(directory)
    if manifest is None or TRAINING not in manifest.files:
        return read_model(directory, manifest), None
    checkpoint = read_checkpoint(directory)
    return checkpoint.model, checkpoint


def checked_request(request: EvaluationRequest) -> EvaluationRequest:
    """Return the request with a table's columns, where its `read` leaves them open, as in the
    training.

    Raises ConfigError for settings that do not apply to models of its task.
    """
    definition = task_definition(request.model.config.task)
    defaults = {each.name: each.default for each in fields(EvaluationRequest)}
    for name in ("protocol", "adapt", "memory", "engine"):
        is_set = getattr(request, name) != defaults[name]
        if is_set and name not in definition.evaluation_options:
            raise ConfigError(
                f"{name} does not apply to a model trained to {definition.name}; leave it out"
            )
    if request.file is None:
        return request
    trained_on = None if request.checkpoint is None else request.checkpoint.options
    read = definition.evaluation_read_options(request.file, request.read, trained_on)
    return replace(request, read=read)


def read_training_corpus(
    request: EvaluationRequest, progress: ReadingProgress, keep: KeepIds | None = None
) -> TokenizedCorpus:
    """Read the corpus that a model was trained on; for `keep`, see `tokenize`. Raises
    CorpusError."""
    if request.directory is None or request.checkpoint is None:
        where = request.directory or "a model in memory"
        raise CorpusError(f"{where}: it does not say where its text is; name a FILE to read")
    find = partial(Run(request.directory.parent).find_ids, progress=progress)
    return request.checkpoint.read_corpus(find=find, keep=keep, progress=progress)


def prepare_evaluation(
    request: EvaluationRequest, progress: ReadingProgress = no_progress
) -> Evaluate:
    """Read what the evaluation of a model of any task needs, and return the evaluation.

    `progress` is called while texts are read, see ReadingProgress. The evaluation is a function of
    one argument, see Evaluate, which may be None; it returns an EvaluationReport. Raises
    CorpusError, ConfigError, ModelError.
    """
    definition = task_definition(request.model.config.task)
    return definition.prepare_evaluation(request, progress)


def evaluate_model(
    model: str | Path | Model, file: str | None, *, read: ReadOptions, **settings: Any
) -> dict[str, Any]:
    """Evaluate a model by its name or directory, or one in memory; see `charrnn.evaluate`."""
    directory: Path | None = None
    checkpoint: Checkpoint | None = None
    if isinstance(model, Model):
        evaluated = model
    else:
        directory, (evaluated, checkpoint) = read_found(str(model), read_evaluated, lists=True)
    request = EvaluationRequest(
        model=evaluated,
        read=read,
        directory=directory,
        checkpoint=checkpoint,
        file=file,
        **settings,
    )
    return prepare_evaluation(checked_request(request))(None).to_json()
