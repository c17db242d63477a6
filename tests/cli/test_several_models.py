"""charrnn train --models, with an engine that translates by rule."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from charrnn.cli.app import app
from charrnn.tasks.transduce import translate
from charrnn.training.trainer import Trainer
from tests.tasks.transduce.fakes import UpperCase

Charrnn = Callable[..., Result]

PAIRS = ("pairs.tsv", "--source", "1", "--target", "2")
SMALL = ("--steps", "4", "--hidden-size", "8", "--precision", "fp32", "--evaluate-every", "2")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Charrnn:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("CHARRNN_"):
            monkeypatch.delenv(name)
    words = [first + second + third for first in "abc" for second in "abc" for third in "abc"]
    (tmp_path / "pairs.tsv").write_text("".join(f"{word}\t{word.upper()}\n" for word in words))
    monkeypatch.setattr(translate, "_make_engine", lambda model: UpperCase(model.tokenizer))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return invoke


def test_models_are_trained_one_after_the_other_and_work_together(run: Charrnn) -> None:
    result = run("train", *PAIRS, "--models", "2", "--name", "names", *SMALL)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "model 2 of 2: checkpoints/names-2" in result.stderr
    assert "all 2 models have been trained" in result.stderr
    assert "charrnn translate names TEXT" in result.stderr
    assert run("translate", "names", "ab").stdout == "AB\n"
    assert "held-out sources" in run("evaluate", "names").stdout


def test_what_is_missing_is_trained_with_resume(run: Charrnn, tmp_path: Path) -> None:
    run("train", *PAIRS, "--models", "2", "--name", "names", *SMALL)
    first = (tmp_path / "checkpoints/names-1/best/model.safetensors").read_bytes()
    second = tmp_path / "checkpoints/names-2"
    weights = (second / "best/model.safetensors").read_bytes()
    shutil.rmtree(second)
    result = run("train", "--resume", "names")
    assert result.exit_code == 0, result.stderr
    assert "1 of 2 models have been trained already" in result.stderr
    assert (second / "best/model.safetensors").read_bytes() == weights
    assert (tmp_path / "checkpoints/names-1/best/model.safetensors").read_bytes() == first
    again = run("train", "--resume", "names")
    assert again.exit_code == 1 and "all its 2 models have been trained" in again.stderr


def test_a_signal_stops_the_rest_and_nothing_is_lost(
    run: Charrnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the second training began the third."""
    run("train", *PAIRS, "--models", "3", "--name", "whole", *SMALL)
    step = Trainer._step

    def interrupted(trainer: Trainer) -> Any:
        if trainer.run.name == "names-2" and trainer.position.step == 2:
            signal.raise_signal(signal.SIGINT)
        return step(trainer)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_step", interrupted)
        stopped = run("train", *PAIRS, "--models", "3", "--name", "names", *SMALL)
    assert stopped.exit_code == 130, stopped.stderr
    assert "1 of 3 models have been trained to their end" in stopped.stderr
    assert "charrnn train --resume names" in stopped.stderr
    assert not (tmp_path / "checkpoints/names-3").exists()
    early = run("translate", "names", "ab")
    assert early.stdout == "AB\n" and "only 2 of its 3 models are there" in early.stderr
    resumed = run("train", "--resume", "names")
    assert resumed.exit_code == 0, resumed.stderr
    for number in (1, 2, 3):
        whole, mine = (
            tmp_path / f"checkpoints/{name}-{number}/best/model.safetensors"
            for name in ("whole", "names")
        )
        assert whole.read_bytes() == mine.read_bytes()


def test_mistakes_leave_nothing_behind(run: Charrnn, tmp_path: Path) -> None:
    result = run("train", *PAIRS[:-1], "9", "--models", "2", "--name", "names", *SMALL)
    assert result.exit_code == 4, result.stderr
    assert not [*tmp_path.glob("checkpoints/*")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("text.txt", "--models", "3"), "--models needs --source"),
        ((*PAIRS, "--models", "1"), "--models"),
        ((*PAIRS, "--models", "99"), "choose from 2 to 32"),
        (("--resume", "names", "--models", "3"), "--models"),
    ],
)
def test_other_uses_are_refused(run: Charrnn, arguments: tuple[str, ...], message: str) -> None:
    result = run("train", *arguments)
    assert result.exit_code == 2 and message in result.stderr
