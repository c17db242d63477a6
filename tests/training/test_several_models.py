"""Several models one after the other. The trainings are those of language models, which are quick;
nothing here knows a task."""

import json
from pathlib import Path
from typing import Any

import pytest

from charrnn.data.read_options import ReadOptions
from charrnn.errors import ConfigError, ModelError
from charrnn.storage.model_list import MODELS, MOST_MODELS, is_model_list
from charrnn.storage.run import Run
from charrnn.training.checkpoint import read_newest
from charrnn.training.options import TrainingOptions
from charrnn.training.several_models import (
    CommonSettings,
    SeveralModels,
    find_models,
    plan_models,
)

OPTIONS: dict[str, Any] = {
    "steps": 4,
    "hidden_size": 8,
    "layers": 1,
    "batch_size": 2,
    "sequence_length": 8,
    "precision": "fp32",
    "lines": True,
}


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "text.txt"
    path.write_text("the fox met the hen\nthe hen met the fox\n" * 20)
    return path


def plan(text: Path, count: int = 2, name: str | None = "names", **options: Any) -> SeveralModels:
    settings = CommonSettings(
        corpus=(str(text),), options=TrainingOptions(**(OPTIONS | options)), read=ReadOptions()
    )
    return plan_models(count, settings, name=name)


def train(several: SeveralModels, number: int, *, steps: int | None = None) -> None:
    """Train a model, to its end or for a few steps."""
    trainer, _ = several.start(number)
    for progress in trainer:
        if progress.step == steps:
            trainer.request_stop()


def test_each_model_has_a_seed_of_its_own_and_all_hold_out_the_same(text: Path) -> None:
    several = plan(text, seed=7)
    for number in range(2):
        train(several, number)
    configs = [read_newest(Run(Path(f"checkpoints/names-{n}"))).config for n in (1, 2)]
    assert [(each.seed, each.split_seed) for each in configs] == [(7, 7), (8, 7)]
    assert json.loads(Path("checkpoints/names", MODELS).read_text())["models"] == [
        "../names-1",
        "../names-2",
    ]


def test_a_stopped_training_goes_on_where_it_was_with_the_same_bytes(text: Path) -> None:
    for number in range(2):
        train(plan(text, name="whole") if number == 0 else _found("whole"), number)
    several = plan(text)
    train(several, 0)
    assert several.is_finished(0) and not several.is_finished(1)
    train(several, 1, steps=2)
    found = _found("names")
    assert [found.is_finished(number) for number in range(2)] == [True, False]
    assert found.trained() == 2
    train(found, 1)
    assert found.is_finished(1)
    for number in (1, 2):
        whole, resumed = (
            Path(f"checkpoints/{name}-{number}/best/model.safetensors").read_bytes()
            for name in ("whole", "names")
        )
        assert whole == resumed


def _found(name: str) -> SeveralModels:
    found = find_models(name)
    assert found is not None
    return found


def test_mistakes_leave_nothing_behind(text: Path) -> None:
    text.write_text("")
    with pytest.raises(Exception, match="text"):
        plan(text).start(0)
    assert not Path("checkpoints").exists() or not [*Path("checkpoints").iterdir()]


def test_a_list_without_models_is_deleted(text: Path) -> None:
    several = plan(text)
    trainer, _ = several.start(0)
    assert is_model_list(several.directory)
    several.discard()
    assert is_model_list(several.directory)  # the training has its directory
    trainer.close()
    several.discard()
    assert not several.directory.exists()


def test_names_that_are_taken_are_refused_before_anything_is_trained(text: Path) -> None:
    (text.parent / "checkpoints" / "names-2").mkdir(parents=True)
    (text.parent / "checkpoints" / "names-2" / "mine.txt").write_text("")
    with pytest.raises(ConfigError, match="names-2 is not empty"):
        plan(text)


def test_a_list_that_is_there_is_continued_not_replaced(text: Path) -> None:
    train(plan(text), 0)
    with pytest.raises(ConfigError, match="lists models already; continue with --resume names"):
        plan(text)


def test_a_name_of_the_corpus_is_one_of_which_all_are_free(text: Path) -> None:
    (text.parent / "checkpoints" / "text-2").mkdir(parents=True)
    (text.parent / "checkpoints" / "text-2" / "mine.txt").write_text("")
    several = plan(text, name=None)
    assert several.directory == Path("checkpoints/text-3")
    assert [each.name for each in several.members] == ["text-3-1", "text-3-2"]


@pytest.mark.parametrize("count", [0, 1, MOST_MODELS + 1])
def test_the_number_of_models_is_bounded(text: Path, count: int) -> None:
    with pytest.raises(ConfigError, match="choose from 2"):
        plan(text, count)


@pytest.mark.parametrize(
    "training",
    [
        None,
        {},
        {"corpus": ["text.txt"]},
        {"corpus": [3], "options": {}, "read": {}},
        "text.txt",
    ],
)
def test_other_settings_are_refused(text: Path, training: Any) -> None:
    folder = text.parent / "checkpoints" / "names"
    folder.mkdir(parents=True)
    (folder / MODELS).write_text(json.dumps({"models": ["../a"], "training": training}))
    with pytest.raises(ModelError, match=r"models\.json: training"):
        find_models("names")


def test_what_is_no_list_is_left_to_others(text: Path) -> None:
    assert find_models("names") is None
