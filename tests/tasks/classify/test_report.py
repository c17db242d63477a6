from pathlib import Path

import numpy as np
import pytest

from charrnn.storage.model_directory import read_model
from charrnn.tasks.classify.report import measures, predict_documents, report_table
from charrnn.tasks.classify.task import DocumentTask
from tests.labelled import make_trainer


def test_classes_are_compared_with_the_most_frequent_one() -> None:
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [1.0, 0.0]])
    known = measures(logits, np.array([0, 1, 1, 0]), np.array([1, 1, 0]), classes=2)
    assert known["accuracy"] == 0.75
    assert known["baseline_accuracy"] == 0.5
    assert known["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert known["baseline_macro_f1"] == pytest.approx(1 / 3)


def test_numbers_are_compared_with_the_mean() -> None:
    told = np.array([[1.0], [2.0], [5.0]])
    known = measures(told, np.array([1.0, 2.0, 3.0]), np.array([0.0, 4.0]), classes=0)
    assert known["root_mean_squared_error"] == pytest.approx((4 / 3) ** 0.5)
    assert known["baseline_root_mean_squared_error"] == pytest.approx((2 / 3) ** 0.5)
    assert known["r_squared"] == pytest.approx(1 - 4 / 2)


@pytest.mark.parametrize("regress", [False, True])
def test_without_torch_it_is_what_the_training_measured(tmp_path: Path, regress: bool) -> None:
    trainer = make_trainer(tmp_path, "run", regress=regress)
    list(trainer)
    task = trainer.task
    assert isinstance(task, DocumentTask) and task.predictions is not None
    model = read_model(trainer.run.last)
    told, targets = predict_documents(model, task.corpus, task.validation.numbers)
    learned = task.corpus.targets[task.training.numbers]
    known = measures(told, targets, learned, classes=len(model.labels))
    assert known == pytest.approx(task.measures(), rel=1e-4)


def test_it_ends_once_it_has_read_enough(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "run")
    list(trainer)
    task = trainer.task
    assert isinstance(task, DocumentTask)
    numbers = np.arange(60)
    model = read_model(trainer.run.last)
    told, targets = predict_documents(model, task.corpus, numbers, at_most=50)
    lengths = task.corpus.lengths
    assert len(told) == len(targets) < 60
    assert lengths[: len(told) - 1].sum() < 50 <= lengths[: len(told)].sum()


def test_classes_are_shown_as_a_confusion_matrix() -> None:
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]])
    table = report_table(logits, np.array([0, 1, 1]), ["ham", "spam"])
    assert table is not None and "confusion matrix" in table.title
    assert table.header == ("", "ham", "spam")
    assert table.rows == (("ham", "1", "."), ("spam", "1", "1"))
    assert table.emphasized == {(0, 1), (1, 2)}


def test_many_classes_are_shown_by_their_confusions() -> None:
    targets = np.repeat(np.arange(12), 5)
    predicted = targets.copy()
    predicted[15:17] = 7  # two of the five of class 3
    table = report_table(np.eye(12)[predicted], targets, [f"class {n}" for n in range(12)])
    assert table is not None
    assert table.rows == (("class 3", "class 7", "2", "5"),)


def test_numbers_have_no_table() -> None:
    assert report_table(np.ones((3, 1)), np.ones(3), ()) is None
