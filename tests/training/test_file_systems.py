"""Trainings where the file system lacks something; see tests/storage/test_file_systems.py."""

import errno
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CharRNNWarning
from charrnn.storage import file_systems
from charrnn.storage.model_directory import TENSORS, read_model
from charrnn.storage.run_lookup import read_found
from charrnn.training.checkpoint import TRAINING_TENSORS
from charrnn.training.trainer import Trainer


def test_a_training_without_links_locks_and_fsync_is_the_same_and_is_resumed(
    make_trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It died at its first save, on FAT; where folders have no fsync, it could not start."""
    straight = make_trainer("straight", steps=12, evaluate_every=4)
    list(straight)

    def lacking(*_: object, **__: object) -> Any:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    for name in ("os.symlink", "os.fsync", "fcntl.flock"):
        monkeypatch.setattr(name, lacking)
    monkeypatch.setattr(file_systems, "_warned", set())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        stopped = make_trainer("stopped", steps=12, evaluate_every=4)
        for progress in stopped:
            if progress.step == 5:
                stopped.request_stop()
        resumed = Trainer.resume(stopped.run)
        list(resumed)
    assert all(each.category is CharRNNWarning for each in told)
    lacks = [str(each.message) for each in told if " has no " in str(each.message)]
    assert len({message.split(" has no ")[1] for message in lacks}) == 4
    last = {run: run.checkpoints()[-1] for run in (straight.run, resumed.run)}
    for name in (TENSORS, TRAINING_TENSORS):
        one, other = ((path / name).read_bytes() for path in last.values())
        assert one == other
    path, model = read_found(str(resumed.run.directory), read_model)
    assert path.name == straight.run.best.resolve().name
    assert not resumed.run.best.is_symlink()
    assert model.provenance.step == resumed.position.best_step
