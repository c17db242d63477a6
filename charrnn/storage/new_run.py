"""The run of a new training: its name, its folder, and the clean-up where the training fails.

A training reads its corpus, decides on a plan, claims a run, and trains:

    with new_run(corpus.name, name=name, out=out) as new:
        plan = make_plan(corpus, options, keep=new.keep_ids)
        trainer = Trainer(plan.corpus, plan.network, plan.config, new.claim())
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from charrnn.data.tokenizer import Ids
from charrnn.data.two_pass_reading import IdsKey
from charrnn.errors import ConfigError, TrainingError
from charrnn.signals import signals_blocked
from charrnn.storage.directory_lock import DirectoryLock
from charrnn.storage.file_systems import NO_LOCKS
from charrnn.storage.files import TEMPORARY_PREFIX
from charrnn.storage.run import RUNS, Run, check_unused


class NewRun:
    """The run of a training that begins; `new_run` returns it, and cleans up after it.

    The folder of the run is made when it is first needed: by `keep_ids` for a corpus that is larger
    than memory, otherwise by `claim`.
    """

    def __init__(self, corpus: str, *, name: str | None, out: Path | None) -> None:
        self._corpus, self._name, self._out = corpus, name, out
        self._directory = run_directory(corpus, name=name, out=out)
        self._run: Run | None = None

    def claim(self) -> Run:
        """Make the run, and lock it against other trainings; return the same run when called again.

        Where another training has meanwhile taken a name made from the corpus, the next free one is
        used. Raises ConfigError or TrainingError where the requested name or folder is taken,
        StorageError where it cannot be written.
        """
        while self._run is None:
            try:
                self._run = Run.create(self._directory)
            except (ConfigError, TrainingError):
                taken = self._directory
                self._directory = run_directory(self._corpus, name=self._name, out=self._out)
                if self._directory == taken:
                    raise
        return self._run

    def keep_ids(self, key: IdsKey, ids: Iterable[Ids]) -> Ids:
        """Write the ids of a corpus that is larger than memory into the run, and return them
        mapped: the `keep` of `tokenize`.

        Raises the errors of `claim` and `Run.keep_ids`.
        """
        return self.claim().keep_ids(key, ids)

    def _abandon(self) -> None:
        """Delete the run's folder if nothing was saved in it, and unlock it."""
        if self._run is not None:
            self._run.discard()
            self._run.release()


@contextlib.contextmanager
def new_run(corpus: str, *, name: str | None = None, out: Path | None = None) -> Iterator[NewRun]:
    """Yield the run that a training makes in this block. If the block raises an error, the run is
    unlocked, and deleted unless something was saved in it; otherwise it stays locked, for the
    Trainer to release.

    Args:
        corpus: the name of the corpus, the default name of the run.
        name: the name of the run under `checkpoints/`.
        out: the folder of the run, instead of a name.

    Raises ConfigError where the name or the folder is taken, or the name is not a plain name.
    """
    remove_abandoned()
    run = NewRun(corpus, name=name, out=out)
    try:
        yield run
    except BaseException:
        with signals_blocked():  # a second Ctrl-C must not end the clean-up after the first
            run._abandon()
        raise


def run_directory(corpus: str, *, name: str | None = None, out: Path | None = None) -> Path:
    """Return the folder of a new run: `out`, or `checkpoints/NAME` with `name`, or with the
    corpus's name and a number where that is taken.

    Raises ConfigError where `out` or `name` is taken, or `name` is not a plain name.
    """
    if name is not None and out is not None:
        raise ConfigError("a name and a folder exclude each other; choose one")
    if name is not None and (Path(name).name != name or name in (".", "..")):
        raise ConfigError(f"name {name!r} is not a plain name; give a folder with --out")
    directory = out or RUNS / (name or unused_name(corpus))
    check_unused(directory)
    return directory


def unused_name(name: str) -> str:
    """Return the name or, where a run has it already, the first of NAME-2, NAME-3, ... that is
    free."""
    number, candidate = 1, name
    while not _is_free(RUNS / candidate):
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def _is_free(directory: Path) -> bool:
    """Return whether a new run can be made in a folder: it does not exist, or has only the files of
    a run that was stopped before its first checkpoint."""
    if not os.path.lexists(directory):
        return True
    try:
        check_unused(directory)
        DirectoryLock(directory).release()
    except ConfigError:
        return False
    except OSError as error:
        return error.errno in NO_LOCKS
    return True


def remove_abandoned() -> None:
    """Delete unfinished files of killed trainings under `checkpoints/`; see
    `Run.remove_unfinished`. The ids of a large corpus may take many gigabytes."""
    for folder in {path.parent for path in RUNS.glob(f"*/{TEMPORARY_PREFIX}*")}:
        Run(folder).remove_unfinished()
