"""What a network tells of held-out documents while it is trained, and what it learns by."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.errors import DivergedError
from charrnn.tasks.classify import task
from charrnn.tasks.classify.buckets import DocumentBatch
from charrnn.tasks.classify.task import DocumentTask
from charrnn.training.loss import HOPELESS_LOSS
from charrnn.training.trainer import Trainer
from tests.labelled import make_trainer, rows, write_rows


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    """Of 600 documents, half of them held out, from 2 to 300 characters long."""
    made = rows(600)
    for number, row in enumerate(made):
        row["text"] = (row["text"] * 50)[: 2 + number % 299]
    write_rows(tmp_path / "rows.jsonl", made)
    return make_trainer(tmp_path, "run", validation_fraction=0.5)


def task_of(trainer: Trainer) -> DocumentTask:
    assert isinstance(trainer.task, DocumentTask)
    return trainer.task


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[DocumentBatch]:
    """The batches that a network reads from here on."""
    found = []
    original = task._read

    def watch(network: Any, batch: DocumentBatch, masks: Any = None) -> Any:
        found.append(batch)
        return original(network, batch, masks)

    monkeypatch.setattr(task, "_read", watch)
    return found


def test_a_part_of_the_held_out_documents_is_drawn_and_not_the_shortest(
    trainer: Trainer, read: list[DocumentBatch]
) -> None:
    """The shortest came first, so that best, early stopping and accuracy were of them alone."""
    task, network = task_of(trainer), trainer.average.network
    lengths = task.validation.lengths
    enough = lengths.sum() // 4
    *_, (_, characters) = task.evaluate(network, at_most=float(enough))
    evaluated = np.concatenate([batch.lengths for batch in read])
    assert enough <= characters == evaluated.sum() < enough + lengths.max()
    # Of 75 of 300 that were drawn, the mean is off by 3 % or so; of the shortest, it is half.
    assert evaluated.mean() == pytest.approx(lengths.mean(), rel=0.15)
    assert task.predictions is not None
    assert len(task.predictions) == len(task.targets) == len(evaluated)
    first = [batch.numbers.tolist() for batch in read]
    read.clear()
    list(task.evaluate(network, at_most=float(enough)))
    assert [batch.numbers.tolist() for batch in read] == first


def test_all_held_out_documents_are_evaluated_once_where_there_is_time(
    trainer: Trainer, read: list[DocumentBatch]
) -> None:
    task = task_of(trainer)
    list(task.evaluate(trainer.average.network, at_most=math.inf))
    evaluated = np.concatenate([batch.numbers for batch in read])
    assert sorted(evaluated.tolist()) == sorted(task.validation.numbers.tolist())


@pytest.mark.parametrize("at_once", [1, 250, 1000, 100_000])
def test_no_more_is_read_at_once_than_a_step_reads(
    at_once: int, trainer: Trainer, read: list[DocumentBatch]
) -> None:
    """A machine that has the memory for a step has it for the evaluation of long documents."""
    task, network = task_of(trainer), trainer.average.network
    *_, whole = task.evaluate(network, at_most=math.inf)
    read.clear()
    *_, (loss, characters) = task.evaluate(network, at_most=math.inf, at_once=at_once)
    assert loss == pytest.approx(whole[0], rel=1e-5) and characters == whole[1]
    assert all(len(batch.ids) == 1 or batch.ids.size <= at_once for batch in read)
    if at_once > 1:
        assert any(len(batch.ids) > 1 for batch in read)


def test_a_training_evaluates_what_fits_into_its_steps(
    trainer: Trainer, read: list[DocumentBatch]
) -> None:
    config = trainer.config
    trainer._evaluate()
    step = config.batch_size * config.sequence_length
    assert read and all(len(batch.ids) == 1 or batch.ids.size <= step for batch in read)


def weighted(trainer: Trainer, weight: float) -> DocumentBatch:
    """A batch whose first document weighs so much, and the others next to nothing."""
    batch: DocumentBatch = next(trainer.loader)
    weights = np.full(len(batch.targets), 1e-6)
    weights[0] = weight
    return dataclasses.replace(batch, weights=weights)


def test_a_rare_class_that_weighs_thousands_is_not_taken_for_divergence(trainer: Trainer) -> None:
    result = trainer.learner.step(weighted(trainer, 1e6), 0)
    assert result.nats > HOPELESS_LOSS


def test_a_network_that_has_diverged_is_found_whatever_its_documents_weigh(
    trainer: Trainer,
) -> None:
    with torch.no_grad():
        trainer.learner.network.head.weight *= 1e30
    with pytest.raises(DivergedError, match="step 1: the loss is"):
        trainer.learner.step(weighted(trainer, 1e-6), 0)


def test_a_training_on_a_class_that_is_really_rare_goes_to_its_end(tmp_path: Path) -> None:
    made = [{"text": f"ab{number % 7}", "kind": "often", "number": 1} for number in range(9_000)]
    for row in made[:3]:
        row["text"], row["kind"] = "c", "seldom"
    write_rows(tmp_path / "rows.jsonl", made)
    trainer = make_trainer(
        tmp_path, "run", class_weights="balanced", batch_size=8, steps=40, learning_rate=0.1
    )
    rare = np.flatnonzero(task_of(trainer).training.targets == 1)
    with torch.no_grad():  # it is sure that nothing is of the rare class
        trainer.learner.network.head.bias[:] = torch.tensor([6.0, -6.0])
    batch = task_of(trainer).training.batch(rare, 10)
    assert trainer.learner.step(batch, 0).nats > HOPELESS_LOSS
    assert [progress.step for progress in trainer][-1] == 40
