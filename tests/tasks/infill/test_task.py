import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from charrnn.api import stream_train
from charrnn.data.corpus import Corpus, TokenizedCorpus, tokenize
from charrnn.errors import ConfigError, ModelError
from charrnn.model.cells import CELLS
from charrnn.model.config import ModelConfig
from charrnn.model.kernels import KERNELS
from charrnn.storage.model_directory import Model, read_model
from charrnn.tasks.infill import task as infill_task
from charrnn.tasks.infill.engine import InfillEngine
from charrnn.tasks.infill.masking import mask_spans
from charrnn.tasks.infill.network import InfillNetwork
from charrnn.tasks.infill.task import (
    GAP,
    PASSAGES,
    InfillTask,
    fill_greedily,
    infill_loss,
)
from charrnn.training.checkpoint import TRAINING, read_checkpoint
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import make_plan
from charrnn.training.probe import Probe
from charrnn.training.trainer import Trainer
from tests.trainings import check_resumes_exactly, learned, stop_during

MakeTrainer = Callable[..., Trainer]
MakeModel = Callable[..., Model]
CorpusOf = Callable[..., Corpus]


@pytest.fixture
def make_restoring(make_trainer: MakeTrainer) -> MakeTrainer:
    def make(name: str, text: str | None = None, **options: Any) -> Trainer:
        return make_trainer(name, text, bidirectional=True, **options)

    return make


@pytest.fixture
def text(corpus_of: CorpusOf, prose: str) -> TokenizedCorpus:
    return tokenize(corpus_of(prose), kind="char")


def restorer(trainer: Trainer) -> InfillNetwork:
    network = trainer.learner.network
    assert isinstance(network, InfillNetwork)
    return network


# The loss


def test_the_loss_is_the_mean_of_all_characters_hidden_or_not(
    make_restoring: MakeTrainer,
) -> None:
    trainer = make_restoring("run")
    network, batch = restorer(trainer), next(trainer.loader)
    masks = torch.Generator()
    loss, state, _ = infill_loss(network, batch, None, random=np.random.default_rng(5), masks=masks)
    masked = mask_spans(batch.ids, network.mask, np.random.default_rng(5))
    assert (masked == network.mask).any()
    logits = network(torch.from_numpy(masked))
    expected = cross_entropy(logits.transpose(1, 2), torch.from_numpy(batch.ids))
    assert state == () and loss.item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_repetitive_text_is_learned(
    cell: str, precision: str, make_restoring: MakeTrainer
) -> None:
    trainer = make_restoring(
        "run",
        "abcdef" * 60,
        cell=cell,
        precision=precision,
        steps=150,
        hidden_size=16,
        layers=1,
        learning_rate=0.03,
        clip=1.0,
        evaluate_every=75,
    )
    last = list(trainer)[-1]
    assert last.validation_nats is not None and last.validation_nats < 0.2
    engine = InfillEngine.of(read_model(trainer.run.best))
    ids = np.tile(np.arange(6), 10)
    damaged = ids.copy()
    damaged[[20, 21, 22, 37]] = engine.mask
    np.testing.assert_array_equal(fill_greedily(engine, damaged), ids)


# Resuming

VARIATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"dropout": 0.5, "weight_dropout": 0.4},
    "lines of bytes in bf16": {"lines": True, "kind": "byte", "precision": "bf16", "clip": 0.0},
}


@pytest.mark.parametrize("variation", sorted(VARIATIONS))
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_training_that_is_stopped_and_resumed_is_bit_for_bit_the_same(
    cell: str, variation: str, make_restoring: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"cell": cell, "steps": 24, "evaluate_every": 5, "checkpoint_every": 100}
    settings |= VARIATIONS[variation]
    straight = make_restoring("straight", **settings)
    whole = list(straight)
    stopped = make_restoring("stopped", **settings)
    run = stopped.run
    # At the first step, in the middle, where an evaluation is due, at the last.
    for step in (1, 4, 10, 24):
        stop_during(stopped, step, monkeypatch)
        stopped = Trainer.resume(run)
        assert stopped.position.step == step
    list(stopped)
    assert whole[-1].epoch >= 1
    assert learned(run) == learned(straight.run)
    positions = [
        json.loads((each.last / TRAINING).read_bytes())["position"] | {"seconds": 0}
        for each in (run, straight.run)
    ]
    assert positions[0] == positions[1]


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_every_kernel_resumes_exactly(
    kernel: str, make_restoring: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_resumes_exactly(make_restoring, kernel, monkeypatch)


def test_how_often_it_is_evaluated_and_saved_changes_nothing(make_restoring: MakeTrainer) -> None:
    often = make_restoring("often", evaluate_every=1, checkpoint_every=1, dropout=0.2)
    seldom = make_restoring("seldom", evaluate_every=12, checkpoint_every=12, dropout=0.2)
    list(often), list(seldom)
    assert learned(often.run) == learned(seldom.run)


def test_a_checkpoint_has_no_state_to_carry(make_restoring: MakeTrainer) -> None:
    trainer = make_restoring("run")
    list(trainer)
    checkpoint = read_checkpoint(trainer.run.last)
    assert not [name for name in checkpoint.tensors if name.startswith("state")]
    assert checkpoint.model.config.task == "restore"


def test_an_epoch_reads_every_character(make_restoring: MakeTrainer) -> None:
    trainer = make_restoring("run", steps=30)
    task, config = trainer.task, trainer.config
    steps = task.steps_per_epoch(config.batch_size, config.sequence_length)
    progress = list(trainer)
    assert [each.epoch for each in progress] == [step // steps for step in range(30)]
    read = progress[steps - 1].characters
    assert task.training_characters <= read < task.training_characters + config.sequence_length


# Evaluating


def test_evaluations_damage_the_same_places_each_time(make_restoring: MakeTrainer) -> None:
    trainer = make_restoring("run")
    network, task = restorer(trainer), InfillTask(trainer.corpus, validation_fraction=0.5)
    first, again = (list(task.evaluate(network, at_most=math.inf)) for _ in range(2))
    assert first == again
    assert first[-1][1] == task.validation_characters
    assert network.training, "it goes on training as before"


def test_evaluations_of_a_part_end_early_and_read_from_all_over(
    make_restoring: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infill_task, "WINDOW", 20)
    monkeypatch.setattr(infill_task, "MARGIN", 5)
    monkeypatch.setattr(infill_task, "_AT_ONCE", 2)
    trainer = make_restoring("run")
    network, task = restorer(trainer), InfillTask(trainer.corpus, validation_fraction=0.5)
    whole = list(task.evaluate(network, at_most=math.inf))
    part = list(task.evaluate(network, at_most=50))
    assert 50 <= part[-1][1] < 100 and part == whole[: len(part)]
    assert whole[-1][1] == task.validation_characters


@pytest.mark.parametrize("at_once", [1, 60, 10_000])
def test_no_more_is_evaluated_at_once_than_a_step_reads_and_it_changes_nothing(
    at_once: int, make_restoring: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infill_task, "WINDOW", 20)
    monkeypatch.setattr(infill_task, "MARGIN", 5)
    trainer = make_restoring("run")
    network, task = restorer(trainer), InfillTask(trainer.corpus, validation_fraction=0.5)
    whole = list(task.evaluate(network, at_most=math.inf))
    sizes, read = [], infill_task._read

    def watch(network: InfillNetwork, ids: Any) -> Any:
        sizes.append(ids.size)
        return read(network, ids)

    monkeypatch.setattr(infill_task, "_read", watch)
    parts = list(task.evaluate(network, at_most=math.inf, at_once=at_once))
    assert [count for _, count in parts] == [count for _, count in whole]
    assert [nats for nats, _ in parts] == pytest.approx([nats for nats, _ in whole], rel=1e-5)
    assert max(sizes) <= max(at_once, 20)


def test_nothing_is_dropped_while_evaluating(make_restoring: MakeTrainer) -> None:
    results = []
    for dropout in (0.0, 0.9):
        trainer = make_restoring(f"run-{dropout}", dropout=dropout)
        network, task = restorer(trainer), InfillTask(trainer.corpus, validation_fraction=0.5)
        results.append(list(task.evaluate(network, at_most=math.inf))[-1][0])
    assert results[0] == results[1]


# What it shows


@pytest.mark.parametrize("kind", ["byte", "char"])
def test_samples_are_passages_with_gaps_and_the_same_filled(
    kind: str, make_restoring: MakeTrainer
) -> None:
    trainer = make_restoring("run", kind=kind)
    lines = (list(trainer)[-1].sample or "").split("\n")
    assert len(lines) == 2 * PASSAGES
    for masked, restored in zip(lines[::2], lines[1::2], strict=True):
        assert GAP not in restored
        if kind == "char":
            assert len(masked) == len(restored)
            assert all(one in (GAP, other) for one, other in zip(masked, restored, strict=True))
    assert any(GAP in line for line in lines)
    again = trainer.task.sample(trainer.model(), trainer.config.seed)
    assert again == "\n".join(lines), "always the same passages, to see it grow better"


def test_gaps_are_filled_most_probable_first_and_the_rest_is_kept(make_model: MakeModel) -> None:
    engine = InfillEngine.of(make_model(task="restore"))
    masked = np.array([1, 2, engine.mask, 3, engine.mask, engine.mask, 4])
    filled = fill_greedily(engine, masked)
    kept = masked != engine.mask
    np.testing.assert_array_equal(filled[kept], masked[kept])
    assert (filled < engine.mask).all()
    likely = engine.log_probabilities(masked[None])[0, ~kept]
    place, character = np.unravel_index(int(likely.argmax()), likely.shape)
    assert filled[np.flatnonzero(~kept)[place]] == character


# Planning


@pytest.mark.parametrize("length", [20, 33, 200])
def test_tiny_texts_train(length: int, make_restoring: MakeTrainer, prose: str) -> None:
    trainer = make_restoring("run", prose[:length], batch_size=None, sequence_length=None)
    assert list(trainer)[-1].step == 12


def test_several_processes_are_refused(text: TokenizedCorpus) -> None:
    task = InfillTask(text, validation_fraction=0.1)
    with pytest.raises(ConfigError, match="without torchrun"):
        task.loader(batch_size=2, sequence_length=8, seed=0, rank=1, world_size=2)


def test_a_budget_is_measured_with_windows(text: TokenizedCorpus) -> None:
    options = TrainingOptions(bidirectional=True, budget=1.0)
    task = InfillTask(text, validation_fraction=0.1)
    probe = Probe(options, task=task, batch_size=2, sequence_length=16)
    config = ModelConfig(
        task="restore",
        bidirectional=True,
        vocabulary_size=text.tokenizer.vocabulary_size,
        hidden_size=8,
        layers=1,
    )
    machine = probe.measure(config)
    assert machine.step_seconds > 0 and machine.evaluation_speed > 0


def test_a_restorer_starts_from_a_restorer_and_keeps_what_it_knows(
    corpus_of: CorpusOf, make_model: MakeModel
) -> None:
    """The mask's row is the last of the embedding, also when new characters come before it."""
    base = make_model("\nabc", task="restore")
    options = TrainingOptions(steps=1, device="cpu", precision="fp32")
    plan = make_plan(corpus_of("cabxy\n" * 60), options, base=base)
    network = plan.network
    assert isinstance(network, InfillNetwork) and network.config.vocabulary_size == 6
    rows = network.embedding.weight.detach().numpy()
    np.testing.assert_array_equal(rows[:4], base.tensors["embedding.weight"][:4])
    np.testing.assert_array_equal(rows[network.mask], base.tensors["embedding.weight"][4])
    np.testing.assert_array_equal(
        network.head.weight.detach().numpy()[:4], base.tensors["head.weight"]
    )
    np.testing.assert_array_equal(network.join.weight.detach().numpy(), base.tensors["join.weight"])


def test_a_restorer_does_not_start_from_what_generates(
    corpus_of: CorpusOf, make_model: MakeModel
) -> None:
    options = TrainingOptions(steps=1, bidirectional=True)
    with pytest.raises(ModelError, match="charrnn sample"):
        make_plan(corpus_of("cab\n" * 60), options, base=make_model("\nabc"))


def test_train_restores_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prose: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text(prose)
    sizes: dict[str, Any] = {"hidden_size": 8, "layers": 1, "progress_bar": False}
    first = list(stream_train("corpus.txt", name="one", steps=2, bidirectional=True, **sizes))
    second = list(
        stream_train("corpus.txt", name="two", steps=1, start_from="one", progress_bar=False)
    )
    assert (len(first), len(second)) == (2, 1)
    assert read_model(Path("checkpoints/two/last")).config.task == "restore"
