import errno
import gc
import itertools
import json
import os
import shutil
import stat
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import (
    CharRNNWarning,
    ConfigError,
    ModelError,
    StorageError,
    TrainingError,
)
from charrnn.model.config import ModelConfig
from charrnn.storage import run as module
from charrnn.storage.files import make_directory
from charrnn.storage.manifest import with_manifest
from charrnn.storage.model_directory import CONFIG, Model, Provenance, model_files
from charrnn.storage.new_run import unused_name
from charrnn.storage.run import (
    RUNS,
    Run,
    check_unused,
    find_models,
    find_run,
    is_model,
    is_run,
    load,
    read_found,
    run_names,
)


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run() -> Run:
    return Run.create(RUNS / "fables")


def files(text: str = "weights") -> dict[str, bytes]:
    """A checkpoint's files, as far as a run looks at them."""
    return {CONFIG: b"{}", "model.safetensors": text.encode()}


def save(run: Run, *steps: int, best: int | None = None, keep: int = 99) -> None:
    for step in steps:
        run.save(step, files(f"step {step}"), best=step == best, keep=keep)


def steps(run: Run) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in run.checkpoints()]


def step_of(link: Path) -> int:
    """The step of the checkpoint that a link points to, which is whole."""
    content = {path.name: path.read_bytes() for path in link.iterdir()}
    step = int(link.resolve().name.removeprefix("step-"))
    assert content == with_manifest(files(f"step {step}"))
    return step


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


# Metrics


def test_measurements_are_read_back_as_they_were(run: Run) -> None:
    lines: list[dict[str, Any]] = [
        {"step": 1, "train_nats": 0.1 + 0.2, "epoch": 1e-9},
        {"step": 2, "validation_nats": 1.5, "\N{GRINNING FACE}\n\u2028": -1},
    ]
    for line in lines:
        run.log(line)
    assert run.metrics() == lines
    assert [json.loads(line) for line in run.metrics_path.read_text("utf-8").splitlines()] == lines


@pytest.mark.parametrize("torn", ['{"step": 2', '{"step": 2}', '"', '{"s": "\N{GRINNING FACE}'])
def test_a_last_line_that_a_crash_cut_short_is_ignored(torn: str, run: Run) -> None:
    run.log({"step": 1})
    with open(run.metrics_path, "a", encoding="utf-8") as file:
        file.write(torn)
    assert run.metrics() == [{"step": 1}]


def test_a_last_line_cut_within_a_character_is_ignored(run: Run) -> None:
    run.log({"step": 1})
    with open(run.metrics_path, "ab") as file:
        file.write(b'{"s": "\xf0\x9f')
    assert run.metrics() == [{"step": 1}]


DAMAGED_LINES = {
    "no JSON": b"not json",
    "no UTF-8": b"\xff",
    "zeros": bytes(40),  # what a file system makes of a block that a power cut kept it from writing
    "empty": b"",
    "two": b'{"step": 1}{"step": 2}',
    "list": b"[1]",
    "number": b"5",
    "null": b"null",
    "string": b'"text"',
    "no step": b'{"train_nats": 1.5}',
    "text": b'{"step": 1, "train_nats": "1.5"}',
    "NaN": b'{"step": 1, "train_nats": NaN}',
    "infinite": b'{"step": 1, "train_nats": 1e400}',
    "no number": b'{"step": null}',
    "deep": b"[" * 100_000,
    "endless": b'{"step": 1' + b"0" * 400 + b"}",
    "more digits than Python reads": b'{"step": 1' + b"0" * 5000 + b"}",
}


@pytest.mark.parametrize("bad", DAMAGED_LINES)
def test_a_damaged_line_is_left_out_with_a_warning(bad: str, run: Run) -> None:
    """One bad sector in a list of measurements must not cost a week of training. Numbers are all
    that whoever draws a curve of them expects."""
    run.metrics_path.write_bytes(b'{"step": 1}\n' + DAMAGED_LINES[bad] + b'\n{"step": 2}\n')
    expected = r"^checkpoints/fables/metrics\.jsonl: 1 of 3 lines are damaged$"
    with pytest.warns(CharRNNWarning, match=expected) as told:
        assert run.metrics() == [{"step": 1}, {"step": 2}]
    assert len(told) == 1


def test_rewinding_drops_damaged_lines_for_good(run: Run) -> None:
    run.metrics_path.write_bytes(b'{"step": 1}\n\xff\n{"step": 2}\n')
    with pytest.warns(CharRNNWarning, match="1 of 3 lines"):
        run.rewind(5)
    assert run.metrics() == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_metrics_that_are_no_file_are_a_model_error_that_names_them(kind: str, run: Run) -> None:
    run.metrics_path.unlink()
    if kind == "folder":
        run.metrics_path.mkdir()
    elif kind == "pipe":
        os.mkfifo(run.metrics_path)
    else:
        Path("elsewhere").write_bytes(b'{"step": 1}\n')
        run.metrics_path.symlink_to(Path("elsewhere").absolute())
    with pytest.raises(ModelError, match=r"^checkpoints/fables/metrics\.jsonl: ") as caught:
        run.metrics()
    assert "\n" not in str(caught.value)


def test_a_long_measurement_is_none_and_what_follows_is_read(run: Run) -> None:
    long = b'{"step": 1, "' + b"a" * 200_000 + b'": 1}'
    run.metrics_path.write_bytes(b'{"step": 1}\n' + long + b'\n{"step": 2}\n' + long)
    with pytest.warns(CharRNNWarning, match="1 of 3 lines are damaged"):
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


def test_metrics_are_read_as_utf8_whatever_the_locale(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.metrics_path.write_text('{"step": 1, "déjà": 2}\n', encoding="utf-8")
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "ascii")
    monkeypatch.setattr("locale.getencoding", lambda: "ascii")
    assert run.metrics() == [{"step": 1, "déjà": 2}]


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


def test_a_measurement_that_cannot_be_written_is_a_storage_error(run: Run) -> None:
    run.metrics_path.unlink()
    run.metrics_path.mkdir()
    with pytest.raises(StorageError, match=r"metrics\.jsonl: cannot be written"):
        run.log({"step": 1})


# Finding a run, or its model


def made(name: str, seconds: int, *, best: int | None = 2) -> Run:
    """A run of three checkpoints whose last was saved then."""
    run = Run.create(RUNS / name)
    save(run, 1, 2, 3, best=best)
    os.utime(run.last, (seconds, seconds), follow_symlinks=False)
    return run


def test_runs_are_listed_newest_first() -> None:
    for name, seconds in (("b", 300), ("c", 100), ("a", 200)):
        made(name, seconds)
    (RUNS / "README.md").write_text("not a run")
    (RUNS / "empty").mkdir()
    assert run_names() == ["b", "a", "c"]


def test_without_checkpoints_there_are_no_runs() -> None:
    assert run_names() == []


def test_a_run_is_as_new_as_its_last_checkpoint() -> None:
    """Not as the folder, which any new file in it makes newer."""
    made("old", 100)
    made("new", 200)
    os.utime(RUNS / "old", (900, 900))
    assert run_names() == ["new", "old"]


def test_a_model_is_found_by_the_name_or_path_of_its_run() -> None:
    run = made("fables", 100)
    for name in (
        "fables",
        "checkpoints/fables",
        str(run.directory.absolute()),
        "checkpoints/fables/",
    ):
        assert step_of(find_models(name)[0]) == 2
        assert find_run(name).directory.resolve() == run.directory.resolve()


def test_a_model_is_found_by_the_path_of_one_checkpoint() -> None:
    made("fables", 100)
    for name, step in (("step-00000001", 1), ("last", 3), ("best", 2)):
        assert step_of(find_models(f"checkpoints/fables/{name}")[0]) == step
        assert step_of(find_models(f"fables/{name}")[0]) == step


def test_a_run_without_a_best_gives_its_last() -> None:
    made("fables", 100, best=None)
    assert step_of(find_models("fables")[0]) == 3


def test_no_name_means_the_newest_run() -> None:
    made("new", 200)
    made("old", 100)
    model = find_models(None)[0]
    assert model.parent.name == "new"
    assert step_of(model) == 2


def test_a_model_is_loaded_by_any_name_that_finds_it(run: Run) -> None:
    config = ModelConfig(vocabulary_size=2, cell="rnn", embedding_size=1, hidden_size=1, layers=1)
    tensors = {name: np.ones(shape, np.float32) for name, shape in config.tensor_shapes().items()}
    training = Provenance(
        corpus="fables",
        sha256="",
        corpus_bytes=2,
        corpus_characters=2,
        validation_fraction=0.1,
        lines=False,
        step=1,
        characters=2,
        seconds=1.0,
        seed=0,
        validation_nats=None,
    )
    model = Model(config, CharTokenizer("ab"), tensors, training)
    run.save(1, model_files(model), best=True, keep=1)
    for name in (None, "fables", run.directory, run.directory / "last"):
        assert load(name).provenance == training
    with pytest.raises(ModelError, match="no such"):
        load(Path("nope"))


def test_a_model_directory_outside_of_any_run_is_found() -> None:
    Path("somewhere/model").mkdir(parents=True)
    Path("somewhere/model/config.json").write_text("{}")
    assert find_models("somewhere/model")[0] == Path("somewhere/model")


def test_a_path_here_goes_before_a_name_in_checkpoints() -> None:
    made("fables", 100)
    Path("fables").mkdir()
    Path("fables/config.json").write_text("{}")
    assert find_models("fables")[0] == Path("fables")


def test_a_folder_of_the_same_name_that_is_no_model_is_not_in_the_way() -> None:
    """`fables/` may be the corpus."""
    made("fables", 100)
    Path("fables").mkdir()
    assert step_of(find_models("fables")[0]) == 2
    assert find_run("fables").directory == RUNS / "fables"


@pytest.mark.parametrize(
    "name",
    ["nope", "", ".", "checkpoints", "a/b", "nul\0", "x" * 300, "half \udcff"],
    ids=lambda name: ascii(name)[:20],
)
@pytest.mark.parametrize("find", [find_models, find_run])
def test_what_is_not_there_is_a_model_error_that_lists_what_is(
    find: Callable[[str], object], name: str
) -> None:
    """A prompt in the place of the model is longer than a file's name may be: OSError."""
    made("fables", 100)
    made("towns", 200)
    with pytest.raises(ModelError, match=r"has towns, fables$") as caught:
        find(name)
    assert str(caught.value).startswith(f"{name}: no such ")


@pytest.mark.parametrize("find", [find_models, find_run])
def test_what_is_not_there_is_a_model_error_where_there_are_no_runs(
    find: Callable[[str], object],
) -> None:
    with pytest.raises(ModelError, match=r"^nope: no such .*checkpoints/ has none yet$"):
        find("nope")


def test_no_name_and_no_run_is_a_model_error_that_says_how_to_make_one() -> None:
    with pytest.raises(ModelError, match="charrnn train"):
        find_models(None)


def test_a_model_or_a_checkpoint_is_no_run() -> None:
    run = made("fables", 100)
    assert is_run(run.directory)
    assert not is_model(run.directory)
    assert is_model(run.last)
    assert not is_run(run.last)
    with pytest.raises(ModelError, match="no such run"):
        find_run("checkpoints/fables/last")


def test_a_run_without_its_last_checkpoint_is_found_all_the_same() -> None:
    """Its best is still there."""
    run = made("fables", 100)
    run.last.resolve().rename("elsewhere")
    assert step_of(find_models("fables")[0]) == 2


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
    with pytest.raises(StorageError, match="deleted, and is another folder now"):
        first.log({"step": 2})
    with pytest.raises(StorageError, match="deleted, and is another folder now"):
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


# Falling back


def read_step(path: Path) -> int:
    """What stands for reading a model: refuses those that `damage` has hurt."""
    try:
        content = (path / "model.safetensors").read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    if content == b"damaged":
        raise ModelError(f"{path}: damaged")
    return int(content.removeprefix(b"step "))


def damage(run: Run, *steps: int) -> None:
    for step in steps:
        (run.checkpoint(step) / "model.safetensors").write_bytes(b"damaged")


def test_a_sound_best_is_read_without_a_word() -> None:
    run = made("fables", 100)
    damage(run, 1, 3)
    assert read_found("fables", read_step) == (RUNS / "fables" / "step-00000002", 2)


def test_where_the_best_is_damaged_the_newest_sound_one_takes_its_place() -> None:
    """First the best, then from the newest on; each that is damaged is named, and what is read."""
    run = made("fables", 100)
    save(run, 4, 5)
    for damaged, read in (([2], 5), ([5], 4), ([4], 3), ([3], 1)):
        damage(run, *damaged)
        with pytest.warns(CharRNNWarning) as told:
            path, step = read_found("fables", read_step)
        assert (path, step) == (run.checkpoint(read), read)
        names = [2, *range(5, read, -1)] if read != 1 else [2, 5, 4, 3]
        assert [str(each.message) for each in told] == [
            f"{run.checkpoint(each)}: damaged; falling back on {path}" for each in names
        ]


def test_where_all_are_damaged_the_best_is_what_the_error_names() -> None:
    run = made("fables", 100)
    damage(run, 1, 2, 3)
    with pytest.raises(ModelError, match="^checkpoints/fables/step-00000002: damaged; none of 3 "):
        read_found("fables", read_step)


def test_a_checkpoint_that_is_meant_by_its_path_has_no_other_in_its_place() -> None:
    run = made("fables", 100)
    damage(run, 1, 2)
    for name in ("fables/step-00000001", "checkpoints/fables/best"):
        with pytest.raises(ModelError, match="damaged"):
            read_found(name, read_step)


def test_the_newest_run_has_no_older_one_in_its_place() -> None:
    """Another run is another text: nobody wants that for a damaged model."""
    made("old", 100)
    new = made("new", 200)
    damage(new, 1, 2, 3)
    with pytest.raises(ModelError, match="^checkpoints/new/step-00000002: damaged; none of 3 "):
        read_found(None, read_step)


def test_models_are_the_best_then_from_the_newest_on_each_once() -> None:
    run = made("fables", 100)
    found = [path.name for path in run.models()]
    assert found == [f"step-{step:08d}" for step in (2, 3, 1)]
    run.mark_best(3)
    assert [path.name for path in run.models()] == [f"step-{step:08d}" for step in (3, 2, 1)]


def test_of_no_models_none_is_sound(run: Run) -> None:
    save(run, 1)
    shutil.rmtree(run.checkpoint(1))
    with pytest.raises(
        ModelError, match=r"^checkpoints/fables: it has no checkpoint yet; begin again"
    ):
        read_found("fables", read_step)


def test_a_best_that_a_training_replaces_meanwhile_is_no_damage(run: Run) -> None:
    """Between finding it and reading it, it is deleted, as what is not the best any more: then it
    is the new best that is meant, and nothing to warn of."""
    save(run, 1, 2, best=1)
    asked: list[str] = []

    def read(path: Path) -> int:
        asked.append(path.name)
        if len(asked) == 1:
            run.save(3, files("step 3"), best=True, keep=2)
        return read_step(path)

    assert read_found("fables", read) == (run.checkpoint(3), 3)
    assert asked == ["step-00000001", "step-00000002", "step-00000003"]


def test_the_only_checkpoint_may_be_replaced_while_it_is_read(run: Run) -> None:
    """As with --keep 1 while each evaluation is the best: at any moment the run has one."""
    run.save(1, files("step 1"), best=True, keep=1)
    steps = iter(range(2, 5))

    def read(path: Path) -> int:
        for step in itertools.islice(steps, 1):  # three times, then the training rests
            run.save(step, files(f"step {step}"), best=True, keep=1)
        return read_step(path)

    assert read_found("fables", read) == (run.checkpoint(4), 4)


def test_a_checkpoint_that_is_deleted_half_way_through_is_no_damage(run: Run) -> None:
    """Its folder is gone before any file in it is."""
    save(run, 1, 2, 3, best=1)

    def read(path: Path) -> int:
        step = read_step(path)
        if step == 1:
            save(run, 4, best=4, keep=2)
            return read_step(path)
        return step

    assert read_found("fables", read) == (run.checkpoint(4), 4)


def test_a_best_that_is_gone_for_good_is_no_endless_search() -> None:
    run = made("fables", 100)
    shutil.rmtree(run.checkpoint(2))
    with pytest.warns(CharRNNWarning, match="2: it is gone; falling back on .*3, the newest$"):
        assert read_found("fables", read_step) == (run.checkpoint(3), 3)


# Links


def test_a_link_out_of_the_run_is_not_followed(run: Run) -> None:
    """A run from a stranger must not have anyone read, or write, elsewhere."""
    save(run, 1, best=1)
    other = made("other", 100)
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
    other = made("other", 100)
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


@pytest.mark.parametrize("name", ["step-00000001", "last"])
def test_a_folder_that_may_not_be_read_is_no_run(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in checkpoints/ that is another user's must not keep anyone from his own."""
    made("fables", 100)
    (RUNS / "locked" / name).mkdir(parents=True)
    real = os.listdir

    def listdir(path: Any = ".") -> list[str]:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert "fables" in run_names()
    assert not is_run(RUNS / "locked")


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
