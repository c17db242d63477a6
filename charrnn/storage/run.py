"""A run: what one training leaves behind.

    checkpoints/NAME/
        step-00001000/   a model directory, plus what is needed to go on from there
        best, last       links to two of those (or one)
        metrics.jsonl    one line for each measurement

and how to find it again by name.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from charrnn.errors import ConfigError, ModelError, StorageError
from charrnn.storage.files import (
    TEMPORARY_PREFIX,
    append_line,
    point,
    remove_directory,
    remove_litter,
    write_directory,
    write_file,
)
from charrnn.storage.model_directory import CONFIG, Model, read_model

RUNS = Path("checkpoints")
"""The folder, in the working directory, where runs live and are looked for by name."""

_STEP = re.compile(r"step-(\d{8,})")


class Run:
    """One run directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def create(cls, directory: Path) -> "Run":
        """Makes a run directory. Raises ConfigError when something is already there."""
        check_unused(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{directory}: {error.strerror}") from error
        run = cls(directory)
        run.rewind(-1)
        return run

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.directory.name

    @property
    def best(self) -> Path:
        """The model that did best on the validation text."""
        return self.directory / "best"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.directory / "last"

    @property
    def metrics_path(self) -> Path:
        """Where the measurements are."""
        return self.directory / "metrics.jsonl"

    def checkpoints(self) -> list[Path]:
        """Its checkpoints, oldest first."""
        found = {
            int(match[1]): path
            for path in self.directory.iterdir()
            if (match := _STEP.fullmatch(path.name)) and path.is_dir()
        }
        return [found[step] for step in sorted(found)]

    def save(self, step: int, files: Mapping[str, bytes], *, best: bool, keep: int) -> Path:
        """Adds a checkpoint, and deletes all but the newest `keep` and the best.

        Raises StorageError, with every earlier checkpoint as it was.
        """
        path = self.directory / f"step-{step:08d}"
        write_directory(path, files)
        point(self.last, path.name)
        if best:
            self.mark_best(step)
        kept = {
            path.resolve(),
            self.best.resolve(),
            *(old.resolve() for old in self.checkpoints()[-keep:]),
        }
        for old in self.checkpoints():
            if old.resolve() not in kept:
                remove_directory(old)
        return path

    def mark_best(self, step: int) -> None:
        """Points `best` at the checkpoint of a step. Raises StorageError."""
        point(self.best, f"step-{step:08d}")

    def log(self, measurement: Mapping[str, Any]) -> None:
        """Adds a line to metrics.jsonl. Raises StorageError."""
        append_line(self.metrics_path, json.dumps(measurement))

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, without one that a crash cut short."""
        try:
            lines = self.metrics_path.read_bytes().split(b"\n")[:-1]
            measurements = [json.loads(line) for line in lines if line]
            if not all(isinstance(measurement, dict) for measurement in measurements):
                raise ValueError("a line is another value")
            return measurements
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise ModelError(f"{self.metrics_path}: not one JSON object a line: {error}") from error

    def rewind(self, step: int) -> None:
        """Forgets what came after a step, and what a crash left unfinished."""
        remove_litter(self.directory)
        for path in self.checkpoints():
            if int(path.name.removeprefix("step-")) > step:  # never became the last
                remove_directory(path)
        kept = [line for line in self.metrics() if line.get("step", 0) <= step]
        write_file(self.metrics_path, "".join(json.dumps(line) + "\n" for line in kept).encode())


def check_unused(directory: Path) -> None:
    """Raises ConfigError when a folder has anything in it that a new run would overwrite.

    What a run left that was stopped before its first checkpoint is not worth keeping.
    """
    if is_run(directory):
        raise ConfigError(
            f"{directory} already has a run; go on with --resume {directory.name}, "
            "or choose another --name"
        )
    if directory.is_dir():
        strangers = [
            path.name
            for path in directory.iterdir()
            if path.name != "metrics.jsonl" and not path.name.startswith(TEMPORARY_PREFIX)
        ]
        if strangers:
            raise ConfigError(f"{directory} is not empty; choose another folder")
    elif os.path.lexists(directory):
        raise ConfigError(f"{directory} is not a folder; choose another")


def is_model(path: Path) -> bool:
    """Whether a folder looks like a model directory."""
    return os.path.isfile(path / CONFIG)  # unlike Path.is_file, never raises


def is_run(path: Path) -> bool:
    """Whether a folder looks like a run directory."""
    return os.path.lexists(path / "last")


def run_names() -> list[str]:
    """The names of the runs under `checkpoints/`, newest first."""
    if not RUNS.is_dir():
        return []
    runs = [path for path in RUNS.iterdir() if is_run(path)]
    return [run.name for run in sorted(runs, key=_changed, reverse=True)]


def find_run(name: str) -> Run:
    """The run of that name, or at that path. Raises ModelError."""
    for path in (Path(name), RUNS / name):
        if is_run(path):
            return Run(path)
    raise ModelError(f"{name}: no such run{_choices()}")


def find_model(name: str | None) -> Path:
    """The model directory that a name or path means: a run's is its best; no name, the newest run's.

    Raises ModelError.
    """
    if name is None:
        names = run_names()
        if not names:
            raise ModelError(
                f"no model named, and no run in {RUNS}/; train one: charrnn train FILE"
            )
        return find_model(str(RUNS / names[0]))
    for path in (Path(name), RUNS / name):
        if is_model(path):
            return path
        if is_run(path):
            run = Run(path)
            return run.best if is_model(run.best) else run.last
    raise ModelError(f"{name}: no such model or run{_choices()}")


def load(name: str | Path | None = None) -> Model:
    """Reads the model that a name or path means; see `find_model`. Raises ModelError."""
    return read_model(find_model(None if name is None else str(name)))


def unused_name(name: str) -> str:
    """The name, or the first of NAME-2, NAME-3, ... that no run has yet."""
    number, candidate = 1, name
    while os.path.lexists(RUNS / candidate):
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def run_directory(corpus: str, *, name: str | None = None, out: Path | None = None) -> Path:
    """Where a new run goes: `out`, or `name` (or one made of the corpus's) under `checkpoints/`.

    Raises ConfigError when that is taken, or is no plain name.
    """
    if name is not None and out is not None:
        raise ConfigError("a name and a folder exclude each other; choose one")
    if name is not None and (Path(name).name != name or name in (".", "..")):
        raise ConfigError(f"name {name!r} is not a plain name; give a folder with --out")
    directory = out or RUNS / (name or unused_name(corpus))
    check_unused(directory)
    return directory


def _choices() -> str:
    names = run_names()
    return f"; {RUNS}/ has {', '.join(names[:10])}" if names else f"; {RUNS}/ has none yet"


def _changed(run: Path) -> float:
    return os.lstat(run / "last").st_mtime
