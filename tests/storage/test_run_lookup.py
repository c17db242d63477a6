"""Runs and models are found by name, by path, or as the newest."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import (
    CharRNNWarning,
    ModelError,
)
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model, model_files
from charrnn.storage.run import RUNS, Run, is_run
from charrnn.storage.run_lookup import find_models, find_run, is_model, load, read_found, run_names
from tests.provenance import make_provenance
from tests.storage.runs import damage, files, make_run, read_step, save, step_of


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run() -> Run:
    return Run.create(RUNS / "fables")


def test_runs_are_listed_newest_first() -> None:
    for name, seconds in (("b", 300), ("c", 100), ("a", 200)):
        make_run(name, seconds)
    (RUNS / "README.md").write_text("not a run")
    (RUNS / "empty").mkdir()
    assert run_names() == ["b", "a", "c"]


def test_without_checkpoints_there_are_no_runs() -> None:
    assert run_names() == []


def test_a_run_is_as_new_as_its_last_checkpoint() -> None:
    """Not as the folder, which any new file in it makes newer."""
    make_run("old", 100)
    make_run("new", 200)
    os.utime(RUNS / "old", (900, 900))
    assert run_names() == ["new", "old"]


def test_a_model_is_found_by_the_name_or_path_of_its_run() -> None:
    run = make_run("fables", 100)
    for name in (
        "fables",
        "checkpoints/fables",
        str(run.directory.absolute()),
        "checkpoints/fables/",
    ):
        assert step_of(find_models(name)[0]) == 2
        assert find_run(name).directory.resolve() == run.directory.resolve()


def test_a_model_is_found_by_the_path_of_one_checkpoint() -> None:
    make_run("fables", 100)
    for name, step in (("step-00000001", 1), ("last", 3), ("best", 2)):
        assert step_of(find_models(f"checkpoints/fables/{name}")[0]) == step
        assert step_of(find_models(f"fables/{name}")[0]) == step


def test_a_run_without_a_best_gives_its_last() -> None:
    make_run("fables", 100, best=None)
    assert step_of(find_models("fables")[0]) == 3


def test_no_name_means_the_newest_run() -> None:
    make_run("new", 200)
    make_run("old", 100)
    model = find_models(None)[0]
    assert model.parent.name == "new"
    assert step_of(model) == 2


def test_a_model_is_loaded_by_any_name_that_finds_it(run: Run) -> None:
    config = ModelConfig(vocabulary_size=2, cell="rnn", embedding_size=1, hidden_size=1, layers=1)
    tensors = {name: np.ones(shape, np.float32) for name, shape in config.tensor_shapes().items()}
    training = make_provenance(
        corpus="fables",
        sha256="",
        corpus_bytes=2,
        corpus_characters=2,
        step=1,
        characters=2,
        seconds=1.0,
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
    make_run("fables", 100)
    Path("fables").mkdir()
    Path("fables/config.json").write_text("{}")
    assert find_models("fables")[0] == Path("fables")


def test_a_folder_of_the_same_name_that_is_no_model_is_not_in_the_way() -> None:
    """`fables/` may be the corpus."""
    make_run("fables", 100)
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
    make_run("fables", 100)
    make_run("towns", 200)
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
    run = make_run("fables", 100)
    assert is_run(run.directory)
    assert not is_model(run.directory)
    assert is_model(run.last)
    assert not is_run(run.last)
    with pytest.raises(ModelError, match="no such run"):
        find_run("checkpoints/fables/last")


def test_a_run_without_its_last_checkpoint_is_found_all_the_same() -> None:
    """Its best is still there."""
    run = make_run("fables", 100)
    run.last.resolve().rename("elsewhere")
    assert step_of(find_models("fables")[0]) == 2


# Falling back


def test_a_sound_best_is_read_without_a_word() -> None:
    run = make_run("fables", 100)
    damage(run, 1, 3)
    assert read_found("fables", read_step) == (RUNS / "fables" / "step-00000002", 2)


def test_where_the_best_is_damaged_the_newest_sound_one_takes_its_place() -> None:
    """First the best, then from the newest on; each that is damaged is named, and what is read."""
    run = make_run("fables", 100)
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
    run = make_run("fables", 100)
    damage(run, 1, 2, 3)
    with pytest.raises(ModelError, match="^checkpoints/fables/step-00000002: damaged; none of 3 "):
        read_found("fables", read_step)


def test_a_checkpoint_that_is_meant_by_its_path_has_no_other_in_its_place() -> None:
    run = make_run("fables", 100)
    damage(run, 1, 2)
    for name in ("fables/step-00000001", "checkpoints/fables/best"):
        with pytest.raises(ModelError, match="damaged"):
            read_found(name, read_step)


def test_the_newest_run_has_no_older_one_in_its_place() -> None:
    """Another run is another text: nobody wants that for a damaged model."""
    make_run("old", 100)
    new = make_run("new", 200)
    damage(new, 1, 2, 3)
    with pytest.raises(ModelError, match="^checkpoints/new/step-00000002: damaged; none of 3 "):
        read_found(None, read_step)


def test_models_are_the_best_then_from_the_newest_on_each_once() -> None:
    run = make_run("fables", 100)
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
    run = make_run("fables", 100)
    shutil.rmtree(run.checkpoint(2))
    with pytest.warns(CharRNNWarning, match="2: it is gone; falling back on .*3, the newest$"):
        assert read_found("fables", read_step) == (run.checkpoint(3), 3)


@pytest.mark.parametrize("name", ["step-00000001", "last"])
def test_a_folder_that_may_not_be_read_is_no_run(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in checkpoints/ that is another user's must not keep anyone from his own."""
    make_run("fables", 100)
    (RUNS / "locked" / name).mkdir(parents=True)
    real = os.listdir

    def listdir(path: Any = ".") -> list[str]:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert "fables" in run_names()
    assert not is_run(RUNS / "locked")
