"""The pointers `best` and `last` of a run, each of which names one of its checkpoints.

A pointer is a symbolic link to a checkpoint beside it. Where the file system has no links, or a
copy has turned the link into a file (as git does on Windows), it is a small file that holds the
checkpoint's name. Where a copy has followed the link, it is a model directory.

A copy may also lose the pointers. The run's measurements then show which model is the best.
"""

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from charrnn.errors import ModelError
from charrnn.storage.files import point, remove_directory, resolve_replaced
from charrnn.storage.json_file import is_finite_number, parse_json
from charrnn.storage.manifest import read_json
from charrnn.storage.metrics_file import LONGEST_MEASUREMENT, METRICS
from charrnn.storage.model_directory import CONFIG, read_config
from charrnn.storage.untrusted_files import read_file, read_lines

BEST: Final = "best"
LAST: Final = "last"
"""The names of the pointers."""

CHECKPOINT_NAME: Final = re.compile(r"step-(\d{8,15})")

LARGEST_TRAINING: Final = 16 << 20
"""The most bytes of a checkpoint's training.json, which names all files of the training text."""

_LARGEST_POINTER: Final = 256
"""The most bytes of a pointer that is a file; the name of a checkpoint has 20."""

_TRAINING: Final = "training.json"


def step_of(checkpoint: Path) -> int:
    """Return the step in a checkpoint's name."""
    return int(checkpoint.name.rpartition("-")[2])


def is_pointer(path: Path) -> bool:
    """Return whether a path is a link, or a small file that holds the name of a checkpoint."""
    return path.is_symlink() or _named(path) is not None


def pointed(pointer: Path) -> Path | None:
    """Return the checkpoint that a pointer names, which may be gone; the pointer itself where it is
    a model directory; None where it names no checkpoint of the run."""
    if not pointer.is_symlink() and pointer.is_dir():
        return pointer if os.path.isfile(pointer / CONFIG) else None
    target = _named(pointer)
    if target is None or target.is_symlink():
        return None
    return resolve_replaced(target)


def point_at(pointer: Path, checkpoint: Path) -> None:
    """Make a pointer name a checkpoint beside it. Raises StorageError."""
    if pointer.is_dir() and not pointer.is_symlink():
        remove_directory(pointer)
    point(pointer, checkpoint.name)


def ranked(directory: Path, checkpoints: Sequence[Path]) -> tuple[list[Path], str]:
    """Return the models of a run: its best one, then the others to fall back on, newest first. Also
    return a sentence on which model is taken for the best, where `best` names none and there was a
    choice.

    Args:
        directory: the folder of the run.
        checkpoints: its checkpoints, oldest first.
    """
    best, why = pointed(directory / BEST), ""
    if best is None or not best.is_dir():
        best, why = _without_pointer(directory, checkpoints, best)
    found = [best, pointed(directory / LAST), *reversed(checkpoints)]
    return list(dict.fromkeys(path for path in found if path is not None and path.is_dir())), why


def _without_pointer(
    directory: Path, checkpoints: Sequence[Path], gone: Path | None
) -> tuple[Path | None, str]:
    """Return the best model where `best` names none, or one that is gone; and a sentence on it."""
    best, best_step = _best_known(directory, checkpoints)
    if gone is None and best_step is not None and best_step not in map(step_of, checkpoints):
        gone = directory / f"step-{best_step:08d}"
    if not checkpoints or (gone is None and len(checkpoints) == 1):
        return best, ""  # there is nothing to choose from
    lost = f"{directory / BEST}: it names no checkpoint" if gone is None else f"{gone}: it is gone"
    if best is not None:
        return best, f"{lost}; falling back on {best}, the best of those that were evaluated"
    return None, f"{lost}; falling back on {checkpoints[-1]}, the newest"


def _best_known(directory: Path, checkpoints: Sequence[Path]) -> tuple[Path | None, int | None]:
    """Return the best of a run's checkpoints by its evaluations, None where there is none; and the
    step of its best evaluation, which may have no checkpoint.

    Damaged files are ignored.
    """
    evaluations = _evaluations(directory / METRICS)
    for checkpoint in checkpoints:
        if step_of(checkpoint) not in evaluations:
            evaluations |= _own_evaluation(checkpoint)
    if checkpoints:
        evaluations = _best_evaluation(checkpoints[-1]) | evaluations
    there = {step_of(checkpoint): checkpoint for checkpoint in checkpoints}
    # Among equals, the first is the best, as in a training.
    order = sorted(evaluations, key=lambda step: (evaluations[step], step))
    best = next((there[step] for step in order if step in there), None)
    return best, order[0] if order else None


def _named(pointer: Path) -> Path | None:
    """Return the checkpoint beside the pointer that a link or a small file names; None where it
    names none."""
    try:
        if pointer.is_symlink():
            name = os.readlink(pointer)
        else:
            name = read_file(pointer, _LARGEST_POINTER).decode().strip()
    except (OSError, ModelError, UnicodeDecodeError):
        return None
    target = pointer.parent / name
    inside = target.parent == pointer.parent and CHECKPOINT_NAME.fullmatch(target.name)
    return target if inside else None


def _evaluations(metrics: Path) -> dict[int, float]:
    """Return the validation loss at each step, from metrics.jsonl."""
    evaluations: dict[int, float] = {}
    with contextlib.suppress(ModelError):
        for content in read_lines(metrics, LONGEST_MEASUREMENT):
            if b'"validation_nats"' not in content:
                continue
            with contextlib.suppress(ModelError):
                line = parse_json(metrics, content)
                if isinstance(line, dict):
                    evaluations |= _evaluation(line.get("step"), line.get("validation_nats"))
    return evaluations


def _own_evaluation(checkpoint: Path) -> dict[int, float]:
    """Return the validation loss of a checkpoint, from its config.json."""
    try:
        _, provenance = read_config(checkpoint)
    except ModelError:
        return {}
    return _evaluation(step_of(checkpoint), provenance.validation_nats)


def _best_evaluation(checkpoint: Path) -> dict[int, float]:
    """Return the best validation loss up to a checkpoint, from its training.json."""
    try:
        match read_json(checkpoint / _TRAINING, largest=LARGEST_TRAINING):
            case {"position": {"best_step": step, "best_nats": nats}}:
                return _evaluation(step, nats)
    except ModelError:
        pass
    return {}


def _evaluation(step: object, nats: object) -> dict[int, float]:
    """Return an evaluation as {step: nats}; empty where the values are not valid."""
    if isinstance(step, int) and is_finite_number(nats):
        return {step: float(nats)}
    return {}
