import contextlib
import dataclasses
import itertools
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from charrnn.data.corpus import Corpus, open_corpus
from charrnn.errors import CharRNNError, CharRNNWarning, ConfigError, CorpusError, ModelError
from charrnn.model.cells import CELLS
from charrnn.model.config import STATES
from charrnn.storage.files import write_directory
from charrnn.storage.manifest import MANIFEST, with_manifest
from charrnn.storage.model_directory import CONFIG, TENSORS, TOKENIZER, read_model
from charrnn.training import checkpoint
from charrnn.training.checkpoint import (
    MOMENTS,
    TRAINING,
    TRAINING_TENSORS,
    WEIGHTS,
    check_sources,
    read_checkpoint,
    state_names,
    tensor_shapes,
)
from charrnn.training.options import TrainingOptions
from charrnn.training.session import start_training
from charrnn.training.trainer import Trainer
from tests.conftest import reseal

MakeTrainer = Callable[..., Trainer]
CorpusOf = Callable[..., Corpus]


@pytest.fixture
def saved(make_trainer: MakeTrainer) -> Path:
    """The last checkpoint of a training of 12 steps."""
    trainer = make_trainer("run")
    list(trainer)
    return trainer.run.last


def edit(path: Path, *keys: str, value: Any) -> None:
    data = json.loads(path.read_bytes())
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(data))
    reseal(path.parent)


def test_a_training_on_many_files_is_read_again(make_trainer: MakeTrainer) -> None:
    """Some 17,500 names of files are more than a megabyte, which was all that was read again."""
    trainer = make_trainer("run", steps=1)
    names = tuple(
        f"/home/somebody/corpora/many/folder/of/letters/{n:06}.txt" for n in range(40_000)
    )
    trainer.corpus = dataclasses.replace(trainer.corpus, sources=names)
    list(trainer)
    assert (trainer.run.last / TRAINING).stat().st_size > 2 << 20
    assert read_checkpoint(trainer.run.last).sources == names


def test_names_that_no_checkpoint_can_hold_are_refused_before_the_text_is_read(
    corpus_of: CorpusOf, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"{n:06}{'x' * 200}" for n in range(100_000))
    corpus = dataclasses.replace(corpus_of("abc"), sources=names)
    with pytest.raises(ConfigError, match="100,000 names .* take .* bytes.*--glob"):
        check_sources(corpus)
    check_sources(dataclasses.replace(corpus, sources=names[:60_000]))
    unread = dataclasses.replace(corpus, parts=())
    monkeypatch.setattr("charrnn.training.session.open_corpus", lambda *_: unread)
    with pytest.raises(ConfigError, match="100,000 names"):
        start_training(["names"], TrainingOptions(steps=1))


@pytest.mark.parametrize("kind", ["char", "byte"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_checkpoint_survives_a_round_trip(
    cell: str, kind: str, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    trainer = make_trainer("run", cell=cell, kind=kind)
    list(trainer)
    first = read_checkpoint(trainer.run.last)
    assert first.config == trainer.config
    assert first.position.step == 12
    assert first.sources == trainer.corpus.sources
    assert first.options == trainer.corpus.options
    write_directory(tmp_path / "copy", with_manifest(first.files()))
    again = read_checkpoint(tmp_path / "copy")
    assert again.files() == first.files()
    assert (again.config, again.position) == (first.config, first.position)
    for name, tensor in first.tensors.items():
        np.testing.assert_array_equal(again.tensors[name], tensor)


@pytest.mark.parametrize("cell", CELLS)
def test_a_checkpoint_has_every_weight_its_moments_and_the_state(
    cell: str, make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer("run", cell=cell, layers=3)
    list(trainer)
    config = trainer.learner.network.config
    tensors = read_checkpoint(trainer.run.last).tensors
    weights = config.tensor_shapes()
    kinds = (WEIGHTS, *MOMENTS)
    assert tensors.keys() == {f"{kind}.{name}" for kind in kinds for name in weights} | {
        f"state.{part}" for part in STATES[cell]
    }
    assert {name: array.shape for name, array in tensors.items()} == tensor_shapes(config, 4)
    assert all(tensors[name].shape == (3, 4, 8) for name in state_names(config))
    assert all(np.abs(array).max() > 0 for array in tensors.values())


def test_a_checkpoint_is_a_model_directory(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {
        *(CONFIG, TOKENIZER, TENSORS),
        *(TRAINING, TRAINING_TENSORS),
        MANIFEST,
    }
    model = read_model(saved)
    assert model.provenance.step == 12
    assert model.tensors.keys() == model.config.tensor_shapes().keys()


FILES = [CONFIG, TOKENIZER, TENSORS, TRAINING, TRAINING_TENSORS]


@pytest.mark.parametrize("file", [*FILES, MANIFEST])
def test_a_missing_file_is_an_error_that_names_it(file: str, saved: Path) -> None:
    (saved / file).unlink()
    with pytest.raises(ModelError, match=f"^{saved / file}: No such file"):
        read_checkpoint(saved)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_was_cut_off_is_an_error_that_names_it(file: str, saved: Path) -> None:
    """Also where the manifest was made after that: each file's own reader notices."""
    content = (saved / file).read_bytes()
    (saved / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=f"^{saved / file}: damaged: "):
        read_checkpoint(saved)
    reseal(saved)
    with pytest.raises(ModelError, match=f"^{saved / file}: (?!damaged)"):
        read_checkpoint(saved)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("more",), 1),
        (("corpus", "more"), 1),
        (("config", "more"), 1),
        (("position", "more"), 1),
        (("config", "steps"), "many"),
        (("config", "steps"), 0),
        (("config", "learning_rate"), None),
        (("config", "precision"), "fp64"),
        (("corpus", "sources"), "text.txt"),
        (("corpus", "sources"), [1]),
        (("corpus", "options"), []),
        (("position", "lanes"), 5),
        (("position", "lanes"), 0),
        (("position", "step"), 1.5),
        (("position", "step"), True),
        (("position", "nats"), "0"),
        (("position", "best_nats"), None),
        (("position", "best_step"), None),
        (("position", "best_step"), -1),
        (("position", "best_step"), 10**6),
        (("position", "validation_nats"), None),
        (("position", "evaluated"), -1),
        (("position", "evaluated"), 10**6),
    ],
    ids=str,
)
def test_what_a_checkpoint_cannot_say_is_refused(
    keys: tuple[str, ...], value: Any, saved: Path
) -> None:
    edit(saved / TRAINING, *keys, value=value)
    with pytest.raises(ModelError, match=rf"^{saved}/training\.(json|safetensors): (?!damaged)"):
        read_checkpoint(saved)


def test_training_json_that_is_no_object_is_refused(saved: Path) -> None:
    (saved / TRAINING).write_text("[]")
    reseal(saved)
    with pytest.raises(ModelError, match=f"{TRAINING}: expected config, corpus and position"):
        read_checkpoint(saved)


def test_moments_that_are_no_numbers_are_refused(saved: Path) -> None:
    path = saved / TRAINING_TENSORS
    tensors = load_file(path)
    tensors["exp_avg.head.bias"][0] = np.nan
    save_file(tensors, path)
    reseal(saved)
    with pytest.raises(ModelError, match=r"exp_avg\.head\.bias"):
        read_checkpoint(saved)


# The corpus


def test_the_corpus_is_read_from_where_it_was(saved: Path, prose: str) -> None:
    text = read_checkpoint(saved).read_corpus()
    assert text.tokenizer.decode(text.ids) == prose[:330]


def test_the_corpus_may_have_moved(saved: Path, tmp_path: Path, prose: str) -> None:
    (tmp_path / "corpus.txt").rename(tmp_path / "moved.txt")
    with pytest.raises(CorpusError, match=r"corpus\.txt"):
        read_checkpoint(saved).read_corpus()
    text = read_checkpoint(saved).read_corpus(open_corpus([str(tmp_path / "moved.txt")]))
    assert text.tokenizer.decode(text.ids) == prose[:330]


@pytest.mark.parametrize("change", ["more", "less", "other", "unknown"])
def test_another_corpus_is_refused(
    change: str, saved: Path, corpus_of: CorpusOf, prose: str
) -> None:
    text = prose[:330]
    other = {
        "more": text + "e",
        "less": text[:-1],
        "other": text[::-1],  # the same characters
        "unknown": text + "\N{SNOWMAN}",
    }[change]
    with pytest.raises(CorpusError, match="--from"):
        read_checkpoint(saved).read_corpus(corpus_of(other, "other"))


def test_a_folder_with_far_more_in_it_than_the_text_is_not_walked_through(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model from a stranger may say that its text is `/`."""
    for name in "abc":
        (tmp_path / name).mkdir()
    edit(saved / TRAINING, "corpus", "sources", value=[str(tmp_path)])
    edit(saved / CONFIG, "training", "corpus_bytes", value=1)
    monkeypatch.setattr(checkpoint, "MOST_FILES", 1)
    with pytest.raises(CorpusError, match="it holds more than 2 files and folders"):
        read_checkpoint(saved).read_corpus()


def test_a_corpus_from_standard_input_must_come_again(saved: Path, corpus_of: CorpusOf) -> None:
    edit(saved / TRAINING, "corpus", "sources", value=["-"])
    with pytest.raises(CorpusError, match="standard input"):
        read_checkpoint(saved).read_corpus()


WRONG: tuple[Any, ...] = (None, True, "", "x", [], {}, -1, 0, 1.5, 1e308, 2**70, [None])
"""What a field may be changed to."""


def fields(saved: Path) -> list[tuple[str, ...]]:
    training = json.loads((saved / TRAINING).read_bytes())
    return [
        *((section,) for section in training),
        *(("config", name) for name in training["config"]),
        *(("position", name) for name in training["position"]),
        *(("corpus", name) for name in training["corpus"]),
        *(("corpus", "options", name) for name in training["corpus"]["options"]),
    ]


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_whatever_a_field_of_a_run_says_it_is_refused_in_a_line_or_gone_on_with(
    value: Any, together: int, make_trainer: Callable[..., Trainer]
) -> None:
    """A null in a position raised AssertionError."""
    trainer = make_trainer("run", steps=12, evaluate_every=4, patience=1)
    list(itertools.islice(trainer, 4))  # where it was evaluated
    run, saved = trainer.run, trainer.run.checkpoints()[-1]
    run.release()
    for older in run.checkpoints()[:-1]:  # nothing to fall back on
        shutil.rmtree(older)
    original = (saved / TRAINING).read_bytes()
    names = fields(saved)
    outcomes = set()
    for start in range(len(names)):
        for name in names[start : start + together]:
            with contextlib.suppress(KeyError, TypeError):  # of a section that is no object now
                edit(saved / TRAINING, *name, value=value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CharRNNWarning)
            try:
                resumed = Trainer.resume(run)
                outcomes.add("resumed")
                resumed.run.release()
            except CharRNNError as error:
                assert "\n" not in str(error)
                outcomes.add("refused")
        (saved / TRAINING).write_bytes(original)
        reseal(saved)
    assert "refused" in outcomes
