import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from charrnn.data.tokenizer import CharTokenizer
from charrnn.errors import CharRNNWarning
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model, model_files, read_model
from charrnn.storage.run import RUNS, Run, is_run
from charrnn.storage.run_lookup import find_models, read_found
from tests.provenance import make_provenance

LOSSES = {10: 3.0, 20: 2.0, 30: 2.5}
"""The best is neither the first nor the newest."""


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(losses: dict[int, float] = LOSSES) -> Run:
    """A run of tiny models, evaluated at each step and saved there."""
    run = Run.create(RUNS / "fables")
    config = ModelConfig(vocabulary_size=2, cell="rnn", embedding_size=1, hidden_size=1, layers=1)
    tensors = {name: np.zeros(shape, np.float32) for name, shape in config.tensor_shapes().items()}
    best_step = min(losses, key=lambda step: losses[step])
    best: tuple[float, int] | None = None
    for step, nats in losses.items():
        run.log({"step": step, "seconds": 1.0, "validation_nats": nats})
        best = min(best or (nats, step), (nats, step))
        provenance = make_provenance(
            corpus="fables",
            corpus_bytes=1,
            corpus_characters=1,
            step=step,
            characters=1,
            seconds=1.0,
            validation_nats=nats,
        )
        files = model_files(Model(config, CharTokenizer(["a", "b"]), tensors, provenance))
        position = {"step": step, "best_nats": best[0], "best_step": best[1]}
        files["training.json"] = json.dumps({"position": position}).encode()
        run.save(step, files, best=step == best_step, keep=99)
    run.release()
    return run


def drop(run: Run) -> None:
    for pointer in (run.best, run.last):
        pointer.unlink()


def as_files(run: Run, ending: str = "") -> None:
    """What git makes of links on Windows."""
    for pointer in (run.best, run.last):
        name = os.readlink(pointer)
        pointer.unlink()
        pointer.write_bytes(f"{name}{ending}".encode())


def as_folders(run: Run) -> None:
    """`cp -rL`."""
    for pointer in (run.best, run.last):
        target = pointer.resolve()
        pointer.unlink()
        shutil.copytree(target, pointer)


def as_empty_files(run: Run) -> None:
    for pointer in (run.best, run.last):
        pointer.unlink()
        pointer.write_bytes(b"")


def as_empty_folders(run: Run) -> None:
    for pointer in (run.best, run.last):
        pointer.unlink()
        pointer.mkdir()


def as_absolute_links(run: Run) -> None:
    """To where the run was before it was copied."""
    for pointer in (run.best, run.last):
        name = os.readlink(pointer)
        pointer.unlink()
        pointer.symlink_to(f"/elsewhere/checkpoints/fables/{name}")


def as_links_to_nothing(run: Run) -> None:
    for pointer in (run.best, run.last):
        pointer.unlink()
        pointer.symlink_to("step-00000099")


def read_warned(name: str) -> tuple[int, list[str]]:
    """The step of the model that a name means, and what a person is told of that."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        _, model = read_found(name, read_model)
    assert all(each.category is CharRNNWarning for each in told)
    return model.provenance.step, [str(each.message) for each in told]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_small_file_that_names_a_checkpoint_is_a_pointer(ending: str) -> None:
    """A run that git checked out on Windows had the newest for its best."""
    run = made()
    as_files(run, ending)
    assert is_run(run.directory)
    assert read_warned("fables") == (20, [])
    for name, step in (("best", 20), ("last", 30)):
        assert read_warned(f"fables/{name}") == (step, [])
        assert read_warned(f"checkpoints/fables/{name}") == (step, [])


def test_a_folder_in_the_place_of_a_pointer_is_the_model() -> None:
    run = made()
    as_folders(run)
    assert read_warned("fables") == (20, [])
    for checkpoint in run.checkpoints():
        shutil.rmtree(checkpoint)
    assert is_run(run.directory)
    assert read_warned("fables") == (20, [])
    assert read_warned("fables/last") == (30, [])


@pytest.mark.parametrize(
    "damage", [drop, as_empty_files, as_empty_folders, as_absolute_links, as_links_to_nothing]
)
@pytest.mark.parametrize("known_by", ["metrics.jsonl", "config.json", "training.json"])
def test_where_best_names_no_model_what_was_measured_says_which_it_is(
    damage: Callable[[Run], None], known_by: str
) -> None:
    """A copy that had lost its links evaluated the newest checkpoint, without a word."""
    run = made()
    damage(run)
    if known_by != "metrics.jsonl":
        run.metrics_path.unlink()
    if known_by == "training.json":
        for checkpoint in run.checkpoints():
            (checkpoint / "manifest.json").unlink()
            config = json.loads((checkpoint / "config.json").read_bytes())
            config["training"]["validation_nats"] = None
            (checkpoint / "config.json").write_text(json.dumps(config))
    step, told = read_warned("fables")
    assert step == 20
    (only,) = told
    assert only.endswith(
        "falling back on checkpoints/fables/step-00000020, the best of those that were evaluated"
    )
    assert [path.name for path in find_models("fables")][:2] == ["step-00000020", "step-00000030"]


@pytest.mark.parametrize("damage", [lambda run: None, drop, as_files])
def test_where_the_best_was_deleted_the_best_of_the_others_takes_its_place(
    damage: Callable[[Run], None],
) -> None:
    run = made({10: 2.4, 20: 2.0, 30: 2.2, 40: 2.6})
    damage(run)
    shutil.rmtree(run.checkpoint(20))
    step, told = read_warned("fables")
    assert step == 30
    (only,) = told
    assert only == (
        "checkpoints/fables/step-00000020: it is gone; falling back on checkpoints/fables/"
        "step-00000030, the best of those that were evaluated"
    )


def test_a_best_that_only_training_json_knows_of_is_missed() -> None:
    run = made()
    drop(run)
    run.metrics_path.unlink()
    for step in (10, 20):
        shutil.rmtree(run.checkpoint(step))
    step, told = read_warned("fables")
    assert step == 30
    assert told[0].startswith("checkpoints/fables/step-00000020: it is gone; falling back on")


def test_a_loss_that_no_float_holds_is_none() -> None:
    """A whole number of JSON may have any number of digits."""
    run = made()
    drop(run)
    run.metrics_path.unlink()
    for checkpoint in run.checkpoints():
        training = {"position": {"best_step": 10, "best_nats": 10**400}}
        (checkpoint / "config.json").write_bytes(b"{}")
        (checkpoint / "training.json").write_text(json.dumps(training))
    assert run.models()[0].name == "step-00000030"


def test_where_nothing_was_measured_the_newest_is_taken_with_a_word() -> None:
    run = made()
    drop(run)
    run.metrics_path.unlink()
    for checkpoint in run.checkpoints():
        for name in ("config.json", "training.json"):
            (checkpoint / name).write_bytes(b"{}")
    models, why = run.ranked()
    assert [path.name for path in models] == ["step-00000030", "step-00000020", "step-00000010"]
    assert why == (
        "checkpoints/fables/best: it names no checkpoint; falling back on "
        "checkpoints/fables/step-00000030, the newest"
    )


def test_where_there_is_but_one_checkpoint_there_is_nothing_to_tell() -> None:
    run = made({10: 3.0})
    drop(run)
    assert read_warned("fables") == (10, [])


def test_of_equals_the_first_is_the_best() -> None:
    run = made({10: 2.0, 20: 2.0, 30: 2.5})
    drop(run)
    assert read_warned("fables")[0] == 10


@pytest.mark.parametrize("pointer", ["best", "last"])
def test_a_pointer_that_is_meant_by_its_path_and_lost_is_told_of(pointer: str) -> None:
    run = made()
    drop(run)
    step, told = read_warned(f"fables/{pointer}")
    assert (step, len(told)) == ({"best": 20, "last": 30}[pointer], 1)


@pytest.mark.parametrize(
    "content",
    [
        *(b"../other/step-00000001", b"/etc/passwd", b"step-00000020\nstep-00000010", b"best"),
        *(b"\xff\xfe", b"step-00000020\x00", b"step-00000020" + b" " * 300),
    ],
)
def test_a_file_that_names_nothing_beside_it_is_no_pointer(content: bytes) -> None:
    """Whatever a stranger wrote into it leads nowhere."""
    run = made()
    drop(run)
    run.best.write_bytes(content)
    step, told = read_warned("fables")
    assert (step, len(told)) == (20, 1)


@pytest.mark.parametrize(
    "line",
    [
        *(b'{"step": 30, "validation_nats": NaN}', b'{"step": null, "validation_nats": 0.0}'),
        *(
            b'{"step": 30, "validation_nats": "0"}',
            b'{"validation_nats": 0.0}',
            b'"validation_nats"',
        ),
        *(b'{"step": 30, "validation_nats": -Infinity}', b'{"step": 30, "validation_nats": 0.'),
        b'{"step": true, "validation_nats": 0.0}',
    ],
)
def test_what_is_damaged_says_nothing_of_the_best(line: bytes) -> None:
    run = made()
    drop(run)
    with open(run.metrics_path, "ab") as file:
        file.write(line + b"\n")
    assert read_warned("fables")[0] == 20


@pytest.mark.parametrize("damage", [drop, as_files, as_folders, as_empty_files, as_empty_folders])
def test_a_run_without_its_links_goes_on_and_keeps_its_best(damage: Callable[[Run], None]) -> None:
    run = made()
    damage(run)
    run.rewind(30)
    run.prune(1)
    assert run.checkpoint(20) in run.checkpoints() or run.best.is_dir()
    run.mark_best(30)
    assert run.best.resolve() == run.last.resolve() == run.checkpoint(30).resolve()
    assert read_warned("fables") == (30, [])


def test_what_stands_for_a_link_is_in_no_new_runs_way() -> None:
    run = made()
    as_files(run)
    for checkpoint in run.checkpoints():
        shutil.rmtree(checkpoint)
    assert not is_run(run.directory)
    again = Run.create(run.directory)
    assert again.metrics() == []


@pytest.fixture
def racing() -> Iterator[Run]:
    run = made()
    run.claim()
    yield run
    run.release()


def test_a_best_that_is_replaced_while_it_is_looked_for_is_not_gone(racing: Run) -> None:
    """Between reading the pointer and looking for the folder, a training replaced both."""
    files = {path.name: path.read_bytes() for path in racing.checkpoint(30).iterdir()}
    racing.best.unlink()
    racing.best.symlink_to("step-00000005")  # as it was read, a moment ago
    asked: list[str] = []

    def read(path: Path) -> str:
        if not asked:
            racing.save(40, files, best=True, keep=1)
        asked.append(path.name)
        return path.name

    assert read_found("fables", read)[1] == "step-00000040"
