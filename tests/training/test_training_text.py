from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import charrnn
from charrnn.storage.model_directory import Model, write_model
from charrnn.training.training_text import read_training_text
from tests.conftest import brief_run

TEXT = "The fox met the hen. The hen met the fox.\n" * 30


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return brief_run(folder, TEXT)


def test_the_text_is_what_was_trained_on_and_what_was_held_out(run: Path) -> None:
    model = charrnn.load(run)
    found = read_training_text(run / "best")
    assert found.training is not None and found.validation is not None and not found.problem
    ids = np.concatenate([np.asarray(found.training), np.asarray(found.validation)])
    assert model.tokenizer.decode(ids) == TEXT
    assert len(found.validation) == pytest.approx(len(TEXT) / 10, abs=1)


def test_a_text_that_is_gone_or_another_is_not_there_and_it_says_why(run: Path) -> None:
    path = run.parent / "text.txt"
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"!")
        other = read_training_text(run / "best")
        path.unlink()
        gone = read_training_text(run / "best")
    finally:
        path.write_bytes(before)
    assert (other.training, other.validation, gone.training) == (None, None, None)
    assert "not the text that the model was trained on" in other.problem
    assert "text.txt" in gone.problem


def test_a_model_without_a_training_does_not_say_where_its_text_is(
    tmp_path: Path, make_model: Callable[..., Model]
) -> None:
    write_model(tmp_path / "model", make_model())
    assert "does not say" in read_training_text(tmp_path / "model").problem
    assert "does not say" in read_training_text(None).problem
