import contextlib
import dataclasses
import errno
import gc
import hashlib
import itertools
import json
import math
import os
import shutil
import signal
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.data.corpus import Corpus
from charrnn.data.dataloader import Chunk
from charrnn.data.tokenizer import Ids
from charrnn.engines import Engine, NumPyEngine
from charrnn.errors import (
    CharRNNError,
    CharRNNWarning,
    CorpusError,
    DivergedError,
    ModelError,
    StorageError,
    TrainingError,
)
from charrnn.evaluation.baselines import unigram
from charrnn.evaluation.protocols import score, score_in_steps
from charrnn.model.cells import CELLS
from charrnn.model.kernels import KERNELS
from charrnn.storage import files
from charrnn.storage.manifest import MANIFEST
from charrnn.storage.model_directory import TENSORS, read_model
from charrnn.storage.run import Run
from charrnn.storage.run_lookup import load
from charrnn.tasks.generate import task
from charrnn.tasks.generate.task import GenerationTask
from charrnn.training import trainer as module
from charrnn.training.checkpoint import TRAINING, TRAINING_TENSORS, read_checkpoint
from charrnn.training.early_stopping import should_stop_early
from charrnn.training.learner import StepResult
from charrnn.training.progress import LOG_EVERY
from charrnn.training.recipe import Machine, planned_seconds
from charrnn.training.trainer import Trainer
from tests.conftest import reseal
from tests.trainings import check_resumes_exactly, learned, stop_during

MakeTrainer = Callable[..., Trainer]
CorpusOf = Callable[..., Corpus]

TRAINING_KEYS = {
    *("step", "characters", "epoch", "seconds", "train_nats", "learning_rate"),
    *("gradient_norm", "characters_per_second", "steps"),
}
EVALUATION_KEYS = {"step", "seconds", "validation_nats", "validation_bits", "sample"}
UNTRAINED_KEYS = {"step", "seconds", "sample"}
BASELINE_KEYS = {
    *("step", "seconds", "baseline_unigram_nats", "baseline_n_gram_nats", "baseline_xz_nats"),
}
OF_THE_CLOCK = {"seconds", "characters_per_second"}


def _task(trainer: Trainer) -> GenerationTask:
    assert isinstance(trainer.task, GenerationTask)
    return trainer.task


def without_the_clock(run: Run) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in line.items() if key not in OF_THE_CLOCK}
        for line in run.metrics()
    ]


def position(run: Run) -> dict[str, Any]:
    where: dict[str, Any] = json.loads((run.last / TRAINING).read_bytes())["position"]
    return {key: value for key, value in where.items() if key != "seconds"}


# Resuming


VARIATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"dropout": 0.5, "weight_dropout": 0.4},
    "lines": {"lines": True},
    "byte": {"kind": "byte"},
    "bf16": {"precision": "bf16"},
    "attention": {"attention": 15, "dropout": 0.3},
    "all": {
        "dropout": 0.3,
        "weight_dropout": 0.2,
        "lines": True,
        "kind": "byte",
        "precision": "bf16",
        "layers": 3,
        "clip": 0.0,
    },
}


@pytest.mark.parametrize("variation", VARIATIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_training_that_is_stopped_and_resumed_is_bit_for_bit_the_same(
    cell: str, variation: str, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # char-rnn #137 and nanoGPT #467: only the weights were restored.
    settings = {"cell": cell, "steps": 24, "evaluate_every": 5, "checkpoint_every": 100}
    settings |= VARIATIONS[variation]
    straight = make_trainer("straight", **settings)
    whole = list(straight)

    stopped = make_trainer("stopped", **settings)
    run = stopped.run
    # At the first step, in the middle, where an evaluation is due, twice in a row, at the last.
    for step in (1, 4, 10, 11, 20, 24):
        stop_during(stopped, step, monkeypatch)
        stopped = Trainer.resume(run)
        assert stopped.position.step == step
    list(stopped)

    assert whole[-1].epoch >= 2
    assert learned(run) == learned(straight.run)
    assert without_the_clock(run) == without_the_clock(straight.run)
    assert position(run) == position(straight.run)
    assert run.best.resolve().name == straight.run.best.resolve().name


@pytest.mark.filterwarnings("ignore:.*it was trained with charrnn's own C")  # where it is not built
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_resumes_exactly(
    kernel: str, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_resumes_exactly(make_trainer, kernel, monkeypatch)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("variation", VARIATIONS)
def test_a_training_on_a_gpu_is_stopped_and_resumed_there(
    variation: str, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"device": "cuda", "steps": 24, "evaluate_every": 5} | VARIATIONS[variation]
    straight = list(make_trainer("straight", **settings))[-1]
    stopped = make_trainer("stopped", **settings)
    stop_during(stopped, 11, monkeypatch)
    resumed = list(Trainer.resume(stopped.run))[-1]
    # Sums are in another order every time, so not to the last bit.
    assert resumed.validation_nats == pytest.approx(straight.validation_nats, rel=0.02)
    assert resumed.train_nats == pytest.approx(straight.train_nats, rel=0.02)


def threads_of_steps(trainer: Trainer) -> set[int]:
    """On how many threads of PyTorch it takes its steps, all of them."""
    found, step = set(), trainer.learner.step

    def watch(*arguments: Any) -> Any:
        found.add(torch.get_num_threads())
        return step(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer.learner, "step", watch)
        list(trainer)
    return found


@pytest.mark.slow
def test_two_threads_resume_exactly(
    make_trainer: MakeTrainer, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trainer(name: str) -> Trainer:
        torch.set_num_threads(1)
        sizes = {"hidden_size": 128, "batch_size": 32, "sequence_length": 16, "steps": 6}
        planned = make_trainer(name, prose * 4, **sizes)
        config = dataclasses.replace(planned.config, threads=2)
        return Trainer(planned.corpus, planned.learner.network, config, planned.run)

    straight, stopped = trainer("straight"), trainer("stopped")
    list(straight)
    stop_during(stopped, 3, monkeypatch)
    resumed = Trainer.resume(stopped.run)
    assert threads_of_steps(resumed) == {2}
    assert learned(stopped.run) == learned(straight.run)


def test_a_training_that_was_killed_goes_on_from_its_last_checkpoint(
    make_trainer: MakeTrainer,
) -> None:
    settings = {"steps": 24, "evaluate_every": 100, "checkpoint_every": 7}
    straight = make_trainer("straight", **settings)
    list(straight)
    killed = make_trainer("killed", **settings)
    forgotten = 0
    for step in (12, 13, 20):  # neither stopped nor saved: as by a power cut
        abandon(killed, step)
        measured = len(killed.run.metrics())
        killed = Trainer.resume(killed.run)
        forgotten += measured - len(killed.run.metrics())
    list(killed)
    assert forgotten > 0  # what was measured after the last checkpoint is measured again
    assert learned(killed.run) == learned(straight.run)
    assert without_the_clock(killed.run) == without_the_clock(straight.run)


def test_an_evaluation_that_was_put_off_is_recorded_once(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stopped where an evaluation is due, it is made on resuming. When that is killed and resumed
    # again, the line must not stand there twice. A rate that high makes the evaluation no best.
    settings = {"evaluate_every": 2, "checkpoint_every": 100, "learning_rate": 1.0, "steps": 40}
    straight = make_trainer("straight", **settings)
    list(straight)
    evaluations = [line for line in straight.run.metrics() if "validation_nats" in line]
    best = min(evaluations, key=lambda line: float(line["validation_nats"]))
    late = int(next(line["step"] for line in evaluations if line["step"] > best["step"]))

    stopped = make_trainer("stopped", **settings)
    stop_during(stopped, late, monkeypatch)
    list(itertools.islice(Trainer.resume(stopped.run), 1))  # then the power fails
    list(Trainer.resume(stopped.run))
    assert without_the_clock(stopped.run) == without_the_clock(straight.run)


@pytest.mark.parametrize("step", [1, 5, 11])
def test_a_stop_between_two_steps_is_saved(step: int, make_trainer: MakeTrainer) -> None:
    # A Ctrl-C may come while the screen is drawn, when no step is running.
    trainer = make_trainer("run", evaluate_every=100, checkpoint_every=100)
    for progress in trainer:
        if progress.step == step:
            trainer.request_stop()
    assert read_checkpoint(trainer.run.last).position.step == trainer.position.step
    assert step <= trainer.position.step <= step + 1


def test_a_stop_before_the_first_step_leaves_nothing(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run")
    trainer.request_stop()
    assert list(trainer) == []
    assert not trainer.run.directory.exists()
    assert trainer.run.directory.parent.exists()  # which may have others


def test_a_finished_training_cannot_be_resumed(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run")
    list(trainer)
    with pytest.raises(TrainingError, match="finished its 12 steps"):
        Trainer.resume(trainer.run)


@pytest.fixture
def stopped(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that was stopped after 5 of its 12 steps."""
    trainer = make_trainer("run")
    stop_during(trainer, 5, monkeypatch)
    return trainer.run


def test_a_changed_corpus_cannot_be_resumed(stopped: Run, corpus_of: CorpusOf, prose: str) -> None:
    corpus_of(prose[:331])  # the file it was trained on, with one more character
    with pytest.raises(CorpusError, match="not the text"):
        Trainer.resume(stopped)
    assert list(Trainer.resume(stopped, corpus_of(prose[:330], "elsewhere")))[-1].step == 12


def tamper(run: Run, part: str, key: str, value: Any) -> None:
    path = run.last / TRAINING
    data = json.loads(path.read_bytes())
    data[part][key] = value
    path.write_text(json.dumps(data))
    reseal(path.parent)


def test_a_device_that_this_machine_lacks_is_told(stopped: Run) -> None:
    # A run that was begun on a GPU and copied to a laptop.
    tamper(stopped, "config", "device", "cuda:99")
    with pytest.raises(CharRNNError, match="cuda:99"):
        Trainer.resume(stopped)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("position", "chunk", 999),
        ("position", "chunk", -1),
        ("position", "epoch", -1),
        ("config", "kernel", "warp"),
    ],
)
def test_a_checkpoint_that_cannot_be_gone_on_with_is_told(
    part: str, key: str, value: object, stopped: Run
) -> None:
    tamper(stopped, part, key, value)
    with pytest.raises(ModelError, match="^(?!.*damaged)"):
        Trainer.resume(stopped)


# What a training depends on


def test_the_same_seed_gives_the_same_bytes(make_trainer: MakeTrainer) -> None:
    first, again, other = (
        make_trainer(name, seed=seed, dropout=0.2)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    for trainer in (first, again, other):
        list(trainer)
    assert learned(first.run) == learned(again.run)
    assert learned(first.run) != learned(other.run)
    assert without_the_clock(first.run) == without_the_clock(again.run)


@pytest.mark.parametrize("cell", CELLS)
def test_how_often_it_is_evaluated_and_saved_changes_nothing(
    cell: str, make_trainer: MakeTrainer
) -> None:
    often = make_trainer("often", cell=cell, dropout=0.3, evaluate_every=1, checkpoint_every=1)
    seldom = make_trainer(
        "seldom", cell=cell, dropout=0.3, evaluate_every=1000, checkpoint_every=1000
    )
    for trainer in (often, seldom):
        list(trainer)
    assert learned(often.run) == learned(seldom.run)
    losses = [
        [line for line in without_the_clock(trainer.run) if "train_nats" in line]
        for trainer in (often, seldom)
    ]
    assert losses[0] == losses[1] != []


def test_the_global_generators_are_neither_read_nor_changed(make_trainer: MakeTrainer) -> None:
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        trainer = make_trainer(f"run-{seed}", dropout=0.5)
        list(trainer)
        assert torch.equal(before, torch.get_rng_state())
        results.append(learned(trainer.run))
    assert results[0] == results[1]


def test_a_training_runs_on_its_own_threads_and_gives_them_back(
    make_trainer: MakeTrainer,
) -> None:
    # Threads are part of its config, since sums differ in their last bits with them: neither what
    # ran before nor what was made meanwhile may change them, and PyTorch is not ours alone.
    planned = make_trainer("two")
    config = dataclasses.replace(planned.config, threads=2)
    two = Trainer(planned.corpus, planned.learner.network, config, planned.run)
    one = make_trainer("one")
    torch.set_num_threads(3)
    assert threads_of_steps(two) == {2}
    assert threads_of_steps(one) == {1}
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("where", ["step", "evaluation"])
def test_an_interrupt_waits_for_the_step_and_nothing_is_lost(
    where: str, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook's stop button came in the middle of a step, and all since the last checkpoint
    went."""
    settings = {"evaluate_every": 5, "checkpoint_every": 100}
    straight, stopped = make_trainer("straight", **settings), make_trainer("stopped", **settings)
    list(straight)
    step, evaluate = stopped.learner.step, stopped.task.evaluate

    def interrupted(chunk: Any, number: int) -> StepResult:
        if where == "step" and number == 6:
            signal.raise_signal(signal.SIGINT)
        return step(chunk, number)

    def evaluated(*arguments: Any, **settings: Any) -> Any:
        if where == "evaluation" and stopped.position.step == 5:
            signal.raise_signal(signal.SIGINT)
        return evaluate(*arguments, **settings)

    monkeypatch.setattr(stopped.learner, "step", interrupted)
    monkeypatch.setattr(stopped.task, "evaluate", evaluated)
    with pytest.raises(KeyboardInterrupt):
        list(stopped)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert read_checkpoint(stopped.run.last).position.step == (7 if where == "step" else 5)
    list(Trainer.resume(stopped.run))
    assert learned(stopped.run) == learned(straight.run)


def test_a_second_interrupt_is_not_waited_with(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("run", evaluate_every=100, checkpoint_every=2)

    def interrupted(*_: Any) -> StepResult:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    steps = iter(trainer)
    assert [next(steps).step for _ in range(3)] == [1, 2, 3]
    monkeypatch.setattr(trainer.learner, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(steps)
    assert read_checkpoint(trainer.run.last).position.step == 2


def test_a_handler_of_the_program_is_left_alone(make_trainer: MakeTrainer) -> None:
    received = []
    before = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        for progress in make_trainer("run"):
            if progress.step == 3:
                signal.raise_signal(signal.SIGINT)
        assert received == [signal.SIGINT] and progress.step == progress.steps
    finally:
        signal.signal(signal.SIGINT, before)


def test_between_steps_the_threads_are_the_callers(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("one")
    torch.set_num_threads(3)
    assert {torch.get_num_threads() for _ in trainer} == {3}


# What it writes


def test_metrics_have_exactly_the_keys_of_the_design(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run", steps=35, evaluate_every=10)
    list(trainer)
    lines = [json.loads(line) for line in trainer.run.metrics_path.read_text().splitlines()]
    training = [line for line in lines if "train_nats" in line]
    evaluations = [line for line in lines if "validation_nats" in line]
    others = [line for line in lines if line not in training and line not in evaluations]
    assert [line.keys() for line in others] == [UNTRAINED_KEYS, BASELINE_KEYS]
    assert [line["step"] for line in others] == [0, 10]
    assert all(line.keys() == TRAINING_KEYS for line in training)
    assert all(line.keys() == EVALUATION_KEYS for line in evaluations)
    assert [line["step"] for line in training] == [10, 20, 30]
    assert [line["step"] for line in evaluations] == [10, 20, 30, 35]
    for line in evaluations:
        bits = line["validation_nats"] / math.log(2)
        assert line["validation_bits"] == pytest.approx(bits)
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)


def test_training_lines_are_means_since_the_last(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run", steps=20)
    told = list(trainer)
    lines = [line for line in trainer.run.metrics() if "train_nats" in line]
    for number, line in enumerate(lines):
        steps = told[LOG_EVERY * number : LOG_EVERY * (number + 1)]
        mean = sum(progress.train_nats for progress in steps) / LOG_EVERY
        assert line["train_nats"] == pytest.approx(mean)
        assert line["characters"] == steps[-1].characters
        assert line["epoch"] == steps[-1].epoch
        assert line["learning_rate"] == steps[-1].learning_rate


@pytest.mark.parametrize(("evaluate_every", "checkpoint_every"), [(5, 3), (6, 3), (6, 4), (7, 30)])
def test_what_it_does_besides_steps_is_what_a_budget_is_planned_with(
    evaluate_every: int,
    checkpoint_every: int,
    make_trainer: MakeTrainer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The saves between evaluations, and the samples, were left out of budgets."""
    trainer = make_trainer(
        "run", steps=23, evaluate_every=evaluate_every, checkpoint_every=checkpoint_every
    )
    losses = iter(range(99, 0, -1))  # each evaluation is the best so far, and is saved
    monkeypatch.setattr(trainer.task, "evaluate", lambda *_, **__: iter([(float(next(losses)), 1)]))
    done = list(trainer)
    saves = sum(each.checkpoint is not None for each in done)
    samples = sum(each.sample is not None for each in done)
    machine = Machine(
        device="cpu",
        precision="fp32",
        kernel="fused",
        threads=1,
        step_seconds=0.0,
        evaluation_speed=math.inf,
        save_seconds=1.0,
        sample_seconds=100.0,
        probe_seconds=0.0,
    )
    assert planned_seconds(trainer.config, machine) == saves + 100 * samples


def test_progress_tells_of_every_step(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run", steps=20, evaluate_every=5, checkpoint_every=4)
    told = list(trainer)
    assert [progress.step for progress in told] == list(range(1, 21))
    assert {progress.steps for progress in told} == {20}
    assert [p.step for p in told if p.validation_nats is not None] == [5, 10, 15, 20]
    assert [p.step for p in told if p.sample is not None] == [5, 10, 15, 20]
    saved = {p.step for p in told if p.checkpoint is not None}
    assert saved >= {4, 8, 12, 16, 20}
    best = math.inf
    for progress in told:
        best = min(best, progress.validation_nats or math.inf)
        assert (progress.best_nats or math.inf) == best
        assert len(progress.sample or "") in (0, 300)
    assert [p.epoch for p in told] == sorted(p.epoch for p in told)


def test_an_epoch_reads_every_character_once(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run", steps=24)
    characters = {p.epoch: p.characters for p in trainer}  # at the end of each epoch
    assert characters[0] == len(_task(trainer).training) == 297
    assert characters[1] == 2 * 297


def test_best_is_the_best_and_last_the_last(make_trainer: MakeTrainer) -> None:
    # A rate that makes it go up and down; and more evaluations than checkpoints are kept.
    trainer = make_trainer("run", steps=40, evaluate_every=2, learning_rate=1.0, keep=1)
    list(trainer)
    evaluations = [line for line in trainer.run.metrics() if "validation_nats" in line]
    best = min(evaluations, key=lambda line: float(line["validation_nats"]))
    assert best["step"] < 40  # else this shows nothing
    assert read_model(trainer.run.best).provenance.step == best["step"]
    assert read_model(trainer.run.best).provenance.validation_nats == best["validation_nats"]
    assert read_model(trainer.run.last).provenance.step == 40
    assert [path.name for path in trainer.run.checkpoints()] == [
        f"step-{best['step']:08d}",
        "step-00000040",
    ]


def test_before_the_first_evaluation_best_is_the_last(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("run", evaluate_every=100)
    stop_during(trainer, 3, monkeypatch)
    assert load(trainer.run.directory).provenance.step == 3


@pytest.mark.parametrize("keep", [1, 3])
def test_so_many_checkpoints_are_kept_besides_the_best(
    keep: int, make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer(
        "run", checkpoint_every=1, evaluate_every=1, learning_rate=1.0, keep=keep
    )
    list(trainer)
    steps = [int(path.name.removeprefix("step-")) for path in trainer.run.checkpoints()]
    best = int(trainer.run.best.resolve().name.removeprefix("step-"))
    assert steps == sorted({best, *range(13 - keep, 13)})


def test_validation_is_that_of_the_saved_model_on_the_held_out_text(
    make_trainer: MakeTrainer,
) -> None:
    trainer = make_trainer("run")
    list(trainer)
    model = read_model(trainer.run.last)
    assert len(_task(trainer).validation) == 33
    nats = score(NumPyEngine.of(model), _task(trainer).validation)
    assert model.provenance.validation_nats == pytest.approx(nats, abs=1e-5)


def test_of_a_long_validation_text_so_much_is_read_as_was_planned(
    make_trainer: MakeTrainer, prose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundredth of 100 MB, or each evaluation would take longer than the training between."""
    read: list[int] = []

    def counted(*arguments: Any, **settings: Any) -> Iterator[tuple[float, int]]:
        for nats in score_in_steps(*arguments, **settings):
            read.append(1)
            yield nats

    monkeypatch.setattr(task, "score_in_steps", counted)
    monkeypatch.setattr("charrnn.evaluation.protocols._CHUNK", 10)
    trainer = make_trainer("run", prose[:330], steps=6)
    trainer.config = dataclasses.replace(trainer.config, evaluation_characters=20)
    list(trainer)
    assert len(read) == 3  # of 32 predictions, in pieces of 8


# Early stopping


@pytest.fixture
def noise() -> str:
    """A text of which nothing but its letters can be learned: all else is learning it by heart."""
    return "".join(map(str, np.random.default_rng(0).integers(10, size=500)))


BY_HEART: dict[str, Any] = {
    "steps": 400,
    "hidden_size": 48,
    "batch_size": 8,
    "learning_rate": 0.03,
    "evaluate_every": 10,
    "patience": 3,
}


def test_a_training_whose_validation_has_turned_ends_and_keeps_its_best(
    make_trainer: MakeTrainer, noise: str
) -> None:
    trainer = make_trainer("run", noise, **BY_HEART)
    last = list(trainer)[-1]
    assert trainer.turned and last.step < 400
    evaluated = [line for line in trainer.run.metrics() if "validation_nats" in line]
    losses = [line["validation_nats"] for line in evaluated]
    best = losses.index(min(losses))
    assert len(losses) - 1 - best >= 3  # so long it was waited for
    assert losses[-1] > 1.01 * losses[best]
    assert read_checkpoint(trainer.run.best).position.step == evaluated[best]["step"]
    # What it came to is there as well, and says why it cannot be gone on with.
    assert read_checkpoint(trainer.run.last).position.step == last.step
    with pytest.raises(TrainingError, match=f"ended early at step {last.step}.*had risen.*--from"):
        Trainer.resume(trainer.run)


def test_a_training_that_is_stopped_before_it_has_turned_ends_at_the_same_step(
    make_trainer: MakeTrainer, noise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_trainer("whole", noise, **BY_HEART)
    end = list(whole)[-1].step
    parts = make_trainer("parts", noise, **BY_HEART)
    stop_during(parts, end - 13, monkeypatch)
    again = Trainer.resume(parts.run)
    assert list(again)[-1].step == end and again.turned
    assert learned(again.run) == learned(whole.run)
    assert without_the_clock(again.run) == without_the_clock(whole.run)


def test_without_patience_a_training_goes_on_to_its_end(
    make_trainer: MakeTrainer, noise: str
) -> None:
    trainer = make_trainer("run", noise, **(BY_HEART | {"patience": 0, "steps": 150}))
    assert list(trainer)[-1].step == 150 and not trainer.turned


@pytest.mark.parametrize(
    ("step", "evaluated", "best_step", "nats", "turned"),
    [
        (60, 60, 10, 2.03, True),
        (60, 60, 30, 2.03, True),
        (60, 60, 40, 2.03, False),  # two evaluations ago
        (60, 60, 10, 2.01, False),  # hardly worse: it wavers
        (63, 60, 10, 2.03, False),  # a step that was not evaluated
        (10, 10, 10, 2.00, False),
        (60, 60, None, 2.03, False),  # the best was lost
    ],
)
def test_validation_has_turned_when_it_was_worse_for_long_and_is_clearly(
    step: int,
    evaluated: int,
    best_step: int | None,
    nats: float,
    turned: bool,
    make_trainer: MakeTrainer,
) -> None:
    trainer = make_trainer("run", evaluate_every=10, patience=3, steps=100)
    position = dataclasses.replace(
        trainer.position,
        step=step,
        evaluated=evaluated,
        best_step=best_step,
        best_nats=None if best_step is None else 2.0,
        validation_nats=nats,
    )
    assert should_stop_early(position, trainer.schedule) == turned


def test_a_model_knows_where_it_comes_from(make_trainer: MakeTrainer, prose: str) -> None:
    trainer = make_trainer("run", seed=3)
    told = list(trainer)
    provenance = read_model(trainer.run.last).provenance
    assert provenance.corpus == "corpus"
    assert provenance.sha256 == hashlib.sha256(prose[:330].encode()).hexdigest()
    assert (provenance.corpus_characters, provenance.seed, provenance.step) == (330, 3, 12)
    assert provenance.characters == told[-1].characters


def test_time_counts_training_alone(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A clock that goes on by a second whenever it is read, and by an hour with each evaluation.
    seconds = itertools.count()
    clock = types.SimpleNamespace(perf_counter=lambda: float(next(seconds)))

    def slowly(engine: Engine, ids: Ids, **settings: Any) -> Iterator[tuple[float, int]]:
        next(itertools.islice(seconds, 3600, None))
        yield from score_in_steps(engine, ids, **settings)

    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(task, "score_in_steps", slowly)
    trainer = make_trainer("run", steps=30, evaluate_every=3)
    assert [progress.seconds for progress in trainer] == list(range(1, 31))
    assert [line["seconds"] for line in trainer.run.metrics()] == [
        line["step"] for line in trainer.run.metrics()
    ]
    per_step = trainer.config.batch_size * trainer.config.sequence_length
    speeds = [
        line["characters_per_second"] for line in trainer.run.metrics() if "train_nats" in line
    ]
    assert speeds == pytest.approx([per_step] * 3, rel=0.1)


# Divergence


def diverging(make_trainer: MakeTrainer, after: int, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """A training whose weights break after so many steps."""
    trainer = make_trainer("run", checkpoint_every=2, evaluate_every=100)
    take = trainer.learner.step

    def breaking(chunk: Chunk, number: int) -> StepResult:
        if number == after:
            with torch.no_grad():
                trainer.learner.network.head.bias[0] = math.nan
        return take(chunk, number)

    monkeypatch.setattr(trainer.learner, "step", breaking)
    return trainer


def test_divergence_keeps_the_last_good_checkpoint_and_says_what_to_do(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = diverging(make_trainer, 5, monkeypatch)
    with pytest.raises(DivergedError, match=r"step 6.*--learning-rate 0\.0033") as caught:
        list(trainer)
    assert str(trainer.run.last) in str(caught.value) and "\n" not in str(caught.value)
    assert read_checkpoint(trainer.run.last).position.step == 4
    monkeypatch.undo()
    assert list(Trainer.resume(trainer.run))[-1].step == 12


def test_divergence_before_the_first_checkpoint_promises_none(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = diverging(make_trainer, 1, monkeypatch)
    with pytest.raises(DivergedError) as caught:
        list(trainer)
    assert "sound" not in str(caught.value)
    assert trainer.run.checkpoints() == []


@pytest.mark.parametrize("evaluate_every", [1, 100])
@pytest.mark.parametrize("learning_rate", [1e10, 1e20, 1e38])
def test_no_learning_rate_is_so_high_that_a_broken_model_is_saved(
    learning_rate: float, evaluate_every: int, make_trainer: MakeTrainer
) -> None:
    # The loss of a step is sound, and the weights it leaves are not: so large that any text makes
    # them overflow.
    trainer = make_trainer(
        "run",
        learning_rate=learning_rate,
        clip=0.0,
        evaluate_every=evaluate_every,
        checkpoint_every=1,
    )
    with pytest.raises(DivergedError, match="--learning-rate"):
        list(trainer)
    for line in trainer.run.metrics():
        assert all(math.isfinite(value) for name, value in line.items() if name != "sample")
    for path in trainer.run.checkpoints():
        read_checkpoint(path)


# Damage


OFTEN: dict[str, Any] = {"steps": 24, "evaluate_every": 6, "checkpoint_every": 3, "dropout": 0.3}


def abandon(trainer: Trainer, step: int) -> Run:
    """Trains so far, and then the power fails."""
    for progress in trainer:
        if progress.step == step:
            trainer.request_stop()  # of what is not gone on with, nothing is saved
            break
    return trainer.run


def damage(checkpoint: Path, file: str) -> None:
    """Turns one bit of it around, in the middle."""
    content = bytearray((checkpoint / file).read_bytes())
    content[len(content) // 2] ^= 1
    (checkpoint / file).write_bytes(content)


def steps_of(run: Run) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in run.checkpoints()]


@pytest.mark.parametrize(
    "file", ["config.json", "tokenizer.json", TENSORS, TRAINING, TRAINING_TENSORS, MANIFEST]
)
def test_where_the_newest_is_damaged_training_goes_on_from_the_one_before(
    file: str, make_trainer: MakeTrainer
) -> None:
    """And comes to the same, bit by bit: all that is lost is time."""
    straight = make_trainer("straight", **OFTEN)
    list(straight)
    run = abandon(make_trainer("damaged", **OFTEN), 16)
    assert steps_of(run)[-2:] == [12, 15]
    damage(run.checkpoint(15), file)
    # Half of a manifest is about each file: then that one is named, which is not what was written.
    named = run.checkpoint(15) / (".*" if file == MANIFEST else file)
    expected = f"^{named}: .*; falling back on {run.checkpoint(12)}$"
    with pytest.warns(CharRNNWarning, match=expected) as told:
        trainer = Trainer.resume(run)
    assert len(told) == 1
    assert trainer.position.step == 12
    assert steps_of(run)[-1] == 12  # the damaged one is forgotten
    assert run.last.resolve().name == "step-00000012"
    list(trainer)
    assert learned(run) == learned(straight.run)
    assert without_the_clock(run) == without_the_clock(straight.run)
    assert position(run) == position(straight.run)
    assert run.best.resolve().name == straight.run.best.resolve().name


@pytest.mark.parametrize("how", ["break", "error"])
def test_a_training_that_is_left_between_two_steps_is_saved(
    how: str, make_trainer: MakeTrainer
) -> None:
    """`if progress.validation_nats < 1.5: break`, or an interrupted notebook."""
    trainer = make_trainer("run", **OFTEN)
    with contextlib.suppress(ZeroDivisionError):
        for progress in trainer:
            if progress.step == 7:
                if how == "break":
                    break
                raise ZeroDivisionError
    del progress
    gc.collect()
    assert steps_of(trainer.run)[-1] == 7
    assert Trainer.resume(trainer.run).position.step == 7


def test_where_several_are_damaged_each_is_told(make_trainer: MakeTrainer) -> None:
    run = abandon(make_trainer("run", keep=4, **OFTEN), 16)
    assert steps_of(run) == [6, 9, 12, 15]
    for step in (9, 12, 15):
        damage(run.checkpoint(step), TENSORS)
    with pytest.warns(CharRNNWarning) as told:
        trainer = Trainer.resume(run)
    assert trainer.position.step == 6
    damaged = [str(each.message).partition("/model.safetensors: damaged: ") for each in told]
    falling = [what for what in damaged if "falling back" in what[2]]
    assert [name for name, _, _ in falling] == [str(run.checkpoint(step)) for step in (15, 12, 9)]


def test_a_checkpoint_of_another_step_than_its_name_says_is_damaged(
    make_trainer: MakeTrainer,
) -> None:
    """A folder that was renamed, or copied over another: each file in it is sound."""
    run = abandon(make_trainer("run", **OFTEN), 16)
    shutil.rmtree(run.checkpoint(15))
    shutil.copytree(run.checkpoint(12), run.checkpoint(15))
    expected = (
        r"step-00000015/training\.json: it belongs to step 12; falling back on .*step-00000012$"
    )
    with pytest.warns(CharRNNWarning, match=expected):
        assert Trainer.resume(run).position.step == 12


def test_where_all_are_damaged_the_newest_is_named_and_nothing_is_touched(
    make_trainer: MakeTrainer,
) -> None:
    run = abandon(make_trainer("run", **OFTEN), 16)
    for path in run.checkpoints():
        damage(path, TENSORS)
    before = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    with pytest.raises(ModelError, match=f"^{run.checkpoint(15) / TENSORS}: damaged: "):
        Trainer.resume(run)
    after = {path: path.read_bytes() for path in run.directory.rglob("*") if path.is_file()}
    assert after == before
    run.claim()  # which nobody has any more
    run.release()


def test_a_finished_training_whose_end_is_damaged_is_finished_again(
    make_trainer: MakeTrainer,
) -> None:
    trainer = make_trainer("run", keep=4, **OFTEN)
    list(trainer)
    before = learned(trainer.run)
    damage(trainer.run.checkpoint(24), TRAINING_TENSORS)
    with pytest.warns(CharRNNWarning, match="falling back on"):
        again = Trainer.resume(trainer.run)
    assert [progress.step for progress in again] == [22, 23, 24]
    assert learned(trainer.run) == before


def test_damaged_measurements_do_not_keep_a_training_from_going_on(
    make_trainer: MakeTrainer,
) -> None:
    run = abandon(make_trainer("run", **OFTEN), 16)
    lines = run.metrics_path.read_bytes().splitlines(keepends=True)
    run.metrics_path.write_bytes(b"".join([b"\0" * 50 + b"\n", *lines[1:]]))
    with pytest.warns(CharRNNWarning, match=r"metrics\.jsonl: 1 of \d lines are damaged"):
        trainer = Trainer.resume(run)
    list(trainer)
    assert run.metrics()[-1]["step"] == 24


def worse(make_trainer: MakeTrainer, step: int, **settings: Any) -> Run:
    """A training that was abandoned at a step, well after the best."""
    settings = {"steps": 40, "evaluate_every": 2, "learning_rate": 1.0, "keep": 2} | settings
    run = abandon(make_trainer("run", **settings), step)
    best, last = (int(link.resolve().name.removeprefix("step-")) for link in (run.best, run.last))
    assert best + 4 < last, "else this shows nothing"
    return run


@pytest.mark.parametrize("how", ["damaged", "missing", "no longer linked"])
def test_a_best_that_is_damaged_or_gone_is_repaired(how: str, make_trainer: MakeTrainer) -> None:
    """Else `sample` would warn for ever, if nothing better came; or what came next was compared
    with a model that nobody has any more, and was deleted as worse."""
    run = worse(make_trainer, 30)
    best, last = run.best.resolve(), run.last.resolve()
    if how == "damaged":
        damage(best, TENSORS)
    elif how == "missing":
        shutil.rmtree(best)
    else:
        run.mark_best(int(last.name.removeprefix("step-")))
    if how == "no longer linked":  # it is sound: the link is mended, and no word lost
        trainer = Trainer.resume(run)
        assert run.best.resolve() == best
        assert trainer.position.best_step == int(best.name.removeprefix("step-"))
        return
    expected = rf"^{best}[/:].*; it was the best model, and the best from here on takes its place$"
    with pytest.warns(CharRNNWarning, match=expected) as told:
        trainer = Trainer.resume(run)
    assert len(told) == 1
    assert run.best.resolve() == last
    assert read_model(run.best).provenance.step == trainer.position.step
    measured = trainer.position.validation_nats
    assert trainer.position.best_nats == measured is not None
    list(trainer)
    evaluations = [
        line
        for line in run.metrics()
        if "validation_nats" in line and line["step"] >= int(last.name.removeprefix("step-"))
    ]
    best_line = min(evaluations, key=lambda line: line["validation_nats"])
    assert run.best.resolve().name == f"step-{best_line['step']:08.0f}"
    assert load(run.directory).provenance.step == best_line["step"]


def test_a_best_that_is_damaged_before_the_newest_was_evaluated_is_the_next(
    make_trainer: MakeTrainer,
) -> None:
    """What is not measured yet is the best there is, until something is."""
    run = worse(make_trainer, 19, evaluate_every=4, checkpoint_every=1)
    damage(run.best.resolve(), TENSORS)
    with pytest.warns(CharRNNWarning, match="it was the best model"):
        trainer = Trainer.resume(run)
    assert trainer.position.best_nats is None and trainer.position.best_step is None
    assert run.best.resolve().name == "step-00000019"
    evaluated = next(iter(trainer))
    assert evaluated.step == 20
    assert evaluated.best_nats == evaluated.validation_nats is not None
    assert run.best.resolve().name == "step-00000020"


def test_a_newest_that_was_the_best_and_is_damaged_leaves_the_best_before_it(
    make_trainer: MakeTrainer,
) -> None:
    """The one before it knows of an older best, which was deleted when the newer came."""
    run = abandon(make_trainer("run", keep=2, **OFTEN | {"checkpoint_every": 2}), 12)
    assert (steps_of(run), run.best.resolve().name) == ([10, 12], "step-00000012")
    damage(run.checkpoint(12), TRAINING)
    with pytest.warns(CharRNNWarning) as told:
        trainer = Trainer.resume(run)
    assert ["falling back" in str(each.message) for each in told] == [True, False]
    assert "step-00000006: it is gone" in str(told[1].message)
    assert run.best.resolve().name == "step-00000010"
    list(trainer)
    assert read_model(run.best).provenance.step == trainer.position.best_step


def test_a_save_that_was_killed_between_its_two_renames_costs_nothing(
    make_trainer: MakeTrainer,
) -> None:
    """A checkpoint that is saved again, with what an evaluation gave, takes its own place: for a
    moment there is none of its name. With --keep 1 it was the only one."""
    run = abandon(make_trainer("run", steps=12, keep=1, checkpoint_every=3, evaluate_every=100), 6)
    assert steps_of(run) == [6]
    run.checkpoint(6).rename(run.directory / ".replaced-step-00000006")
    trainer = Trainer.resume(run)
    assert trainer.position.step == 6
    assert list(trainer)[-1].step == 12


# One at a time


def test_a_run_that_is_being_trained_cannot_be_resumed(make_trainer: MakeTrainer) -> None:
    """Two trainings that write to one run leave a mix of both."""
    trainer = make_trainer("run", **OFTEN)
    training = iter(trainer)
    next(progress for progress in training if progress.step == 7)
    with pytest.raises(TrainingError, match="run: another charrnn is training this run"):
        Trainer.resume(Run(trainer.run.directory))
    assert list(training)[-1].step == 24  # which it did no harm
    with pytest.raises(TrainingError, match="finished its 24 steps"):
        Trainer.resume(Run(trainer.run.directory))


def test_a_run_may_be_resumed_once_its_training_is_over(make_trainer: MakeTrainer) -> None:
    """However it ended: closed, or by an exception in what was done between two steps."""
    trainer = make_trainer("run", **OFTEN)
    with pytest.raises(KeyboardInterrupt):
        for progress in trainer:
            if progress.step == 4:
                raise KeyboardInterrupt
    training = iter(Trainer.resume(Run(trainer.run.directory)))
    next(training)
    training.close()
    again = Trainer.resume(Run(trainer.run.directory))
    assert list(again)[-1].step == 24


def test_a_training_that_fails_lets_the_run_go(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a notebook, the error is kept, and with it all that it came through."""
    trainer = diverging(make_trainer, 5, monkeypatch)
    with pytest.raises(DivergedError) as kept:
        list(trainer)
    assert list(Trainer.resume(Run(trainer.run.directory)))[-1].step == 12
    assert kept.value is not None


def test_a_resume_that_fails_lets_the_run_go(stopped: Run, corpus_of: CorpusOf, prose: str) -> None:
    with pytest.raises(CorpusError) as kept:
        Trainer.resume(stopped, corpus_of(prose[:331], "other"))
    assert list(Trainer.resume(Run(stopped.directory)))[-1].step == 12
    assert kept.value is not None


def test_a_resume_that_is_thrown_away_lets_the_run_go(stopped: Run) -> None:
    trainer = Trainer.resume(Run(stopped.directory))
    with pytest.raises(TrainingError, match="another charrnn"):
        Trainer.resume(Run(stopped.directory))
    del trainer
    gc.collect()
    assert Trainer.resume(Run(stopped.directory)).position.step == 5


# Full disks


def failing_disk(operation: str, name: str, error: int) -> Callable[[str, Path], None]:
    def fail(what: str, path: Path) -> None:
        if (what, path.name) == (operation, name):
            raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(
    ("operation", "name", "sound"),
    [
        ("write", "metrics.jsonl", 9),
        ("mkdir", ".partial-step-00000012", 9),
        ("write", TRAINING_TENSORS, 9),
        ("fsync", MANIFEST, 9),
        ("rename", "step-00000012", 9),
        ("rename", "last", 12),
    ],
)
def test_a_disk_that_fails_costs_no_more_than_what_came_after_the_last_checkpoint(
    operation: str,
    name: str,
    sound: int,
    error: int,
    make_trainer: MakeTrainer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    straight = make_trainer("straight", **OFTEN)
    list(straight)
    trainer = make_trainer("failed", **OFTEN)
    run = trainer.run
    with monkeypatch.context() as patch, pytest.raises(StorageError) as caught:
        for progress in trainer:
            if progress.step == 9:
                patch.setattr(files, "before_change", failing_disk(operation, name, error))
    told = str(caught.value)
    assert ": cannot be written: " in told and os.strerror(error) in told and "\n" not in told
    assert told.endswith(f"; {run.checkpoint(sound)} is intact: continue from it with --resume")
    assert read_checkpoint(run.checkpoint(sound)).position.step == sound
    assert not list(run.directory.glob(".*"))
    resumed = Trainer.resume(run)
    assert resumed.position.step == sound
    list(resumed)
    assert learned(run) == learned(straight.run)
    assert without_the_clock(run) == without_the_clock(straight.run)


def test_a_disk_that_fails_before_the_first_checkpoint_promises_none(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("run", **OFTEN)
    failing = failing_disk("write", TRAINING_TENSORS, errno.ENOSPC)
    monkeypatch.setattr(files, "before_change", failing)
    with pytest.raises(StorageError, match=r"it needs .* kB; .* are free$"):
        list(trainer)
    assert trainer.run.checkpoints() == []


def test_a_run_that_is_deleted_meanwhile_is_a_storage_error(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run", **OFTEN)
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        for progress in trainer:
            if progress.step == 7:
                shutil.rmtree(trainer.run.directory)


def test_a_disk_that_is_full_at_the_first_step_leaves_a_run_that_can_be_made_again(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("run", **OFTEN)
    monkeypatch.setattr(
        trainer.learner, "step", lambda *_: (_ for _ in ()).throw(StorageError("x"))
    )
    with pytest.raises(StorageError):
        list(trainer)
    assert not trainer.run.directory.exists()
    monkeypatch.undo()
    list(make_trainer("run", **OFTEN))


# Learning


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_repetitive_text_is_learned(cell: str, precision: str, make_trainer: MakeTrainer) -> None:
    text = "the cat sat on the mat, and the rat sat on the cat. " * 16
    trainer = make_trainer(
        "run", text, cell=cell, steps=120, hidden_size=32, layers=1, precision=precision
    )
    told = list(trainer)
    vocabulary_size = trainer.corpus.tokenizer.vocabulary_size
    chance = unigram(_task(trainer).training, _task(trainer).validation, vocabulary_size)
    assert told[-1].validation_nats is not None
    assert told[-1].validation_nats < 0.25 * chance
    assert told[-1].train_nats < 0.25 * told[0].train_nats


@pytest.mark.parametrize("kind", ["char", "byte"])
@pytest.mark.parametrize("length", [20, 21, 33, 64, 100, 199, 200])
def test_tiny_texts_train_with_nothing_else_given(
    length: int, kind: str, make_trainer: MakeTrainer, prose: str
) -> None:
    trainer = make_trainer(
        "run",
        prose[:length],
        kind=kind,
        steps=3,
        batch_size=None,
        sequence_length=None,
        dropout=None,
    )
    told = list(trainer)
    assert told[-1].step == 3
    assert told[-1].validation_nats is not None and math.isfinite(told[-1].validation_nats)
    assert told[-1].sample


@pytest.mark.parametrize("text", ["a\n" * 10, "ab\n\n\ncd\r\n" * 4, "é\n😀\n" * 8])
def test_tiny_lines_train(text: str, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("run", text, lines=True, steps=4)
    assert list(trainer)[-1].step == 4


def test_a_text_of_one_character_trains(make_trainer: MakeTrainer) -> None:
    told = list(make_trainer("run", "a" * 50, steps=3))
    assert told[-1].validation_nats == pytest.approx(0)
    assert told[-1].sample == "a" * 300


def test_a_training_that_c_began_and_pytorch_goes_on_with_says_so(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slower, and not bit for bit the same: without a word, nobody knew why."""
    trainer = make_trainer("native")
    trainer.config = dataclasses.replace(trainer.config, kernel="native")
    stop_during(trainer, 3, monkeypatch)
    monkeypatch.setenv("CHARRNN_NATIVE", "0")
    with pytest.warns(CharRNNWarning, match="step-00000003: it was trained with charrnn's own C"):
        resumed = Trainer.resume(trainer.run)
    assert list(resumed)[-1].step == 12


def test_a_training_that_goes_on_with_fewer_threads_says_so(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("threads")
    trainer.config = dataclasses.replace(trainer.config, threads=1024)
    stop_during(trainer, 3, monkeypatch)
    with pytest.warns(CharRNNWarning, match="trained on 1,024 threads, and this process may use"):
        resumed = Trainer.resume(trainer.run)
    assert list(resumed)[-1].step == 12


def test_a_training_that_goes_on_where_fewer_threads_were_chosen_uses_no_more(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("threads")
    trainer.config = dataclasses.replace(trainer.config, threads=2)
    stop_during(trainer, 3, monkeypatch)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with pytest.warns(CharRNNWarning, match="trained on 2 threads, and this process may use 1:"):
        resumed = Trainer.resume(trainer.run)
    assert threads_of_steps(resumed) == {1}
