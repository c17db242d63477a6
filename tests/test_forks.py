"""Which forks have lost threads that PyTorch would wait for."""

import sys
import threading
from pathlib import Path

import pytest

from charrnn import forks


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch is loaded, and this process is nobody's fork."""
    monkeypatch.setattr(forks, "_forked", False)
    monkeypatch.setitem(sys.modules, "torch", sys.modules[__name__])


def fork(tasks: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a fork of a process with these threads is one that has lost some."""
    monkeypatch.setattr(forks, "_TASKS", str(tasks))
    forks._note_threads()
    forks._note_fork()
    return forks.forked()


@pytest.mark.parametrize(("others", "lost"), [(0, False), (1, True), (7, True)])
def test_only_threads_that_are_not_pythons_are_lost(
    others: int, lost: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(threading.active_count() + others):
        (tmp_path / str(number)).mkdir()
    assert fork(tmp_path, monkeypatch) is lost


def test_where_threads_cannot_be_counted_there_may_be_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fork(tmp_path / "missing", monkeypatch)


def test_what_was_forked_before_pytorch_was_loaded_has_lost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    assert not fork(tmp_path / "missing", monkeypatch)
