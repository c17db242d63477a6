from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charrnn.data.read_options import ReadOptions
from charrnn.errors import ConfigError, CorpusError, ModelError
from charrnn.storage.model_directory import Model, write_model
from charrnn.training.report import EvaluationRequest
from charrnn.training.saved_model_evaluation import (
    checked_request,
    prepare_evaluation,
    read_evaluated,
)
from charrnn.training.trainer import Trainer
from tests.conftest import reseal

MakeModel = Callable[..., Model]

READ = ReadOptions()


def test_a_model_directory_has_no_checkpoint(tmp_path: Path, make_model: MakeModel) -> None:
    write_model(tmp_path / "model", make_model())
    model, checkpoint = read_evaluated(tmp_path / "model")
    assert checkpoint is None and model.config == make_model().config


def test_a_model_directory_with_a_manifest_has_no_checkpoint_either(
    tmp_path: Path, make_model: MakeModel
) -> None:
    """Like one that was pulled."""
    write_model(tmp_path / "model", make_model())
    reseal(tmp_path / "model")
    assert read_evaluated(tmp_path / "model")[1] is None
    (tmp_path / "model" / "training.json").touch()  # what the manifest does not name is not read
    assert read_evaluated(tmp_path / "model")[1] is None


def test_a_checkpoint_without_its_training_is_damaged(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer("run")
    list(trainer)
    (trainer.run.last / "training.json").unlink()
    with pytest.raises(ModelError, match="training.json"):
        read_evaluated(trainer.run.last)


def test_the_held_out_text_of_a_checkpoint_is_evaluated(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer("run")
    list(trainer)
    directory = trainer.run.last
    model, checkpoint = read_evaluated(directory)
    request = EvaluationRequest(model=model, directory=directory, checkpoint=checkpoint, read=READ)
    told: list[tuple[int, int]] = []
    report = prepare_evaluation(request)(lambda done, total: told.append((done, total)))
    assert report.to_json()["characters"] == trainer.task.validation_characters - 1
    assert dict(report.rows)["text"] == "held out of the training text"
    assert told[-1] == (trainer.task.validation_characters, trainer.task.validation_characters)
    assert report.table is None and report.remarks == ()


def test_a_part_of_a_text_is_said_to_be_one(tmp_path: Path, make_model: MakeModel) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abc dez\n" * 100)
    request = EvaluationRequest(model=make_model(), file=str(path), read=READ, at_most=200)
    report = prepare_evaluation(request)(None)
    (remark,) = report.remarks
    assert "of 700 characters, in passages from all over the text" in remark
    assert report.skipped == ("z",)


@pytest.mark.parametrize("settings", [{"adapt": True}, {"protocol": "windows"}], ids=str)
def test_settings_that_mean_nothing_to_a_task_are_refused(
    make_model: MakeModel, settings: dict[str, Any]
) -> None:
    (name,) = settings
    with pytest.raises(ConfigError, match=f"{name} does not apply to a model trained to restore"):
        checked_request(EvaluationRequest(model=make_model(task="restore"), read=READ, **settings))
    assert checked_request(EvaluationRequest(model=make_model(), read=READ, **settings))


def test_a_task_without_an_evaluation_says_what_its_models_are_for(make_model: MakeModel) -> None:
    request = EvaluationRequest(model=make_model(task="restore"), file="text.txt", read=READ)
    with pytest.raises(ModelError, match="does not measure: use it with charrnn fill or"):
        prepare_evaluation(request)


def test_a_model_in_memory_needs_a_text(make_model: MakeModel) -> None:
    with pytest.raises(CorpusError, match="name a FILE|give"):
        prepare_evaluation(EvaluationRequest(model=make_model(), read=READ))
