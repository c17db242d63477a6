"""A list of models that work together: a directory with one file, models.json.

checkpoints/NAME/models.json    {"models": ["../NAME-1", "../NAME-2"], "training": {...}}
checkpoints/NAME-1/, ...        the models: runs, or model directories

The models lie beside the directory, nowhere else. What is under `training` belongs to those who
train them (`charrnn.training.several_models`). A list may come from anyone, and is read strictly.
"""

import os
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from charrnn.errors import CharRNNWarning, ModelError
from charrnn.storage.files import make_directory, write_file
from charrnn.storage.json_file import to_json
from charrnn.storage.manifest import read_json
from charrnn.storage.model_directory import CONFIG, Model, first_sound, read_model
from charrnn.storage.run import Run, is_run
from charrnn.tasks import find_task

MODELS: Final = "models.json"

MOST_MODELS: Final = 32
"""The most models of a list: all of them are in memory, and each takes its time."""

_BESIDE: Final = re.compile(r"\.\./([^/\\\0]+)")


def is_model_list(directory: Path) -> bool:
    """Return whether a folder looks like a list of models."""
    return os.path.isfile(directory / MODELS)  # unlike Path.is_file, never raises


def write_model_list(directory: Path, members: list[Path], training: Any) -> None:
    """Write a list of models, which lie beside it. Raises StorageError."""
    make_directory(directory)
    names = [f"../{member.name}" for member in members]
    write_file(directory / MODELS, to_json({"models": names, "training": training}))


def read_model_list(directory: Path) -> tuple[list[Path], Any]:
    """Return the paths of the models of a list, which may not be there yet, and the value of
    `training`, None where there is none. Raises ModelError."""
    path = directory / MODELS
    match read_json(path):
        case {"models": [*names], **others} if not others.keys() - {"training"}:
            pass
        case _:
            raise ModelError(f"{path}: expected the key models, a list")
    if not 1 <= len(names) <= MOST_MODELS:
        raise ModelError(f"{path}: it lists {len(names):,} models, not 1 to {MOST_MODELS}")
    # The parent of `.`, of `..` and of a link is elsewhere than the name says.
    named = directory.name not in ("", "..") and not directory.is_symlink()
    parent = directory.parent if named else directory.resolve().parent
    members: list[Path] = []
    for name in names:
        found = _BESIDE.fullmatch(name) if isinstance(name, str) else None
        if found is None or found[1] in (".", ".."):
            raise ModelError(
                f"{path}: {name!a:.100} is not ../NAME, the name of a directory beside this one"
            )
        member = parent / found[1]
        if member in members or member.resolve() == directory.resolve():
            raise ModelError(f"{path}: {name!a:.100} is listed twice, or is the list itself")
        if member.is_symlink():
            raise ModelError(f"{path}: {name!a:.100} is a link, which may lead elsewhere")
        members.append(member)
    return members, others.get("training")


def models_of(member: Path) -> list[Path]:
    """Return the model directories of a member of a list: a run's best, then those to fall back on;
    none where there is no model yet. Warns where a run's best is not the one that it names."""
    if is_run(member):
        models, why = Run(member).ranked()
        if why:
            warnings.warn(why, CharRNNWarning, stacklevel=3)
        return models
    return [member] if os.path.isfile(member / CONFIG) else []


def trained_members(directory: Path) -> list[list[Path]]:
    """Return, for each member of a list that has a model, its model directories, as `models_of`.

    Warns where some have none yet. Raises ModelError where none has.
    """
    members = read_model_list(directory)[0]
    trained = [models for models in map(models_of, members) if models]
    advice = f"charrnn train --resume {Run(directory).argument}"
    if not trained:
        raise ModelError(f"{directory}: none of its {len(members)} models is there; {advice}")
    if len(trained) < len(members):
        warnings.warn(
            f"{directory}: only {len(trained)} of its {len(members)} models are there; to train "
            f"the others: {advice}",
            CharRNNWarning,
            stacklevel=3,
        )
    return trained


def read_model_or_list(directory: Path) -> Model:
    """Read a model directory; or a list of models, as a Model that has the `others`.

    Raises ModelError where a model is damaged, or they cannot work together: their tasks or their
    tokenizers differ.
    """
    if not is_model_list(directory):
        return read_model(directory)
    read = [first_sound(models, read_model) for models in trained_members(directory)]
    (first_path, first), *others = read
    if not find_task(first.config.task).several_models:
        raise ModelError(
            f"{directory}: models trained to {first.config.task} do not work together; name one of "
            f"them, such as {first_path}"
        )
    for path, model in others:
        if model.config.task != first.config.task:
            raise ModelError(f"{path}: it is not trained to {first.config.task}, as {first_path}")
        if model.tokenizer.to_json() != first.tokenizer.to_json():
            raise ModelError(f"{path}: its tokenizer is not that of {first_path}")
    return replace(first, others=tuple(model for _, model in others))
