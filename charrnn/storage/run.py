"""A run: the directory of one training.

checkpoints/NAME/
    step-00001000/   a checkpoint: a model directory, and what resuming needs
    best, last       links to two of those (or one); see pointers.py
    metrics.jsonl    one line for each measurement; see metrics_file.py
    corpus/          the ids of its text, if they are larger than memory; see token_cache.py
    tensorboard/     event files for TensorBoard, if they were asked for
"""

import contextlib
import os
import shlex
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from charrnn.data.tokenizer import Ids
from charrnn.data.two_pass_reading import IdsKey, ReadingProgress, no_progress
from charrnn.errors import CharRNNWarning, ConfigError, ModelError, StorageError, TrainingError
from charrnn.storage.directory_lock import DirectoryLock
from charrnn.storage.file_systems import NO_LOCKS
from charrnn.storage.files import (
    REPLACED_PREFIX,
    TEMPORARY_PREFIX,
    make_directory,
    recover,
    remove_directory,
    resolve_replaced,
    set_aside,
    sync_file,
    write_directory,
)
from charrnn.storage.manifest import with_manifest
from charrnn.storage.metrics_file import (
    METRICS,
    REVISION,
    Measurement,
    append_measurement,
    keep_measurements,
    read_measurements,
)
from charrnn.storage.model_directory import Model, first_sound, read_model
from charrnn.storage.pointers import (
    BEST,
    CHECKPOINT_NAME,
    LAST,
    is_pointer,
    point_at,
    pointed,
    ranked,
    step_of,
)
from charrnn.storage.token_cache import IDS_FOLDER, find_ids, is_ids_folder, keep_ids, remove_ids

RUNS: Final = Path("checkpoints")
"""The folder in the working directory where runs are made and found by name."""

_ASIDE_PREFIX: Final = "unreadable-"
"""The prefix of the name of a checkpoint that could not be read."""


TENSORBOARD: Final = "tensorboard"
"""The folder of a run for the event files of TensorBoard, where they were asked for."""


class Observer(Protocol):
    """What is called with each measurement of a run, once it is in the file."""

    def __call__(self, measurement: Measurement, /) -> None:
        """Take a measurement."""

    def close(self) -> None:
        """Finish, as no measurement follows."""


class Run:
    """The directory of a run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock: DirectoryLock | None = None
        self._observers: list[Observer] = []
        self._left: set[Path] = set()  # folders that could not be deleted

    @classmethod
    def create(cls, directory: Path) -> "Run":
        """Make a run directory and claim it. Raises ConfigError when something is already there,
        TrainingError when another training has just claimed it."""
        check_unused(directory)
        make_directory(directory)
        run = cls(directory)
        run.claim()
        try:
            check_unused(directory)  # another run may have come and gone in between
            run.rewind(-1)
            remove_ids(run.ids_folder)
        except BaseException:
            run.release()
            raise
        return run

    def claim(self) -> None:
        """Lock the run against other trainings, until `release` or the end of the process.

        Raises TrainingError when another training has claimed it.
        """
        if self._lock is not None:
            return
        try:
            self._lock = DirectoryLock(self.directory)
        except BlockingIOError as error:
            raise TrainingError(
                f"{self.directory}: another charrnn is training this run; "
                "wait for it, stop it, or train another"
            ) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise StorageError(f"{self.directory}: {error.strerror}") from error
            _warn(
                f"{self.directory}: this file system has no locks; "
                "make sure that only one training writes there"
            )

    def release(self) -> None:
        """Unlock the run for other trainings, and close the observers."""
        while self._observers:
            self._observers.pop().close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def is_ours(self) -> bool:
        """Return whether this process may write there: a fork of the training process may not."""
        return self._lock is None or self._lock.is_of_this_process

    def discard(self) -> None:
        """Delete the run's folder if this process has claimed it and nothing was saved in it."""
        if self._lock is None or not self.is_ours:
            return
        with contextlib.suppress(OSError, ModelError, StorageError):
            if next(self.measurements(), None) is None:
                self.metrics_path.unlink(missing_ok=True)
            if [path.name for path in self.directory.iterdir()] == [IDS_FOLDER]:
                remove_ids(self.ids_folder)
            self.directory.rmdir()

    def remove_unfinished(self) -> None:
        """Delete unfinished files of a killed training, and the run where nothing was saved in it.
        Do nothing while a training has claimed the run, or where the file system has no locks,
        since a training on another machine may be writing there."""
        with contextlib.suppress(OSError, StorageError):
            self._lock = DirectoryLock(self.directory)
            self.tidy()
            self.discard()
        self.release()

    def _check_claim(self) -> None:
        """Raise StorageError when the folder was deleted and made again, perhaps by another run,
        and in a fork of the training process."""
        lock = self._lock
        if not self.is_ours:
            raise StorageError(
                f"{self.directory}: this process is a fork of the training process; "
                "only that process may write there"
            )
        if lock is not None and self.directory.exists() and not lock.holds(self.directory):
            raise StorageError(
                f"{self.directory}: it was deleted and made again; stop one of the two"
            )

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.directory.name

    @property
    def argument(self) -> str:
        """The run as an argument on the command line: its name, or its path, quoted."""
        named = self.directory.parent == RUNS
        return shlex.quote(self.name if named else str(self.directory))

    @property
    def best(self) -> Path:
        """The model with the lowest validation loss."""
        return self.directory / BEST

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.directory / LAST

    @property
    def metrics_path(self) -> Path:
        """The file of the measurements."""
        return self.directory / METRICS

    @property
    def ids_folder(self) -> Path:
        """The folder of the token cache, if the text is larger than memory."""
        return self.directory / IDS_FOLDER

    def find_ids(self, key: IdsKey, *, progress: ReadingProgress = no_progress) -> Ids | None:
        """Return the ids of its text, mapped; None where there are none, or no intact ones: see
        `token_cache.find_ids`."""
        return find_ids(self.ids_folder, key, progress=progress)

    def keep_ids(self, key: IdsKey, ids: Iterable[Ids]) -> Ids:
        """Write the ids of its text, and return them mapped; see `token_cache.keep_ids`.

        Raises StorageError, and the errors of reading the ids.
        """
        return keep_ids(self.ids_folder, key, ids)

    def checkpoint(self, step: int) -> Path:
        """Return the path of the checkpoint of a step, whether it exists or not."""
        return self.directory / f"step-{step:08d}"

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, oldest first."""
        if not self.directory.is_dir():
            return []
        names = (path.name.removeprefix(REPLACED_PREFIX) for path in self.directory.iterdir())
        steps = {int(match[1]) for match in map(CHECKPOINT_NAME.fullmatch, names) if match}
        paths = [resolve_replaced(self.checkpoint(step)) for step in sorted(steps)]
        return [path for path in paths if path.is_dir() and not path.is_symlink()]

    def models(self) -> list[Path]:
        """Return the models: the best one, then the others to fall back on, newest first."""
        return self.ranked()[0]

    def best_model(self) -> Model:
        """Read the model with the lowest validation loss; where it is damaged, the best of those
        that can be read. Raises ModelError."""
        return first_sound(self.models(), read_model)[1]

    def ranked(self) -> tuple[list[Path], str]:
        """Return the models; and a sentence on which is taken for the best where `best` names
        none."""
        return ranked(self.directory, self.checkpoints())

    def save(self, step: int, files: Mapping[str, bytes], *, best: bool, keep: int) -> Path:
        """Write a checkpoint, and delete all except the newest `keep` and the best.

        When this returns, the checkpoint is on the disk, and so are the measurements before it.
        Raises StorageError, which leaves the earlier checkpoints as they were.
        """
        path = self.checkpoint(step)
        self._check_claim()
        if self.metrics_path.exists():
            sync_file(self.metrics_path)
        write_directory(path, with_manifest(files))
        point_at(self.last, path)
        if best:
            self.mark_best(step)
        self.prune(keep, path)
        return path

    def prune(self, keep: int, *others: Path) -> None:
        """Delete all checkpoints except the newest `keep`, the best, and `others`; and those that
        were set aside and have been made again. Warn about those that cannot be deleted."""
        found = self.checkpoints()
        kept = {*others, *self.models()[:1], *found[-keep:]}
        aside = [
            path
            for path in self.directory.glob(f"{_ASIDE_PREFIX}*")
            if CHECKPOINT_NAME.fullmatch(path.name.removeprefix(_ASIDE_PREFIX))
            and found
            and step_of(path) <= step_of(found[-1])
        ]
        for old in [*found, *aside]:
            if old not in kept:
                self._remove(old)

    def _remove(self, old: Path) -> None:
        """Delete a folder; warn once where that is not possible."""
        try:
            remove_directory(old)
        except StorageError as error:
            if old not in self._left:
                self._left.add(old)
                _warn(f"{old}: it cannot be deleted ({error.__cause__}); it is left there")

    def mark_best(self, step: int) -> None:
        """Point `best` at the checkpoint of a step. Raises StorageError."""
        point_at(self.best, self.checkpoint(step))

    def log(self, measurement: Measurement, *, durable: bool = False) -> None:
        """Add a line to metrics.jsonl; a durable one is on the disk when it returns.

        Raises StorageError, and the errors of those who `observe`.
        """
        self._check_claim()
        append_measurement(self.metrics_path, measurement)
        if durable:
            sync_file(self.metrics_path)
        for observer in self._observers:
            observer(measurement)

    def observe(self, observer: Observer) -> None:
        """Pass each measurement that is logged to an observer, until the run is released, which
        closes the observer."""
        self._observers.append(observer)

    def metrics(self) -> list[dict[str, Any]]:
        """Return all `measurements` at once, which takes gigabytes for a run of weeks."""
        return list(self.measurements())

    def measurements(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of metrics.jsonl as they are read; see `read_measurements`.

        Raises ModelError where it is not a file.
        """
        return read_measurements(self.metrics_path)

    def tidy(self) -> None:
        """Delete the unfinished files that a crash left, and restore folders that it left half
        replaced.

        Raises StorageError.
        """
        recover(self.directory)

    def rewind(self, step: int, *, evaluated: int | None = None) -> None:
        """Remove the measurements after a step, and the unfinished files that a crash left. Later
        checkpoints are renamed, and deleted when they have been made again. Later revisions of the
        plan are kept, for the training to make them again.

        `evaluated` is the last step whose evaluation is kept, if not this one. Raises StorageError.
        """
        self.tidy()
        path = self.checkpoint(step)
        evaluated = step if evaluated is None else evaluated
        keep_measurements(
            self.metrics_path,
            lambda line: (
                line["step"] <= (evaluated if "validation_nats" in line else step)
                or (REVISION in line and step >= 0)
            ),
        )
        if step >= 0 and (pointed(self.last) != path or not self.last.is_symlink()):
            point_at(self.last, path)
        for other in self.checkpoints():
            if step_of(other) > step:
                # It could not be read, perhaps because of a temporary fault.
                set_aside(other, other.with_name(f"{_ASIDE_PREFIX}{other.name}"))


def _warn(message: str) -> None:
    warnings.warn(message, CharRNNWarning, stacklevel=3)


def check_unused(directory: Path) -> None:
    """Raise ConfigError when a folder has anything in it that a new run would overwrite.

    The files of a run that was stopped before its first checkpoint do not count.
    """
    if is_run(directory):
        raise ConfigError(
            f"{directory} already has a run; continue it with --resume {Run(directory).argument}, "
            "or choose another --name"
        )
    if directory.is_dir():
        others = [
            path.name
            for path in directory.iterdir()
            if path.name != METRICS
            and not (path.name in (BEST, LAST) and is_pointer(path))
            and not path.name.startswith(TEMPORARY_PREFIX)
            and not (path.name == IDS_FOLDER and is_ids_folder(path))
            and not (path.name == TENSORBOARD and path.is_dir() and not path.is_symlink())
        ]
        if others:
            raise ConfigError(f"{directory} is not empty; choose another folder")
    elif os.path.lexists(directory):
        raise ConfigError(f"{directory} is not a folder; choose another")


def is_run(path: Path) -> bool:
    """Return whether a folder is a run with a checkpoint."""
    try:
        run = Run(path)
        pointers = (pointed(run.best), pointed(run.last))
        return bool(run.checkpoints()) or any(each and each.is_dir() for each in pointers)
    except (OSError, ValueError):  # a folder without permission, an impossible name
        return False
