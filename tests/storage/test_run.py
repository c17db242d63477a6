import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import ConfigError, ModelError, StorageError
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import CONFIG, Model, Provenance, model_files
from charrnn.storage.run import (
    RUNS,
    Run,
    check_unused,
    find_model,
    find_run,
    is_model,
    is_run,
    load,
    run_names,
    unused_name,
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
    assert content == files(f"step {step}")
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
        {"step": 2, "validation_nats": 1.5, "sample": "two\nlines \N{GRINNING FACE}\u2028"},
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


@pytest.mark.parametrize("bad", [b"not json", b"\xff", b"[1]", b"5", b"null", b'"text"'])
def test_a_line_that_is_no_object_is_a_model_error_that_names_the_file(
    bad: bytes, run: Run
) -> None:
    run.metrics_path.write_bytes(b'{"step": 1}\n' + bad + b'\n{"step": 2}\n')
    with pytest.raises(ModelError, match=r"fables/metrics\.jsonl: ") as caught:
        run.metrics()
    assert "\n" not in str(caught.value)


def test_metrics_are_read_as_utf8_whatever_the_locale(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.metrics_path.write_text('{"sample": "déjà"}\n', encoding="utf-8")
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "ascii")
    monkeypatch.setattr("locale.getencoding", lambda: "ascii")
    assert run.metrics() == [{"sample": "déjà"}]


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
        assert step_of(find_model(name)) == 2
        assert find_run(name).directory.resolve() == run.directory.resolve()


def test_a_model_is_found_by_the_path_of_one_checkpoint() -> None:
    made("fables", 100)
    for name, step in (("step-00000001", 1), ("last", 3), ("best", 2)):
        assert step_of(find_model(f"checkpoints/fables/{name}")) == step
        assert step_of(find_model(f"fables/{name}")) == step


def test_a_run_without_a_best_gives_its_last() -> None:
    made("fables", 100, best=None)
    assert step_of(find_model("fables")) == 3


def test_no_name_means_the_newest_run() -> None:
    made("new", 200)
    made("old", 100)
    model = find_model(None)
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
    assert find_model("somewhere/model") == Path("somewhere/model")


def test_a_path_here_goes_before_a_name_in_checkpoints() -> None:
    made("fables", 100)
    Path("fables").mkdir()
    Path("fables/config.json").write_text("{}")
    assert find_model("fables") == Path("fables")


def test_a_folder_of_the_same_name_that_is_no_model_is_not_in_the_way() -> None:
    """`fables/` may be the corpus."""
    made("fables", 100)
    Path("fables").mkdir()
    assert step_of(find_model("fables")) == 2
    assert find_run("fables").directory == RUNS / "fables"


@pytest.mark.parametrize(
    "name",
    ["nope", "", ".", "checkpoints", "a/b", "nul\0", "x" * 300, "half \udcff"],
    ids=lambda name: ascii(name)[:20],
)
@pytest.mark.parametrize("find", [find_model, find_run])
def test_what_is_not_there_is_a_model_error_that_lists_what_is(
    find: Callable[[str], object], name: str
) -> None:
    """A prompt in the place of the model is longer than a file's name may be: OSError."""
    made("fables", 100)
    made("towns", 200)
    with pytest.raises(ModelError, match=r"has towns, fables$") as caught:
        find(name)
    assert str(caught.value).startswith(f"{name}: no such ")


@pytest.mark.parametrize("find", [find_model, find_run])
def test_what_is_not_there_is_a_model_error_where_there_are_no_runs(
    find: Callable[[str], object],
) -> None:
    with pytest.raises(ModelError, match=r"^nope: no such .*checkpoints/ has none yet$"):
        find("nope")


def test_no_name_and_no_run_is_a_model_error_that_says_how_to_make_one() -> None:
    with pytest.raises(ModelError, match="charrnn train"):
        find_model(None)


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
    assert step_of(find_model("fables")) == 2


def test_names_that_are_taken_get_a_number() -> None:
    names = []
    for _ in range(4):
        names.append(unused_name("fables"))
        Run.create(RUNS / names[-1])
    assert names == ["fables", "fables-2", "fables-3", "fables-4"]


def test_a_name_is_taken_by_whatever_is_there() -> None:
    RUNS.mkdir()
    (RUNS / "file").write_text("")
    (RUNS / "dangling").symlink_to("nowhere")
    assert unused_name("file") == "file-2"
    assert unused_name("dangling") == "dangling-2"
    assert unused_name("free") == "free"


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
