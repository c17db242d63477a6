"""Trainings on pairs, from the table to the translations."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.data.corpus import open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.storage.run import Run
from charrnn.tasks.transduce.task import PairTask, overlap
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import make_plan
from charrnn.training.trainer import Trainer
from tests.trainings import learned, start

READ = ReadOptions(source="word", target="loud")


def write_pairs(path: Path, *, letters: str = "abcd") -> Path:
    """Words of three letters, and the same with a capital, without the middle, twice the last."""
    words = ["".join(each) for each in itertools.product(letters, repeat=3)]
    rows = [f"{word}\t{word[0].upper()}{word[2] * 2}\n" for word in words]
    path.write_text("word\tloud\n" + "".join(rows))
    return path


def make_trainer(
    folder: Path, *, steps: int = 6, read: ReadOptions = READ, **options: Any
) -> Trainer:
    table = write_pairs(folder / "pairs.tsv")
    settings = TrainingOptions(**({"hidden_size": 8, "batch_size": 8, "steps": steps} | options))
    plan = make_plan(open_corpus([str(table)], read), settings)
    return start(plan, folder / "run")


def task_of(trainer: Trainer) -> PairTask:
    assert isinstance(trainer.task, PairTask)
    return trainer.task


def train_loud(folder: Path) -> Run:
    """Train on the pairs of `write_pairs` until their rule is learned."""
    return charrnn.train(
        str(write_pairs(folder / "pairs.tsv")),
        source="word",
        target="loud",
        steps=150,
        hidden_size=24,
        dropout=0.1,
        weight_dropout=0.0,
        batch_size=16,
        out=str(folder / "loud"),
        progress_bar=False,
    )


def test_a_rule_is_learned_and_translates(tmp_path: Path) -> None:
    out = train_loud(tmp_path).directory
    translations = charrnn.translate(str(out), ["abc", "dab", "cca"])
    assert [each.text for each in translations] == ["Acc", "Dbb", "Caa"]
    measured = charrnn.evaluate(str(out))
    assert measured["word_error_rate"] == 0.0 and measured["sources"] == 3  # a twentieth of 64


@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_training_ends_with_the_same_bytes(tmp_path: Path, stop: int) -> None:
    whole = make_trainer(tmp_path, evaluate_every=2)
    for _ in whole:
        pass
    other = tmp_path / "other"
    other.mkdir()
    trainer = make_trainer(other, evaluate_every=2)
    for progress in trainer:
        if progress.step == stop:
            trainer.request_stop()
    resumed = Trainer.resume(Run(other / "run"))
    for _ in resumed:
        pass
    assert learned(resumed.run) == learned(whole.run)


def test_an_evaluation_counts_wrong_translations(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, validation_fraction=0.25)
    task = task_of(trainer)
    *_, (loss, characters) = task.evaluate(trainer.learner.network, at_most=float("inf"))
    assert characters == task.validation_characters
    measures = task.measures()
    assert measures["word_error_rate"] == 1.0  # it has learned nothing yet
    assert loss == pytest.approx(1.0 + 1e-4 * measures["nats_per_target"])
    *_, (_, some) = task.evaluate(trainer.learner.network, at_most=1)
    assert 0 < some <= characters


def test_the_later_of_models_that_are_as_good_is_better(tmp_path: Path) -> None:
    """16 held-out sources: a standard error at 50 % is one eighth."""
    task = task_of(make_trainer(tmp_path, validation_fraction=0.25))
    assert len(task.validation) == 16
    assert task.is_better(0.5, 0.5) and task.is_better(0.62, 0.5)
    assert not task.is_better(0.63, 0.5)
    assert not task.is_better(0.01, 0.0)


def test_a_fresh_and_a_resumed_network_share_gradients_once(tmp_path: Path) -> None:
    """`é` and `e` share a character: twice as much would be learned of it after a resumption."""
    folder = tmp_path / "accents"
    folder.mkdir()
    table = folder / "pairs.tsv"
    table.write_text("word\tloud\n" + "".join(f"{i}\té{'e' * (i % 3)}\n" for i in range(40)))
    plan = make_plan(
        open_corpus([str(table)], READ), TrainingOptions(steps=2, hidden_size=4, batch_size=4)
    )
    trainer = start(plan, folder / "run")
    weight = trainer.learner.network.head.weight
    weight.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    rows = weight.grad[2:, 0].tolist()
    assert sorted(rows) == [3.0, 4.0]  # e: itself, `e` in both; é: itself, two characters, `e`


def test_copying_is_for_alphabets_that_overlap(tmp_path: Path) -> None:
    different = task_of(make_trainer(tmp_path))
    assert (different.training.copies == -1).all()
    corpus = different.corpus
    copies = corpus.tokenizer.copies()
    share = overlap(corpus, np.arange(len(corpus)), copies)
    assert 0.6 < share < 0.7  # two of three symbols, unless the last letter is missing

    same = tmp_path / "same.tsv"
    same.write_text(
        "word\tloud\n" + "".join(f"{a}{b}{a}\t{a}{b}{a}!\n" for a in "abcd" for b in "abcd")
    )
    plan = make_plan(
        open_corpus([str(same)], READ), TrainingOptions(steps=2, hidden_size=4, batch_size=4)
    )
    task = task_of(start(plan, tmp_path / "run2"))
    assert (task.training.copies >= 0).sum() == 4


def test_a_sample_shows_held_out_sources(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    shown = task_of(trainer).sample(trainer.model(), 0)
    assert shown.count(" -> ") == 3 and "(correct: " in shown
