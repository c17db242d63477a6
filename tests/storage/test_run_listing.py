"""Runs are listed by their measurements, also before their first checkpoint."""

import os
from pathlib import Path

import pytest

from charrnn.errors import ModelError
from charrnn.storage import run_listing
from charrnn.storage.run import RUNS, Run
from charrnn.storage.run_listing import find_measured_run, measured_runs


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(name: str, changed: float = 1000.0) -> Path:
    directory = RUNS / name
    directory.mkdir(parents=True)
    (directory / "metrics.jsonl").write_text('{"step": 1}\n')
    os.utime(directory / "metrics.jsonl", (changed, changed))
    return directory


def test_runs_are_listed_the_newest_first() -> None:
    for number, name in enumerate(("old", "new", "middle")):
        make(name, 1000.0 + (5, 9, 7)[number])
    assert [run.name for run in measured_runs()] == ["new", "middle", "old"]


def test_without_runs_there_is_nothing_to_list() -> None:
    assert measured_runs() == []
    RUNS.mkdir()
    assert measured_runs() == []


def test_what_leads_elsewhere_is_no_run(tmp_path: Path) -> None:
    make("real")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "metrics.jsonl").write_text('{"step": 1}\n')
    (RUNS / "link").symlink_to(tmp_path / "secret")
    (RUNS / "file").write_text("")
    for name in ("linked file", "pipe", "folder", "empty"):
        (RUNS / name).mkdir()
    (RUNS / "linked file" / "metrics.jsonl").symlink_to(tmp_path / "secret" / "metrics.jsonl")
    os.mkfifo(RUNS / "pipe" / "metrics.jsonl")
    (RUNS / "folder" / "metrics.jsonl").mkdir()
    assert [run.name for run in measured_runs()] == ["real"]


def test_a_run_is_live_while_a_training_holds_it() -> None:
    run = Run.create(RUNS / "run")
    run.log({"step": 1})
    (listed,) = measured_runs()
    assert listed.is_live(listed.changed + 60)
    assert not listed.is_live(listed.changed + 2 * run_listing.QUIET_SECONDS)
    run.release()
    assert not listed.is_live(listed.changed + 1)


def test_without_locks_a_recent_change_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    make("run", 1000.0)
    monkeypatch.setattr(run_listing, "is_locked", lambda _: None)
    (listed,) = measured_runs()
    assert listed.is_live(1000.0 + run_listing.LIVE_SECONDS - 1)
    assert not listed.is_live(1000.0 + run_listing.LIVE_SECONDS)


def test_what_changes_with_the_file_is_its_identity() -> None:
    directory = make("run")
    before = measured_runs()[0].identity
    assert measured_runs()[0].identity == before
    with open(directory / "metrics.jsonl", "a") as file:
        file.write('{"step": 2}\n')
    assert measured_runs()[0].identity != before


def test_a_run_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    make("run")
    assert find_measured_run("run").directory == RUNS / "run"
    assert find_measured_run(str(tmp_path / RUNS / "run")).name == "run"
    for name in ("nothing", "", "\0", "../x", "a" * 300):
        with pytest.raises(ModelError, match=r"no run with a metrics.jsonl; checkpoints/ has run$"):
            find_measured_run(name)
