"""Trainings on labelled documents, from the plan to the last checkpoint."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.data import two_pass_reading
from charrnn.data.corpus import Corpus, open_corpus
from charrnn.data.read_options import ReadOptions
from charrnn.errors import CharRNNWarning, ConfigError, CorpusError, DivergedError, ModelError
from charrnn.model.cells import CELLS
from charrnn.model.config import POOLINGS
from charrnn.storage.model_directory import read_model
from charrnn.storage.run_lookup import find_run
from charrnn.storage.token_cache import IDS_FOLDER
from charrnn.tasks.classify.plan import (
    choose_classifier,
    choose_documents,
)
from charrnn.tasks.classify.predict import Classifier
from charrnn.tasks.classify.task import DocumentTask, balanced_weights
from charrnn.training.checkpoint import read_newest
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import arrays, load, make_plan
from charrnn.training.probe import Probe
from charrnn.training.recipe import MOST_EPOCHS, planned_seconds
from charrnn.training.trainer import Trainer
from tests.labelled import NUMBERS, TABLE, make_trainer, rows, write_rows
from tests.machine import MACHINE
from tests.trainings import learned, start

VARIATIONS: dict[str, dict[str, Any]] = {
    "plain": {"dropout": 0.0},
    "dropout": {"dropout": 0.5, "weight_dropout": 0.3},
    "both ways": {"bidirectional": True, "layers": 2, "pooling": "attention"},
    "balanced": {"class_weights": "balanced"},
    "windows": {"sequence_length": 5},
    "numbers": {"regress": True},
    "numbers both ways": {"regress": True, "bidirectional": True, "pooling": "mean"},
}


def task_of(trainer: Trainer) -> DocumentTask:
    assert isinstance(trainer.task, DocumentTask)
    return trainer.task


def test_documents_that_are_kept_in_a_file_are_learned_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were always held in memory."""
    table = write_rows(tmp_path / "rows.jsonl", rows())
    settings: dict[str, Any] = {"steps": 6, "hidden_size": 8, "batch_size": 8, "precision": "fp32"}
    settings |= {"text": "text", "label": "kind", "progress_bar": False}
    charrnn.train(table, out=tmp_path / "memory", **settings)
    monkeypatch.setattr(two_pass_reading, "LARGEST_IN_MEMORY", 10)
    training: Any = charrnn.stream_train(
        table, out=tmp_path / "file", checkpoint_every=3, **settings
    )
    for progress in training:
        if progress.step == 3:
            break
    training.close()
    assert {path.name for path in (tmp_path / "file" / IDS_FOLDER).iterdir()} >= {"ids.bin"}
    charrnn.train(resume=str(tmp_path / "file"), progress_bar=False)
    ended = [read_model(find_run(str(tmp_path / name)).last) for name in ("memory", "file")]
    assert ended[0].provenance.sha256 == ended[1].provenance.sha256
    for name, tensor in ended[0].tensors.items():
        assert np.array_equal(tensor, ended[1].tensors[name])


@pytest.mark.parametrize(
    ("cell", "variation"),
    [("lstm", variation) for variation in sorted(VARIATIONS)]
    + [(cell, "both ways") for cell in sorted(CELLS) if cell != "lstm"],
)
def test_a_resumed_training_is_the_same_bit_for_bit(
    tmp_path: Path, cell: str, variation: str
) -> None:
    settings = VARIATIONS[variation] | {"cell": cell}
    whole = make_trainer(tmp_path, "whole", **settings)
    list(whole)
    first = make_trainer(tmp_path, "parts", **settings)
    for progress in first:
        if progress.step == 5:
            first.request_stop()
    second = Trainer.resume(first.run)
    assert second.position.step == 5
    list(second)
    assert learned(second.run) == learned(whole.run)
    kept = ("validation_nats", "accuracy", "r_squared")
    assert [[line.get(key) for key in kept] for line in second.run.metrics()] == [
        [line.get(key) for key in kept] for line in whole.run.metrics()
    ]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_it_learns_to_tell_classes_apart(tmp_path: Path, pooling: str) -> None:
    write_rows(tmp_path / "rows.jsonl", rows(150))
    trainer = make_trainer(
        tmp_path, "run", steps=80, hidden_size=16, pooling=pooling, learning_rate=0.03
    )
    list(trainer)
    measured = task_of(trainer).measures()
    assert measured["accuracy"] > 0.75 and measured["baseline_accuracy"] < 0.4
    model = read_model(trainer.run.last)
    assert model.labels == ("both", "hard", "soft")
    assert Classifier(model).predict("aeiouaeiou").label == "soft"


def test_numbers_are_told_in_their_own_unit(tmp_path: Path) -> None:
    """What is learned is near 0 and of spread 1; what is saved is near 2020."""
    write_rows(tmp_path / "rows.jsonl", rows(150))
    trainer = make_trainer(
        tmp_path, "run", regress=True, steps=100, hidden_size=16, learning_rate=0.03
    )
    list(trainer)
    task = task_of(trainer)
    assert task.unit == 2.0 ** round(math.log2(task.corpus.targets.std()))
    measured = task.measures()
    assert measured["root_mean_squared_error"] < 0.5 * measured["baseline_root_mean_squared_error"]
    model = read_model(trainer.run.last)
    assert model.labels == ()
    told = [prediction.number for prediction in Classifier(model).stream(["bcdfg", "aeiouaeiou"])]
    assert told[0] is not None and told[1] is not None
    assert 1970 < told[0] < 2020 < told[1] < 2110
    (last,) = [
        line for line in trainer.run.metrics() if line.get("step") == 100 and "r_squared" in line
    ]
    error = math.sqrt(last["validation_nats"])
    assert error == pytest.approx(last["root_mean_squared_error"], rel=1e-5)


def test_a_unit_of_a_power_of_two_is_taken_out_exactly(tmp_path: Path) -> None:
    network = make_trainer(tmp_path, "run", regress=True).learner.network
    assert network.unit > 1
    before = arrays(network)
    load(network, before)
    for name, array in arrays(network).items():
        assert (array == before[name]).all()


def test_an_outlier_does_not_end_a_training(tmp_path: Path) -> None:
    """One squared error of a thousand is not a loss that has diverged."""
    made = [{"text": "a" * (1 + n % 5), "number": n % 7} for n in range(400)]
    write_rows(tmp_path / "rows.jsonl", [*made, {"text": "b", "number": 1e6}])
    trainer = make_trainer(tmp_path, "run", regress=True, batch_size=2, steps=30)
    try:
        list(trainer)
    except DivergedError as error:  # pragma: no cover
        pytest.fail(str(error))


def test_a_class_that_is_rare_weighs_more(tmp_path: Path) -> None:
    targets = np.array([0] * 90 + [1] * 10)
    weights = balanced_weights(targets, 2)
    assert weights[targets].mean() == pytest.approx(1)
    assert 90 * weights[0] == pytest.approx(10 * weights[1])
    made = [
        {"text": "ab"[n % 10 == 0] * 3 + "x" * (n % 3), "kind": "rc"[n % 10 == 0]}
        for n in range(100)
    ]
    write_rows(tmp_path / "rows.jsonl", made)
    plain, weighted = (
        task_of(make_trainer(tmp_path, kind, class_weights=kind)) for kind in ("none", "balanced")
    )
    assert np.exp(plain.initial_bias()) == pytest.approx([0.1, 0.9], abs=0.02)
    assert np.exp(weighted.initial_bias()) == pytest.approx([0.5, 0.5])
    assert plain.training.weights is None and weighted.training.weights is not None


def test_a_rare_class_and_long_documents_are_told(tmp_path: Path) -> None:
    made = [{"text": "ab" * 20, "kind": "rc"[n < 3]} for n in range(60)]
    corpus = open_corpus([write_rows(tmp_path / "rows.jsonl", made)], TABLE)
    options = TrainingOptions(steps=1, hidden_size=4, sequence_length=10)
    notes = " ".join(make_plan(corpus, options).notes)
    assert "the class 'c' is rare: 3 of 60 documents; --class-weights balanced" in notes
    assert "60 of 60 documents are longer than 10 characters" in notes


def test_classes_that_look_like_numbers_are_told(tmp_path: Path) -> None:
    made = [{"text": "ab", "kind": n % 12} for n in range(60)]
    corpus = open_corpus([write_rows(tmp_path / "rows.jsonl", made)], TABLE)
    plan = make_plan(corpus, TrainingOptions(steps=1, hidden_size=4))
    assert "all 12 classes are numbers" in " ".join(plan.notes)


def test_it_starts_from_a_language_model(tmp_path: Path, corpus_of: Callable[..., Corpus]) -> None:
    """Embedding and layers are its own, what it does not know is fresh, and all is trained."""
    options = TrainingOptions(steps=2, hidden_size=8, embedding_size=5, layers=2, precision="fp32")
    base = start(make_plan(corpus_of("abc aei ou\n" * 60), options), tmp_path / "checkpoints/base")
    list(base)
    model = read_model(base.run.last)
    corpus = open_corpus([write_rows(tmp_path / "rows.jsonl", rows())], TABLE)
    for both in (False, True):
        wishes = TrainingOptions(steps=2, bidirectional=both, precision="fp32")
        plan = make_plan(corpus, wishes, base=model)
        made = arrays(plan.network)
        assert (
            made["embedding.weight"][: model.config.vocabulary_size]
            == model.tensors["embedding.weight"]
        ).all()
        assert len(made["embedding.weight"]) > model.config.vocabulary_size
        for name, tensor in model.tensors.items():
            if name.startswith("rnn."):
                part = made[name][..., :8] if name == "rnn.weight_ih_l1" else made[name]
                assert (part == tensor).all()
        assert plan.network.config.layers == 2 and all(
            parameter.requires_grad for parameter in plan.network.parameters()
        )
        assert "new to the model" in " ".join(plan.notes)
        assert plan.network.config.pooling == ("max" if both else "attention")
    with pytest.raises(ConfigError, match="hidden size 8, not 9"):
        make_plan(corpus, TrainingOptions(steps=1, hidden_size=9), base=model)


def test_it_starts_from_another_classifier(tmp_path: Path) -> None:
    first = make_trainer(tmp_path, "first", pooling="attention")
    list(first)
    model = read_model(first.run.last)
    corpus = open_corpus([str(tmp_path / "rows.jsonl")], TABLE)
    plan = make_plan(corpus, TrainingOptions(steps=1), base=model)
    for name, array in arrays(plan.network).items():
        assert (array == model.tensors[name]).all()
    numbers = open_corpus([str(tmp_path / "rows.jsonl")], NUMBERS)
    plan = make_plan(numbers, TrainingOptions(steps=1, regress=True), base=model)
    assert plan.network.config.outputs == 1 and "learned anew" in " ".join(plan.notes)
    with pytest.raises(ConfigError, match="pooling attention, not max"):
        make_plan(corpus, TrainingOptions(steps=1, pooling="max"), base=model)
    with pytest.raises(ConfigError, match="reads one way"):
        make_plan(corpus, TrainingOptions(steps=1, bidirectional=True), base=model)


def test_a_changed_table_is_not_what_was_trained_on(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "run")
    for _ in trainer:
        trainer.request_stop()
    made = rows()
    made[0]["kind"] = "both"
    write_rows(tmp_path / "rows.jsonl", made)
    with pytest.raises(CorpusError, match="not the text that the model was trained on"):
        Trainer.resume(trainer.run)


def test_a_moved_table_is_found_where_it_is_now(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "run")
    for _ in trainer:
        trainer.request_stop()
    (tmp_path / "rows.jsonl").rename(tmp_path / "moved.jsonl")
    with pytest.raises(CorpusError, match="is it elsewhere"):
        Trainer.resume(trainer.run)
    unlabelled = open_corpus([str(tmp_path / "moved.jsonl")], ReadOptions(column="text"))
    with pytest.raises(CorpusError, match="--label kind --text text"):
        Trainer.resume(trainer.run, unlabelled)
    moved = open_corpus([str(tmp_path / "moved.jsonl")], TABLE)
    assert Trainer.resume(trainer.run, moved).position.step == 1


def test_a_text_that_was_written_on_does_not_become_a_table(
    tmp_path: Path, corpus_of: Callable[..., Corpus]
) -> None:
    options = TrainingOptions(steps=3, hidden_size=8, precision="fp32")
    trainer = start(make_plan(corpus_of("abc aei ou\n" * 60), options), tmp_path / "run")
    for _ in trainer:
        trainer.request_stop()
    table = open_corpus([write_rows(tmp_path / "rows.jsonl", rows())], TABLE)
    with pytest.raises(CorpusError, match="not the text that the model was trained on"):
        Trainer.resume(trainer.run, table)


def test_what_a_model_tells_is_in_its_checkpoint(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "run", regress=True)
    list(trainer)
    checkpoint = read_newest(trainer.run)
    assert checkpoint.options == NUMBERS
    assert not any(name.startswith("state.") for name in checkpoint.tensors)
    stored = json.loads((trainer.run.last / "config.json").read_text())
    assert "labels" not in stored and stored["model"]["task"] == "regress"


def test_it_shows_held_out_documents_with_what_it_tells(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "run")
    samples = [progress.sample for progress in trainer if progress.sample]
    assert len(samples) == 2
    first, *others = samples[-1].splitlines()
    assert first.startswith("accuracy ") and "macro F1" in first
    assert len(others) == 3 and all(" -> " in line for line in others)


def test_sizes_follow_documents_and_time() -> None:
    def chosen(documents: int, epochs: float, **options: Any) -> int:
        return choose_classifier(
            TrainingOptions(**options),
            task="classify",
            vocabulary_size=50,
            outputs=3,
            documents=documents,
            epochs=lambda config: epochs * 128 / config.hidden_size,
        ).hidden_size

    assert [chosen(count, 100) for count in (200, 2000, 50_000)] == [64, 128, 256]
    assert [chosen(50_000, epochs) for epochs in (4, 6, 20)] == [64, 128, 256]
    assert chosen(200, 1, hidden_size=31) == 31


def test_the_more_often_documents_are_read_the_more_is_dropped(tmp_path: Path) -> None:
    corpus = open_corpus([write_rows(tmp_path / "rows.jsonl", rows())], TABLE)
    shares = [
        make_plan(corpus, TrainingOptions(hidden_size=4, epochs=epochs)).network.dropout
        for epochs in (1, 8, 24, 100)
    ]
    assert shares == [0.01, 0.1, 0.3, 0.3]
    wished = TrainingOptions(hidden_size=4, epochs=1, dropout=0.6)
    assert make_plan(corpus, wished).network.dropout == 0.6


def test_a_step_reads_no_more_than_there_is() -> None:
    lengths = np.array([3, 9, 4])
    assert choose_documents(TrainingOptions(), lengths) == (3, 9)
    assert choose_documents(TrainingOptions(batch_size=2, sequence_length=5), lengths) == (2, 5)


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "weights": ({"regress": True, "class_weights": "balanced"}, "exclude each other"),
    "lines": ({"lines": True}, "--lines: a row, or a file, is a document already"),
    "attention": ({"attention": 8}, "--pooling attention"),
    "pooling": ({"pooling": "median"}, "choose from last, mean, max, attention"),
}


@pytest.mark.parametrize("refusal", sorted(REFUSALS))
def test_what_makes_no_sense_of_documents_is_refused(tmp_path: Path, refusal: str) -> None:
    options, message = REFUSALS[refusal]
    with pytest.raises(ConfigError, match=message):
        make_trainer(tmp_path, "run", **options)


@pytest.mark.parametrize(
    "options", [{"regress": True}, {"pooling": "max"}, {"class_weights": "balanced"}]
)
def test_what_needs_labels_is_refused_without(
    corpus_of: Callable[..., Corpus], options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="there are no labels to learn"):
        make_plan(corpus_of("abc " * 100), TrainingOptions(steps=1, **options))


def test_a_model_that_restores_is_no_beginning(
    tmp_path: Path, make_model: Callable[..., Any]
) -> None:
    corpus = open_corpus([write_rows(tmp_path / "rows.jsonl", rows())], TABLE)
    with pytest.raises(ModelError, match="trained to restore"):
        make_plan(corpus, TrainingOptions(steps=1), base=make_model(task="restore"))


def test_labels_have_to_be_named_with_a_table() -> None:
    with pytest.raises(ConfigError, match="name the table, or the folder"):
        open_corpus([], ReadOptions(column="a", label="b"))


def test_a_budget_is_kept_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = replace(MACHINE, save_seconds=0.02, sample_seconds=0.01, probe_seconds=0.5)
    monkeypatch.setattr(Probe, "measure", lambda *_: machine)
    settings: dict[str, Any] = {"steps": None, "evaluate_every": None}
    trainer = make_trainer(tmp_path, "run", budget=3.0, **settings)
    assert 2.9 < planned_seconds(trainer.config, machine) <= 3.0
    longer = make_trainer(tmp_path, "longer", budget=6000.0, **settings)
    chunks = task_of(longer).steps_per_epoch(8, 12)
    assert longer.config.steps == MOST_EPOCHS * chunks  # which are enough


def test_says_that_the_attention_of_a_language_model_is_left_out(
    tmp_path: Path, make_model: Callable[..., Any]
) -> None:
    corpus = open_corpus([write_rows(tmp_path / "rows.jsonl", rows())], TABLE)
    plan = make_plan(corpus, TrainingOptions(steps=1), base=make_model(attention=4))
    assert any("attention" in note for note in plan.notes)


def test_the_library_warns_of_what_is_left_out_of_folders(tmp_path: Path) -> None:
    for number, row in enumerate(rows(60)):
        (tmp_path / "words" / row["kind"]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "words" / row["kind"] / f"{number}.txt").write_text(row["text"])
    (tmp_path / "words" / "gone").symlink_to("nowhere")
    (tmp_path / "words" / "empty").mkdir()
    training = charrnn.stream_train(
        tmp_path / "words",
        label="folder",
        out=tmp_path / "run",
        steps=1,
        hidden_size=8,
        precision="fp32",
        progress_bar=False,
    )
    with (
        pytest.warns(CharRNNWarning, match=r"left out: 1 linked to nothing \(gone\)"),
        pytest.warns(CharRNNWarning, match="no file is read from empty"),
    ):
        list(training)
