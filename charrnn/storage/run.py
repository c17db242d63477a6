"""A run: what one training leaves behind.

    checkpoints/NAME/
        step-00001000/   a model directory, plus what is needed to go on from there
        best, last       links to two of those (or one); see pointers.py
        metrics.jsonl    one line for each measurement
        corpus/          the ids of its text, where that is larger than memory (see ids_folder.py)

and how to find it again by name.
"""

import contextlib
import os
import shlex
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

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
"""The folder, in the working directory, where runs live and are looked for by name."""

_ASIDE_PREFIX: Final = "unreadable-"
"""What the name of a checkpoint begins with that could not be read."""


class Run:
    """One run directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock: DirectoryLock | None = None
        self._left: set[Path] = set()  # what could not be deleted

    @classmethod
    def create(cls, directory: Path) -> "Run":
        """Makes a run directory, and claims it. Raises ConfigError when something is already there,
        TrainingError when a training has just begun there."""
        check_unused(directory)
        make_directory(directory)
        run = cls(directory)
        run.claim()
        try:
            check_unused(directory)  # for another may have come and gone in between
            run.rewind(-1)
            remove_ids(run.ids_folder)
        except BaseException:
            run.release()
            raise
        return run

    def claim(self) -> None:
        """Keeps other trainings away from the run, until `release` or the end of the process.

        Raises TrainingError when another has it.
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
        """Lets another training have it."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def is_ours(self) -> bool:
        """Whether this process may write there: not where it is a fork of the one that trains
        it."""
        return self._lock is None or self._lock.is_of_this_process

    def discard(self) -> None:
        """Deletes the folder of a run in which nothing has happened yet, if it is ours."""
        if self._lock is None or not self.is_ours:
            return
        with contextlib.suppress(OSError, ModelError, StorageError):
            if next(self.measurements(), None) is None:
                self.metrics_path.unlink(missing_ok=True)
            if [path.name for path in self.directory.iterdir()] == [IDS_FOLDER]:
                remove_ids(self.ids_folder)
            self.directory.rmdir()

    def remove_unfinished(self) -> None:
        """Deletes what a killed training left unfinished, and the run where nothing had happened
        in it. Does nothing while a training has claimed the run, nor where the file system has no
        locks, as another machine's training may be writing there."""
        with contextlib.suppress(OSError, StorageError):
            self._lock = DirectoryLock(self.directory)
            self.tidy()
            self.discard()
        self.release()

    def _check_claim(self) -> None:
        """Raises StorageError when the folder was deleted and made anew, perhaps by another run;
        and in a fork of the process that trains it."""
        lock = self._lock
        if not self.is_ours:
            raise StorageError(
                f"{self.directory}: this process is a fork of the one that trains it, which alone "
                "may write there"
            )
        if lock is not None and self.directory.exists() and not lock.holds(self.directory):
            raise StorageError(
                f"{self.directory}: it was deleted, and is another folder now; stop one of the two"
            )

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.directory.name

    @property
    def argument(self) -> str:
        """What to call it on the command line, from here."""
        named = self.directory.parent == RUNS
        return shlex.quote(self.name if named else str(self.directory))

    @property
    def best(self) -> Path:
        """The model that did best on the validation text."""
        return self.directory / BEST

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.directory / LAST

    @property
    def metrics_path(self) -> Path:
        """Where the measurements are."""
        return self.directory / METRICS

    @property
    def ids_folder(self) -> Path:
        """Where the ids of its text are, if that is larger than memory."""
        return self.directory / IDS_FOLDER

    def find_ids(self, key: IdsKey, *, progress: ReadingProgress = no_progress) -> Ids | None:
        """The ids of its text, mapped; None where there are none, or no sound ones: see
        `token_cache.find_ids`."""
        return find_ids(self.ids_folder, key, progress=progress)

    def keep_ids(self, key: IdsKey, ids: Iterable[Ids]) -> Ids:
        """Writes the ids of its text, and gives them mapped; see `token_cache.keep_ids`.

        Raises StorageError, and what reading the ids raises.
        """
        return keep_ids(self.ids_folder, key, ids)

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint of a step is, or would be."""
        return self.directory / f"step-{step:08d}"

    def checkpoints(self) -> list[Path]:
        """Its checkpoints, oldest first."""
        if not self.directory.is_dir():
            return []
        names = (path.name.removeprefix(REPLACED_PREFIX) for path in self.directory.iterdir())
        steps = {int(match[1]) for match in map(CHECKPOINT_NAME.fullmatch, names) if match}
        paths = [resolve_replaced(self.checkpoint(step)) for step in sorted(steps)]
        return [path for path in paths if path.is_dir() and not path.is_symlink()]

    def models(self) -> list[Path]:
        """Its models: the best, then what to fall back on, newest first."""
        return self.ranked()[0]

    def best_model(self) -> Model:
        """Reads the model that did best on the validation text; of those that can be read, where
        that one is damaged. Raises ModelError."""
        return first_sound(self.models(), read_model)[1]

    def ranked(self) -> tuple[list[Path], str]:
        """What `models` gives; and, where `best` names no model, why which is taken for it."""
        return ranked(self.directory, self.checkpoints())

    def save(self, step: int, files: Mapping[str, bytes], *, best: bool, keep: int) -> Path:
        """Adds a checkpoint, and deletes all but the newest `keep` and the best.

        When it returns, the checkpoint is on the disk, and so are the measurements before it.
        Raises StorageError, with every earlier checkpoint as it was.
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
        """Deletes all checkpoints but the newest `keep`, the best, and others; and what was set
        aside and has been made again. Warns of what cannot be deleted: nothing depends on that."""
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
        """Deletes a folder; warns, once, where that is not possible."""
        try:
            remove_directory(old)
        except StorageError as error:
            if old not in self._left:
                self._left.add(old)
                _warn(f"{old}: it cannot be deleted ({error.__cause__}); it is left there")

    def mark_best(self, step: int) -> None:
        """Points `best` at the checkpoint of a step. Raises StorageError."""
        point_at(self.best, self.checkpoint(step))

    def log(self, measurement: Mapping[str, float]) -> None:
        """Adds a line to metrics.jsonl. Raises StorageError."""
        self._check_claim()
        append_measurement(self.metrics_path, measurement)

    def metrics(self) -> list[dict[str, float]]:
        """All `measurements` at once, for which a run of weeks takes gigabytes."""
        return list(self.measurements())

    def measurements(self) -> Iterator[dict[str, float]]:
        """The lines of metrics.jsonl as they are read; see `read_measurements`.

        Raises ModelError where it is not a file.
        """
        return read_measurements(self.metrics_path)

    def tidy(self) -> None:
        """Deletes what a crash left unfinished, and puts back what it left half replaced.

        Raises StorageError.
        """
        recover(self.directory)

    def rewind(self, step: int, *, evaluated: int | None = None) -> None:
        """Forgets what came after a step, and what a crash left unfinished. Later checkpoints are
        set aside, until they have been made again.

        `evaluated` is the last step whose evaluation counts, if not this one. Raises StorageError.
        """
        self.tidy()
        path = self.checkpoint(step)
        evaluated = step if evaluated is None else evaluated
        keep_measurements(
            self.metrics_path,
            lambda line: line["step"] <= (evaluated if "validation_nats" in line else step),
        )
        if step >= 0 and (pointed(self.last) != path or not self.last.is_symlink()):
            point_at(self.last, path)
        for other in self.checkpoints():
            if step_of(other) > step:
                # It could not be read: by a fault that may pass, for all we know.
                set_aside(other, other.with_name(f"{_ASIDE_PREFIX}{other.name}"))


def _warn(message: str) -> None:
    warnings.warn(message, CharRNNWarning, stacklevel=3)


def check_unused(directory: Path) -> None:
    """Raises ConfigError when a folder has anything in it that a new run would overwrite.

    What a run left that was stopped before its first checkpoint is not worth keeping.
    """
    if is_run(directory):
        raise ConfigError(
            f"{directory} already has a run; go on with --resume {Run(directory).argument}, "
            "or choose another --name"
        )
    if directory.is_dir():
        strangers = [
            path.name
            for path in directory.iterdir()
            if path.name != METRICS
            and not (path.name in (BEST, LAST) and is_pointer(path))
            and not path.name.startswith(TEMPORARY_PREFIX)
            and not (path.name == IDS_FOLDER and is_ids_folder(path))
        ]
        if strangers:
            raise ConfigError(f"{directory} is not empty; choose another folder")
    elif os.path.lexists(directory):
        raise ConfigError(f"{directory} is not a folder; choose another")


def is_run(path: Path) -> bool:
    """Whether a folder has a run that got as far as a checkpoint."""
    try:
        run = Run(path)
        pointers = (pointed(run.best), pointed(run.last))
        return bool(run.checkpoints()) or any(each and each.is_dir() for each in pointers)
    except (OSError, ValueError):  # a folder that may not be read, a name that cannot be
        return False
