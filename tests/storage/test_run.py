import errno
import gc
import itertools
import os
import shutil
import stat
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.errors import (
    CharRNNWarning,
    ConfigError,
    ModelError,
    StorageError,
    TrainingError,
)
from charrnn.storage import run as module
from charrnn.storage.files import make_directory
from charrnn.storage.model_directory import CONFIG
from charrnn.storage.new_run import unused_name
from charrnn.storage.run import RUNS, Run, check_unused, is_run
from charrnn.storage.run_lookup import find_run, read_found, run_names
from tests.storage.runs import files, make_run, read_step, save, step_of, steps


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run() -> Run:
    return Run.create(RUNS / "fables")


# Checkpoints


def test_a_checkpoint_is_a_folder_named_for_its_step(run: Run) -> None:
    path = run.save(1000, files("step 1000"), best=True, keep=1)
    assert path == RUNS / "fables" / "step-00001000"
    assert sorted(os.listdir(run.directory)) == ["best", "last", "metrics.jsonl", "step-00001000"]
    assert os.readlink(run.best) == os.readlink(run.last) == "step-00001000"


def test_checkpoints_are_in_the_order_of_their_steps(run: Run) -> None:
    """By name, step-100000000 comes before step-99999999."""
    save(run, 99_999_999, 5, 100_000_000, 1000)
    assert steps(run) == [5, 1000, 99_999_999, 100_000_000]


def test_nothing_else_is_taken_for_a_checkpoint(run: Run) -> None:
    save(run, 1, best=1)
    (run.directory / "step-00000002").write_bytes(b"a file")
    for name in ("step-3", "step-00000004.old", ".partial-step-00000005", "step-0000000x"):
        (run.directory / name).mkdir()
    assert steps(run) == [1]


def test_last_is_the_newest_and_best_stays_where_it_was(run: Run) -> None:
    save(run, 1, 2, 3, best=2)
    assert step_of(run.last) == 3
    assert step_of(run.best) == 2


def test_there_is_no_best_before_there_is_one(run: Run) -> None:
    save(run, 1)
    assert not os.path.lexists(run.best)
    assert step_of(run.last) == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bests=st.lists(st.booleans(), min_size=1, max_size=8),
    keep=st.integers(1, 4),
)
def test_the_newest_are_kept_and_the_best(bests: list[bool], keep: int) -> None:
    run = Run.create(RUNS / unused_name("fables"))
    best = None
    for step, is_best in enumerate(bests):
        best = step if is_best else best
        run.save(step, files(f"step {step}"), best=is_best, keep=keep)
        newest = set(range(max(0, step + 1 - keep), step + 1))
        assert set(steps(run)) == newest | ({best} - {None})
        assert step_of(run.last) == step
        assert best is None or step_of(run.best) == best


def test_what_was_just_saved_is_kept_beside_later_steps(run: Run) -> None:
    """Killed between the checkpoint of step 2000 and its link, resumed from 1000, stopped by hand
    at 1500: `last` pointed at a folder that had just been deleted."""
    save(run, 1000, 2000)
    save(run, 1500, keep=1)
    assert step_of(run.last) == 1500


def test_a_step_may_be_saved_again(run: Run) -> None:
    run.save(1, files("first"), best=True, keep=1)
    run.save(1, files("step 1"), best=False, keep=1)
    assert step_of(run.best) == step_of(run.last) == 1


def calls_that_fail(
    prepare: Callable[[], Run], action: Callable[[Run], object]
) -> Iterator[tuple[list[str], Run]]:
    """Prepares and acts again and again, each time on a disk that is full one call later.

    Yields the calls that were made, and the run. A full disk prevents no deletion.
    """
    for nth in itertools.count():
        made: list[str] = []

        def failing(
            name: str, real: Callable[..., Any], made: list[str] = made, nth: int = nth
        ) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                made.append(name)
                if len(made) == nth + 1:
                    raise OSError(28, "No space left on device")
                return real(*arguments, **options)

            return call

        run = prepare()
        with pytest.MonkeyPatch.context() as patch:
            for name in ("replace", "rename", "fsync", "symlink", "mkdir"):
                patch.setattr(os, name, failing(name, getattr(os, name)))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", CharRNNWarning)  # of what is not deleted
                    action(run)
            except StorageError as error:
                assert "No space left on device" in str(error)
        if len(made) <= nth:
            assert nth > 0
            return
        yield made, run


@pytest.mark.parametrize("step", [3, 4], ids=["same step", "new step"])
def test_a_full_disk_costs_no_earlier_checkpoint(step: int) -> None:
    """And leaves both links on whole checkpoints, whichever step of saving it is that fails."""

    def prepare() -> Run:
        run = Run.create(RUNS / unused_name("fables"))
        save(run, 1, 2, 3, best=2)
        return run

    def action(run: Run) -> None:
        run.save(step, files(f"step {step}"), best=True, keep=3)

    for made, run in calls_that_fail(prepare, action):
        assert {2, 3} <= set(steps(run)) <= {1, 2, 3, step}, made
        assert step_of(run.last) in (3, step), made
        assert step_of(run.best) in (2, step), made
        assert [name for name in os.listdir(run.directory) if name.startswith(".")] == [], made


# Making a run


def test_a_run_is_made_with_the_folders_it_needs() -> None:
    run = Run.create(RUNS / "deep" / "fables")
    assert run.directory.is_dir()
    assert run.name == "fables"
    assert run.checkpoints() == []
    assert run.metrics() == []


def test_a_run_may_be_made_in_an_empty_folder() -> None:
    (RUNS / "fables").mkdir(parents=True)
    assert Run.create(RUNS / "fables").checkpoints() == []


def test_a_run_that_is_there_is_never_written_over(run: Run) -> None:
    """Nothing is ever lost: the error says how to go on, and how to begin another."""
    save(run, 1)
    run.release()
    with pytest.raises(ConfigError, match=r"fables already has a run.*--resume fables.*--name"):
        Run.create(run.directory)
    assert step_of(run.last) == 1


@pytest.mark.parametrize(("path", "error"), [("file", ConfigError), ("file/run", StorageError)])
def test_a_run_cannot_be_made_where_a_file_is(path: str, error: type[Exception]) -> None:
    Path("file").write_bytes(b"text")
    with pytest.raises(error, match=f"^{path}"):
        Run.create(Path(path))
    assert Path("file").read_bytes() == b"text"


@pytest.mark.parametrize("name", ["thesis.txt", ".git", "step-00000001", CONFIG])
def test_a_run_is_not_made_among_other_things(name: str) -> None:
    Path("folder").mkdir()
    (Path("folder") / name).write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"^folder is not empty"):
        Run.create(Path("folder"))
    assert os.listdir("folder") == [name]


def test_what_a_run_left_that_saved_nothing_is_not_in_the_way(run: Run) -> None:
    run.log({"step": 1})
    (run.directory / ".partial-step-00000001").mkdir()
    run.release()
    again = Run.create(run.directory)
    assert again.metrics() == []
    assert os.listdir(run.directory) == ["metrics.jsonl"]


def test_checking_that_a_name_is_unused_makes_nothing() -> None:
    check_unused(RUNS / "fables")
    assert not RUNS.exists()


# Rewinding


def test_rewinding_drops_damaged_lines_for_good(run: Run) -> None:
    run.metrics_path.write_bytes(b'{"step": 1}\n\xff\n{"step": 2}\n')
    with pytest.warns(CharRNNWarning, match="1 of 3 lines"):
        run.rewind(5)
    assert run.metrics() == [{"step": 1}, {"step": 2}]


def test_a_run_of_weeks_is_rewound_without_all_its_measurements_in_memory(run: Run) -> None:
    """They took 1,230 bytes a line, and more than a gigabyte of them was refused."""
    lines = [f'{{"step": {step}, "train_nats": 1.25}}\n' for step in range(60_000)]
    run.metrics_path.write_text("".join(lines))
    tracemalloc.start()
    try:
        run.rewind(50_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert run.metrics_path.read_text() == "".join(lines[:50_001])
    assert peak < 12 << 20, "a megabyte or so is written at once"


def test_rewinding_drops_what_was_measured_later(run: Run) -> None:
    """Else a resumed run has two lines for a step, of two different pasts."""
    lines: list[dict[str, Any]] = [
        {"step": 1, "train_nats": 3.3},
        {"step": 2, "train_nats": 0.1 + 0.2},
        {"step": 2, "validation_nats": 2.0},
        {"step": 3, "train_nats": 1.0},
    ]
    for line in lines:
        run.log(line)
    run.rewind(2)
    assert run.metrics() == lines[:3]
    run.log({"step": 3})
    assert run.metrics() == [*lines[:3], {"step": 3}]


def test_rewinding_mends_a_torn_last_line(run: Run) -> None:
    """Else the next line is written behind it, and both are lost."""
    run.log({"step": 1})
    with open(run.metrics_path, "a", encoding="utf-8") as file:
        file.write('{"step": 2, "train')
    run.rewind(5)
    run.log({"step": 2})
    assert run.metrics() == [{"step": 1}, {"step": 2}]


def test_rewinding_removes_what_a_crash_left_and_nothing_else(run: Run) -> None:
    save(run, 1, 2, best=1)
    (run.directory / ".partial-step-00000003").mkdir()
    (run.directory / ".partial-metrics.jsonl").write_bytes(b"half")
    (run.directory / "notes.txt").write_bytes(b"mine")
    run.rewind(2)
    names = sorted(os.listdir(run.directory))
    assert [name for name in names if name.startswith(".")] == []
    assert (run.directory / "notes.txt").read_bytes() == b"mine"
    assert (steps(run), step_of(run.best), step_of(run.last)) == ([1, 2], 1, 2)


def test_rewinding_a_run_that_measured_nothing_is_no_error(run: Run) -> None:
    run.rewind(0)
    assert run.metrics() == []


# What is no run, and what is another


def test_links_to_nothing_are_no_run_and_in_nobodys_way(run: Run) -> None:
    """It could neither be resumed nor begun again."""
    save(run, 1, best=1)
    run.release()
    shutil.rmtree(run.checkpoint(1))
    assert not is_run(run.directory)
    with pytest.raises(ModelError, match="no checkpoint yet; begin again"):
        find_run("fables")
    again = Run.create(run.directory)
    save(again, 2, best=2)
    assert step_of(again.best) == step_of(again.last) == 2


def test_a_folder_that_was_deleted_and_made_anew_is_another_run() -> None:
    """`rm -r checkpoints/fables` and begin again, while the first training still goes on."""
    first = Run.create(RUNS / "fables")
    first.save(1, files("step 1"), best=True, keep=1)
    shutil.rmtree(first.directory)
    second = Run.create(RUNS / "fables")
    with pytest.raises(StorageError, match="deleted and made again"):
        first.log({"step": 2})
    with pytest.raises(StorageError, match="deleted and made again"):
        save(first, 2)
    save(second, 1)
    assert steps(second) == [1]


def test_what_could_not_be_read_is_set_aside_until_it_was_made_again(run: Run) -> None:
    """A fault that passes, such as too many open files, must not cost a sound checkpoint."""
    save(run, 1, 2, 3)
    run.rewind(1)
    assert steps(run) == [1]
    aside = [run.directory / f"unreadable-step-0000000{step}" for step in (2, 3)]
    assert (aside[0] / "model.safetensors").read_bytes() == b"step 2"
    save(run, 2)
    assert [path.exists() for path in aside] == [False, True]
    save(run, 5)
    assert [path.exists() for path in aside] == [False, False]


def test_the_files_of_a_run_have_the_mode_that_the_umask_gives() -> None:
    before = os.umask(0o027)
    try:
        run = Run.create(RUNS / "fables")
        save(run, 1)
        run.log({"step": 1})
        run.rewind(1)
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in RUNS.rglob("*")}
    assert {oct(mode) for path, mode in modes.items() if path.is_dir()} == {"0o750"}
    assert {oct(mode) for path, mode in modes.items() if path.is_file()} == {"0o640"}


# Links


def test_a_link_out_of_the_run_is_not_followed(run: Run) -> None:
    """A run from a stranger must not have anyone read, or write, elsewhere."""
    save(run, 1, best=1)
    other = make_run("other", 100)
    before = {path: path.lstat().st_mtime_ns for path in other.directory.rglob("*")}
    for target in (
        *("../other/step-00000002", str(other.checkpoint(2).absolute())),
        *("../fables/step-00000001", "./step-00000001", ".", "..", "last", "metrics.jsonl"),
    ):
        for link in (run.best, run.last):
            link.unlink()
            link.symlink_to(target)
        assert run.models() == [run.checkpoint(1)], target
        assert read_found("fables", read_step) == (run.checkpoint(1), 1)
    save(run, 2, 3, keep=1)
    assert steps(run) == [3]
    assert before == {path: path.lstat().st_mtime_ns for path in other.directory.rglob("*")}


def test_a_checkpoint_that_is_a_link_is_none(run: Run) -> None:
    """Also where `best` points to it: by way of two links, it leads out of the run."""
    save(run, 1, best=1)
    other = make_run("other", 100)
    run.checkpoint(2).symlink_to(other.checkpoint(2).absolute())
    assert steps(run) == [1]
    for link in (run.best, run.last):
        link.unlink()
        link.symlink_to("step-00000002")
    assert run.models() == [run.checkpoint(1)]
    assert read_found("fables", read_step) == (run.checkpoint(1), 1)
    run.rewind(1)
    assert steps(other) == [1, 2, 3]


def test_a_run_that_was_copied_without_its_links_is_one(run: Run) -> None:
    """`cp -rL`, and some clouds: `best` and `last` are folders of their own then."""
    save(run, 1, 2, 3, best=2)
    shutil.copytree(run.directory, RUNS / "copy", symlinks=False)
    copy = Run(RUNS / "copy")
    assert read_found("copy", read_step) == (copy.best, 2)
    copy.rewind(2)
    assert (steps(copy), step_of(copy.last)) == ([1, 2], 2)
    save(copy, 3, best=3)
    assert read_found("copy", read_step) == (copy.checkpoint(3), 3)


# A run that was killed


def test_a_run_that_was_killed_before_its_first_link_is_one(run: Run) -> None:
    save(run, 1)
    run.last.unlink()
    run.release()
    assert is_run(run.directory)
    assert run_names() == ["fables"]
    assert find_run("fables").directory == run.directory
    assert read_found("fables", read_step) == (run.checkpoint(1), 1)
    with pytest.raises(ConfigError, match="fables already has a run"):
        Run.create(run.directory)
    run.rewind(1)
    assert step_of(run.last) == 1


def test_rewinding_points_last_at_the_step(run: Run) -> None:
    """Killed between the checkpoint of step 3 and its link; or step 3 is damaged."""
    save(run, 1, 2, 3, best=2)
    run.rewind(2)
    assert (steps(run), step_of(run.last)) == ([1, 2], 2)
    assert read_found("fables", read_step) == (run.checkpoint(2), 2)


def test_a_checkpoint_that_was_being_replaced_is_put_back(run: Run) -> None:
    """Killed between the two renames: what it was stands under another name."""
    save(run, 1, best=1)
    run.checkpoint(1).rename(run.directory / ".replaced-step-00000001")
    run.rewind(1)
    assert (steps(run), step_of(run.best), step_of(run.last)) == ([1], 1, 1)


# Claims


def test_a_run_that_is_being_trained_cannot_be_claimed(run: Run) -> None:
    other = Run(run.directory)
    expected = (
        r"^checkpoints/fables: another charrnn is training this run; wait .* or train another"
    )
    with pytest.raises(TrainingError, match=expected):
        other.claim()
    run.claim()  # its own, again
    run.release()
    run.release()
    other.claim()
    with pytest.raises(TrainingError, match=expected):
        run.claim()
    other.release()


def test_a_run_that_is_being_made_cannot_be_made(run: Run) -> None:
    """Two trainings that begin in the same moment, of the same text: their names are the same."""
    with pytest.raises(TrainingError, match="another charrnn"):
        Run.create(run.directory)
    run.release()
    Run.create(run.directory)


def test_a_run_that_another_made_and_ended_meanwhile_is_not_written_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between looking whether the folder is free, and claiming it."""

    def meanwhile(path: Path) -> None:
        make_directory(path)
        monkeypatch.undo()
        save(Run.create(path), 1)

    path = (RUNS / "fables").absolute()
    monkeypatch.setattr(module, "make_directory", meanwhile)
    with pytest.raises(ConfigError, match="fables already has a run"):
        Run.create(path)
    assert steps(Run(path)) == [1]


def test_a_run_that_could_not_be_made_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook, the error is kept, and all that it came through: after room was made on the
    disk, the run was said to be trained already."""

    def full(operation: str, path: Path) -> None:
        if operation == "write":
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("charrnn.storage.files.before_change", full)
        with pytest.raises(StorageError) as kept:
            Run.create(RUNS / "fables")
    assert Run.create(RUNS / "fables").metrics() == []
    assert "No space left" in str(kept.value)


def test_where_there_are_no_locks_a_run_can_be_trained_with_a_warning(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some network file systems."""

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    run.release()
    monkeypatch.setattr("fcntl.flock", none)
    with pytest.warns(CharRNNWarning, match="^checkpoints/fables: this file system has no locks"):
        run.claim()
    run.release()


def test_a_claim_that_fails_otherwise_is_a_storage_error() -> None:
    with pytest.raises(StorageError, match="^checkpoints/nope: No such file or directory"):
        Run(RUNS / "nope").claim()
    gc.collect()


def test_a_run_in_which_nothing_happened_is_discarded(run: Run) -> None:
    run.discard()
    assert os.listdir(RUNS) == []
    run.discard()  # and again, which is no error


@pytest.mark.parametrize("happened", ["checkpoint", "measurement", "notes"])
def test_a_run_in_which_something_happened_is_not_discarded(happened: str, run: Run) -> None:
    if happened == "checkpoint":
        save(run, 1)
    elif happened == "measurement":
        run.log({"step": 1})
    else:
        (run.directory / "notes.txt").write_bytes(b"mine")
    before = {
        path: path.read_bytes()
        for path in run.directory.rglob("*")
        if path.is_file() and (path.name != "metrics.jsonl" or happened == "measurement")
    }
    run.discard()
    assert before == {path: path.read_bytes() for path in before}
    if happened == "checkpoint":
        assert step_of(run.last) == 1


def test_an_old_checkpoint_that_cannot_be_deleted_ends_no_training(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one was safe, and the training ended with `cannot be written`."""
    rename = os.replace

    def held(source: Path, target: Path) -> None:
        if "old" in Path(target).name:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        rename(source, target)

    monkeypatch.setattr(os, "replace", held)
    save(run, 1, keep=1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        save(run, 2, 3, 4, best=4, keep=1)
    said = [str(each.message) for each in told]
    assert len(said) == 3  # once of each
    for step, message in enumerate(said, start=1):
        assert f"step-{step:08d}: it cannot be deleted" in message and "denied" in message
    assert steps(run) == [1, 2, 3, 4]
    monkeypatch.setattr(os, "replace", rename)
    save(run, 5, keep=1)
    assert steps(run) == [4, 5]
