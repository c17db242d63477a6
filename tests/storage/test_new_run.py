"""A new run: its name, its folder, its clean-up."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.data.tokenizer import Ids
from charrnn.data.two_pass_reading import IdsKey
from charrnn.errors import ConfigError, CorpusError, TrainingError
from charrnn.signals import STOP_SIGNALS
from charrnn.storage.model_directory import CONFIG
from charrnn.storage.new_run import NewRun, new_run, remove_abandoned, unused_name
from charrnn.storage.run import RUNS, Run


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run() -> Run:
    return Run.create(RUNS / "fables")


# Claims

KEY = IdsKey(
    text_sha256="0" * 64, tokenizer_sha256="1" * 64, vocabulary_size=9, count=8, dtype="|u1"
)


def ids() -> Iterator[Ids]:
    yield np.arange(5, dtype=np.uint8)
    yield np.arange(3, dtype=np.uint8)


def test_nothing_is_made_before_it_is_claimed() -> None:
    with new_run("fables"):
        assert not RUNS.exists()


def test_a_run_that_is_claimed_stays_claimed_when_the_block_ends() -> None:
    with new_run("fables") as new:
        run = new.claim()
        assert new.claim() is run
    assert run.directory == RUNS / "fables"
    with pytest.raises(TrainingError, match="another charrnn"):
        Run(run.directory).claim()


def test_ids_go_into_the_run_that_is_claimed_afterwards() -> None:
    with new_run("fables", name="tales") as new:
        kept = new.keep_ids(KEY, ids())
        run = new.claim()
    assert kept.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    found = run.find_ids(KEY)
    assert found is not None and found.tolist() == kept.tolist()
    assert run.directory == RUNS / "tales"


def claim(new: NewRun) -> None:
    new.claim()


def keep(new: NewRun) -> None:
    new.keep_ids(KEY, ids())


@pytest.mark.parametrize("error", [CorpusError("no text"), KeyboardInterrupt()])
@pytest.mark.parametrize("begin", [claim, keep])
def test_where_the_block_raises_nothing_is_left(
    begin: Callable[[NewRun], None], error: BaseException
) -> None:
    with pytest.raises(type(error)), new_run("fables") as new:
        begin(new)
        assert os.listdir(RUNS) == ["fables"]
        raise error
    assert os.listdir(RUNS) == []


def test_ids_that_cannot_be_read_leave_nothing() -> None:
    def break_off() -> Iterator[Ids]:
        yield np.arange(5, dtype=np.uint8)
        raise CorpusError("it changed")

    with pytest.raises(CorpusError, match="it changed"), new_run("fables") as new:
        new.keep_ids(KEY, break_off())
    assert os.listdir(RUNS) == []


def test_what_was_saved_stays_where_the_block_raises_and_the_run_is_free() -> None:
    with pytest.raises(KeyboardInterrupt), new_run("fables") as new:
        run = new.claim()
        run.save(1, {CONFIG: b"{}"}, best=True, keep=1)
        raise KeyboardInterrupt
    assert run.last.resolve().name == "step-00000001"
    Run(run.directory).claim()


def test_a_second_signal_waits_until_the_run_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two quick Ctrl-C left an empty folder."""
    discard = Run.discard
    blocked: list[set[int]] = []

    def look(run: Run) -> None:
        blocked.append({int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())})
        discard(run)

    monkeypatch.setattr(Run, "discard", look)
    with pytest.raises(KeyboardInterrupt), new_run("fables") as new:
        new.claim()
        raise KeyboardInterrupt
    assert [set(map(int, STOP_SIGNALS)) <= each for each in blocked] == [True]
    assert not set(STOP_SIGNALS) & signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_name_that_another_training_takes_meanwhile_gets_a_number() -> None:
    with new_run("fables") as new:
        other = Run.create(RUNS / "fables")
        run = new.claim()
    assert (other.name, run.name) == ("fables", "fables-2")


@pytest.mark.parametrize("where", [{"name": "fables"}, {"out": Path("checkpoints/fables")}])
def test_a_run_that_was_asked_for_by_name_goes_nowhere_else(where: dict[str, Any]) -> None:
    with (
        pytest.raises(TrainingError, match="another charrnn is training this run"),
        new_run("x", **where) as new,
    ):
        other = Run.create(RUNS / "fables")
        new.claim()
    assert os.listdir(RUNS) == ["fables"]
    other.release()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"name": "a", "out": Path("b")}, "exclude each other"),
        ({"name": "a/b"}, "not a plain name"),
        ({"name": ".."}, "not a plain name"),
        ({"out": Path("here")}, "here is not empty"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_at_once(
    where: dict[str, Any], message: str
) -> None:
    Path("here").mkdir()
    Path("here/mine.txt").touch()
    with pytest.raises(ConfigError, match=message), new_run("text", **where):
        raise AssertionError("it began")


# Names


def test_names_that_are_taken_get_a_number() -> None:
    names, runs = [], []
    for _ in range(4):
        names.append(unused_name("fables"))
        runs.append(Run.create(RUNS / names[-1]))  # and being trained
    assert names == ["fables", "fables-2", "fables-3", "fables-4"]


def test_a_name_is_free_again_where_a_run_was_killed_before_its_first_checkpoint() -> None:
    """Killed twice at its start, the third was `fables-3`, and two folders of nothing remained."""
    Run.create(RUNS / "fables").log({"step": 10, "train_nats": 3.0})
    assert unused_name("fables") == "fables"


def test_a_name_is_taken_by_whatever_is_there() -> None:
    RUNS.mkdir()
    (RUNS / "file").write_text("")
    (RUNS / "dangling").symlink_to("nowhere")
    assert unused_name("file") == "file-2"
    assert unused_name("dangling") == "dangling-2"
    assert unused_name("free") == "free"


# What killed trainings left


def test_what_a_killed_training_left_unfinished_is_deleted_at_the_next_start(run: Run) -> None:
    """Up to 50 GB of ids under a hidden name, for good."""
    claimed, empty, saved = run, Run.create(RUNS / "empty"), Run.create(RUNS / "saved")
    saved.save(1, {CONFIG: b"{}"}, best=True, keep=1)
    for each in (claimed, empty, saved):
        (each.directory / ".partial-corpus").mkdir()
        (each.directory / ".partial-corpus" / "ids.bin").write_bytes(b"half of i")
    empty.release()
    saved.release()
    remove_abandoned()
    assert os.listdir(claimed.directory / ".partial-corpus") == ["ids.bin"]
    assert not empty.directory.exists()
    assert sorted(os.listdir(saved.directory)) == ["best", "last", "step-00000001"]


def test_nothing_is_abandoned_where_there_are_no_locks(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another machine's that trains."""

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    run.release()
    (run.directory / ".partial-corpus").mkdir()
    monkeypatch.setattr("fcntl.flock", none)
    remove_abandoned()
    assert (run.directory / ".partial-corpus").exists()
