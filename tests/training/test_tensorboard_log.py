"""What TensorBoard is given is what metrics.jsonl has, and changes nothing else."""

import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.errors import ConfigError, StorageError
from charrnn.storage.run import Run, check_unused
from charrnn.training.tensorboard_log import TensorBoardLog, check_log
from tests.trainings import learned

SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "precision": "fp32",
    "progress_bar": False,
    "evaluate_every": 10,
    "batch_size": 4,
    "sequence_length": 10,
}


@pytest.fixture(autouse=True)
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("the fox met the hen\n" * 60)


def read_events(directory: Path) -> Any:
    """What TensorBoard itself reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory))
    events.Reload()
    return events


def scalars(events: Any, tag: str) -> list[tuple[int, float]]:
    return [(each.step, each.value) for each in events.Scalars(tag)]


def test_tensorboard_shows_the_measurements_and_the_samples() -> None:
    run = charrnn.train("text.txt", name="run", steps=20, log="tensorboard", **SMALL)
    events = read_events(run.directory / "tensorboard")
    lines = run.metrics()
    for tag, name in (
        ("loss/training", "train_nats"),
        ("loss/validation", "validation_nats"),
        ("training/learning_rate", "learning_rate"),
        ("baseline/n_gram_nats", "baseline_n_gram_nats"),
    ):
        expected = [(line["step"], line[name]) for line in lines if name in line]
        assert expected
        assert [step for step, _ in scalars(events, tag)] == [step for step, _ in expected]
        values = [value for _, value in scalars(events, tag)]
        assert values == pytest.approx([value for _, value in expected])
    samples = [
        (each.step, each.tensor_proto.string_val[0].decode()) for each in events.Tensors("sample")
    ]
    shown = [(line["step"], line["sample"]) for line in lines if "sample" in line]
    assert [step for step, _ in samples] == [0, 10, 20] == [step for step, _ in shown]
    for (_, code), (_, sample) in zip(samples, shown, strict=True):
        assert "\n".join(line[4:] for line in code.split("\n")[:-1]) == sample
    assert "tensorboard" not in {name for line in lines for name in line}


def test_measures_of_other_tasks_are_shown_too() -> None:
    rows = "\n".join(["text,kind", *(f"{'ab'[i % 2] * 3},{i % 2}" for i in range(60))])
    Path("rows.csv").write_text(rows)
    run = charrnn.train(
        "rows.csv", text="text", label="kind", name="run", steps=10, log="tensorboard", **SMALL
    )
    tags = read_events(run.directory / "tensorboard").Tags()["scalars"]
    assert {"validation/accuracy", "baseline/accuracy", "validation/macro_f1"} <= set(tags)


def test_the_checkpoints_and_measurements_are_those_without_it() -> None:
    runs = [
        charrnn.train("text.txt", name=name, steps=20, log=log, **SMALL)
        for name, log in (("with", "tensorboard"), ("without", None))
    ]
    assert learned(runs[0]) == learned(runs[1])
    clock = ("seconds", "characters_per_second")
    first, second = (
        [{k: v for k, v in line.items() if k not in clock} for line in run.metrics()]
        for run in runs
    )
    assert first == second
    assert sorted(os.listdir(runs[1].directory)) == sorted(
        set(os.listdir(runs[0].directory)) - {"tensorboard"}
    )


def test_a_resumed_training_continues_its_curves() -> None:
    steps = charrnn.stream_train(
        "text.txt", name="run", steps=40, log="tensorboard", checkpoint_every=10, **SMALL
    )
    for progress in steps:
        if progress.step == 25:
            break
    steps.close()  # saved at step 25
    run = Run(Path("checkpoints/run"))
    # As if the training had gone on, and been killed before its next checkpoint.
    lost = TensorBoardLog(run, after=25)
    lost({"step": 30, "train_nats": 99.0})
    lost.close()
    charrnn.train(resume="run", log="tensorboard", progress_bar=False)
    events = read_events(run.directory / "tensorboard")
    curve = scalars(events, "loss/training")
    assert [step for step, _ in curve] == [10, 20, 30, 40]
    assert all(value < 90 for _, value in curve)
    assert [step for step, _ in scalars(events, "loss/validation")] == [10, 20, 30, 40]


def test_a_run_that_was_killed_early_may_begin_again() -> None:
    run = Run.create(Path("checkpoints/run"))
    log = TensorBoardLog(run, after=-1)
    log({"step": 0, "sample": "x"})
    log.close()
    run.release()
    check_unused(run.directory)
    (run.directory / "tensorboard").rename(run.directory / "other")
    with pytest.raises(ConfigError, match="not empty"):
        check_unused(run.directory)


def test_no_text_or_number_is_too_strange(tmp_path: Path) -> None:
    log = TensorBoardLog(Run(tmp_path), after=-1)
    log({"step": 10**12, "train_nats": 1e308, "x": 0, "sample": "\ud800\0\n# <b>\r\n"})
    log.close()
    events = read_events(tmp_path / "tensorboard")
    assert math.isinf(scalars(events, "loss/training")[0][1])  # TensorBoard has 32 bits
    (sample,) = events.Tensors("sample")
    assert sample.tensor_proto.string_val[0] == b"    ?\0\n    # <b>\r\n    \n"


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(StorageError, match="tensorboard: cannot be written: "):
        TensorBoardLog(Run(tmp_path), after=-1)({"step": 1})


def test_a_missing_package_is_said_before_the_text_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [each for each in sys.modules if each.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ConfigError, match=r'pip install "charrnn-lm\[tensorboard\]"$'):
        charrnn.train("no such file", log="tensorboard", progress_bar=False)
    with pytest.raises(ConfigError, match="log 'wandb': choose from tensorboard"):
        check_log("wandb")
    check_log(None)
