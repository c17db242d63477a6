"""Finding a run or a model: by its name under `checkpoints/`, by its path, or as the newest."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from charrnn.ambient import as_usual
from charrnn.errors import CharRNNWarning, ModelError
from charrnn.storage.metrics_file import METRICS
from charrnn.storage.model_directory import CONFIG, Model, first_sound
from charrnn.storage.model_list import is_model_list, read_model_list, read_model_or_list
from charrnn.storage.pointers import BEST, CHECKPOINT_NAME, LAST, pointed
from charrnn.storage.pulled_models import HUB, find_pulled
from charrnn.storage.run import RUNS, Run, is_run

T = TypeVar("T")


def is_model(path: Path) -> bool:
    """Return whether a folder looks like a model directory."""
    return os.path.isfile(path / CONFIG)  # unlike Path.is_file, never raises


def run_names() -> list[str]:
    """Return the names of the runs under `checkpoints/`, newest first."""
    if not RUNS.is_dir():
        return []
    runs = [path for path in RUNS.iterdir() if is_run(path)]
    return [run.name for run in sorted(runs, key=_changed, reverse=True)]


def model_names() -> list[str]:
    """Return the names of the runs under `checkpoints/`, newest first, and then those of the lists
    of models."""
    if not RUNS.is_dir():
        return []
    return [*run_names(), *sorted(path.name for path in RUNS.iterdir() if is_model_list(path))]


def find_run(name: str) -> Run:
    """Return the run of that name, or at that path. Raises ModelError."""
    for path in (Path(name), RUNS / name):
        if is_run(path):
            return Run(path)
    _refuse_without_checkpoint(name)
    raise ModelError(f"{name}: no such run{_choices()}")


def find_models(name: str | None) -> list[Path]:
    """Return the model directories that a name or path means: a run's best, then those to fall back
    on.

    None means the newest run. Raises ModelError.
    """
    return _find_models(name)[0]


def _find_models(name: str | None) -> tuple[list[Path], str]:
    """Return the model directories for `find_models`; and a warning, empty unless the first of them
    is not the one that was named."""
    if name is None:
        names = run_names()
        if not names:
            raise ModelError(
                f"no model named, and no run in {RUNS}/; train one: charrnn train FILE"
            )
        return _find_models(str(RUNS / names[0]))
    if name.startswith(HUB):
        return [find_pulled(name)], ""
    for path in (Path(name), RUNS / name):
        if is_model(path) or is_model_list(path):
            return [path], ""
        if is_run(path):
            return Run(path).ranked()
        if path.name in (BEST, LAST) and is_run(path.parent):
            return _find_pointed(path)
    _refuse_without_checkpoint(name)
    raise ModelError(f"{name}: no such model or run{_choices()}")


def _find_pointed(pointer: Path) -> tuple[list[Path], str]:
    """Return the model that the path of a run's `best` or `last` means, where that path is not a
    folder itself; and a warning, as for `_find_models`."""
    run = Run(pointer.parent)
    target = pointed(pointer)
    if target is not None and target.is_dir():
        return [target], ""
    if pointer.name == LAST:
        newest = run.checkpoints()[-1]
        return [newest], f"{pointer}: it names no checkpoint; falling back on {newest}, the newest"
    models, why = run.ranked()
    return models[:1], why


def _refuse_without_checkpoint(name: str) -> None:
    """Raise ModelError where a run of that name was stopped before its first checkpoint."""
    for path in (Path(name), RUNS / name):
        if os.path.lexists(path / METRICS):
            raise ModelError(f"{path}: it has no checkpoint yet; begin again with charrnn train")


def read_found(
    name: str | None, read: Callable[[Path], T], *, lists: bool = False
) -> tuple[Path, T]:
    """Read the model that a name or path means; return its directory, and the result of `read`.

    Where a run's best model is damaged, its newest intact one is read instead, with a warning.
    Raises ModelError.

    Args:
        lists: whether `read` can read a list of models.
    """
    while True:
        paths, why = _find_models(name)
        if is_model_list(paths[0]) and not lists:
            first = read_model_list(paths[0])[0][0]
            raise ModelError(
                f"{paths[0]}: it lists models that work together; this is for one of them, such as "
                f"{Run(first).argument}"
            )
        try:
            found = first_sound(paths, read)
        except ModelError:
            if find_models(name) == paths:
                raise
            continue
        # A training may meanwhile have replaced its best model, and deleted the old one.
        if (why or found[0] != paths[0]) and find_models(name)[0] != paths[0]:
            continue
        if why:
            warnings.warn(why, CharRNNWarning, stacklevel=2)
        return found


@as_usual
def load(model: str | Path | Model | None = None) -> Model:
    """Read a model: the best model of a run; None: that of the newest run under `checkpoints/`.

    Where a run's best model is damaged, its newest intact checkpoint is read, with a warning. A
    list of models is read as a Model that has the `others`. A Model is returned unchanged. Raises
    ModelError.

    Args:
        model: the name of a run, a run directory or a model directory.
    """
    return load_with_directory(model)[1]


def load_with_directory(
    model: str | Path | Model | None = None, *, lists: bool = True
) -> tuple[Path | None, Model]:
    """Read a model as `load` does; return its directory as well, which is None for a Model.

    Args:
        lists: whether a list of models may be read.
    """
    if isinstance(model, Model):
        return None, model
    return read_found(None if model is None else str(model), read_model_or_list, lists=lists)


def name_of(directory: Path) -> str:
    """Return the name of a model that was found: that of its run, or of its own folder."""
    directory = directory.resolve()
    of_run = directory.name in (BEST, LAST) or CHECKPOINT_NAME.fullmatch(directory.name)
    return directory.parent.name if of_run else directory.name


def _choices() -> str:
    """Return the end of an error message, which names the existing runs."""
    names = model_names()
    return f"; {RUNS}/ has {', '.join(names[:10])}" if names else f"; {RUNS}/ has none yet"


def _changed(run: Path) -> float:
    """Return when a run saved its newest checkpoint, in seconds since 1970."""
    last = run / LAST
    return os.lstat(last if os.path.lexists(last) else run).st_mtime
