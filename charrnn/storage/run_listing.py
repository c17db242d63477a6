"""Runs that have measured something, also those that have no checkpoint yet."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from charrnn.errors import ModelError
from charrnn.storage.directory_lock import is_locked
from charrnn.storage.metrics_file import METRICS
from charrnn.storage.run import RUNS

MOST_RUNS: Final = 1000
"""The most runs that are listed, the newest."""

LIVE_SECONDS: Final = 120.0
"""A run on a file system without locks is taken for live where its metrics changed within this
time."""

QUIET_SECONDS: Final = 3600.0
"""A run whose metrics have not changed for this long is not live: no evaluation takes as long."""


@dataclass(frozen=True)
class MeasuredRun:
    """A run with a metrics.jsonl.

    Attributes:
        directory: its folder.
        changed: when its measurements changed, in seconds since 1970.
        identity: what changes whenever the file of the measurements does.
    """

    directory: Path
    changed: float
    identity: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.directory.name

    def is_live(self, now: float) -> bool:
        """Return whether a training writes to it; `now` in seconds since 1970."""
        quiet = now - self.changed
        if quiet >= QUIET_SECONDS:
            return False
        locked = is_locked(self.directory)
        return quiet < LIVE_SECONDS if locked is None else locked


def measured_runs(folder: Path = RUNS) -> list[MeasuredRun]:
    """Return the runs in a folder, newest first. Links are left out: they may lead anywhere."""
    found = sorted(_measured_runs(folder), key=lambda run: (-run.changed, run.name))
    return found[:MOST_RUNS]


def find_measured_run(name: str) -> MeasuredRun:
    """Return the run of that name under `checkpoints/`, or at that path. Raises ModelError."""
    for path in (Path(name), RUNS / name):
        try:
            return _measured(path)
        except (OSError, ValueError):  # it is not there, or cannot be a path
            continue
    known = ", ".join(run.name for run in measured_runs()[:10])
    raise ModelError(
        f"{name}: no run with a {METRICS}; "
        + (f"{RUNS}/ has {known}" if known else f"{RUNS}/ has none yet")
    )


def _measured_runs(folder: Path) -> Iterator[MeasuredRun]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield _measured(folder / entry.name)
        except OSError:
            continue


def _measured(path: Path) -> MeasuredRun:
    """Return the run at a path. Raises OSError where it has no file of measurements."""
    status = os.lstat(path / METRICS)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path / METRICS}: not a regular file")
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return MeasuredRun(path, status.st_mtime, identity)
