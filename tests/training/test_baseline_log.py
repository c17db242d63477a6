"""The baselines of a training are computed once, at a place that the clock does not change."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from charrnn.evaluation import baselines as module
from charrnn.evaluation.baselines import baselines
from charrnn.storage.run import Run
from charrnn.training import baseline_log
from charrnn.training.trainer import Trainer
from tests.trainings import make_budget, stop_during

MakeTrainer = Callable[..., Trainer]

NAMES = ["baseline_unigram_nats", "baseline_n_gram_nats", "baseline_xz_nats"]
OF_THE_CLOCK = ("seconds", "characters_per_second")


def places(run: Run) -> list[tuple[str, int, list[str]]]:
    """The lines with baselines: what the line before measures, the step, the baselines."""
    lines = run.metrics()
    return [
        (next(reversed(lines[at - 1])), line["step"], [name for name in NAMES if name in line])
        for at, line in enumerate(lines)
        if line.keys() & set(NAMES)
    ]


def without_the_clock(run: Run) -> list[dict[str, Any]]:
    return [{k: v for k, v in each.items() if k not in OF_THE_CLOCK} for each in run.metrics()]


@pytest.fixture
def slow_xz(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let xz take longer than a training may wait for at its first evaluation."""
    slow = {"unigram": 0.0, "n_gram": 0.0, "xz": 1e9}
    monkeypatch.setattr(module, "_SECONDS_A_MILLION", slow)


def test_quick_baselines_stand_before_the_first_evaluation(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run", steps=24)
    list(trainer)
    assert places(trainer.run) == [("sample", 6, NAMES)]
    (line,) = (line for line in trainer.run.metrics() if NAMES[0] in line)
    task: Any = trainer.task
    expected = baselines(task.training, task.validation, trainer.corpus.tokenizer)
    assert [line[name] for name in NAMES] == list(expected.values())


@pytest.mark.usefixtures("slow_xz")
def test_slow_ones_stand_at_the_end_after_everything_was_saved(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run", steps=24)
    saved: list[int] = []
    for progress in trainer:
        assert not any(NAMES[2] in line for line in trainer.run.metrics())
        saved += [progress.step] if progress.checkpoint is not None else []
    assert saved[-1] == 24
    assert places(trainer.run) == [("sample", 6, NAMES[:2]), ("sample", 24, NAMES[2:])]


@pytest.mark.usefixtures("slow_xz")
@pytest.mark.parametrize("stopped_at", [3, 6, 7, 23])
def test_a_resumed_training_writes_the_same_lines(
    stopped_at: int, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = make_trainer("straight", steps=24)
    list(straight)
    stopped = make_trainer("stopped", steps=24)
    with monkeypatch.context() as patch:
        stop_during(stopped, stopped_at, patch)
    list(Trainer.resume(stopped.run))
    assert without_the_clock(stopped.run) == without_the_clock(straight.run)


def test_each_is_computed_once_for_the_lines_and_the_summary(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    original = module.xz

    def xz(*texts: Any) -> float:
        computed.append("xz")
        return original(*texts)

    monkeypatch.setattr(module, "xz", xz)
    trainer = make_trainer("run")
    list(trainer)
    remark = trainer.task.summarize(trainer.run).remark
    (line,) = (line for line in trainer.run.metrics() if NAMES[2] in line)
    assert remark is not None and f"xz {line[NAMES[2]] / math.log(2):.3f}" in remark
    assert computed == ["xz"]


def test_a_run_of_an_older_version_gets_its_baselines_at_the_end(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_trainer("old", steps=24)
    with monkeypatch.context() as patch:
        stop_during(old, 12, patch)
    lines = old.run.metrics_path.read_bytes().splitlines(keepends=True)
    old.run.metrics_path.write_bytes(b"".join(each for each in lines if b"baseline" not in each))
    list(Trainer.resume(old.run))
    assert [step for _, step, _ in places(old.run)] == [24]


def test_a_small_budget_leaves_slow_baselines_for_the_end(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run", steps=2)
    seconds = trainer.task.baselines["xz"].seconds
    for budget, first in ((50 * seconds, 2), (200 * seconds, 3)):
        log = baseline_log.BaselineLog(trainer.run, trainer.task, make_budget(budget, 1.0))
        log.log_quick(trainer.position, trainer.group)
        assert sum(name in trainer.run.metrics()[-1] for name in NAMES) == first
