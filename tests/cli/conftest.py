"""A small trained run that the tests of the command line share."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import charrnn
from charrnn.cli.app import app
from tests.conftest import reseal

TEXT = "The fox met the hen. The hen met the fox. Was it a fox? It was a hen!\n" * 40


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with `text.txt` and a run named `small` in `checkpoints/`."""
    here = tmp_path_factory.mktemp("trained")
    (here / "text.txt").write_text(TEXT)
    charrnn.train(
        here / "text.txt",
        out=here / "checkpoints" / "small",
        steps=60,
        hidden_size=24,
        precision="fp32",
        progress_bar=False,
    )
    return here


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in; the library is a plain function of the working directory."""
    shutil.copytree(trained, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("CHARRNN_"):
            monkeypatch.delenv(name)
    return tmp_path


Charrnn = Callable[..., Result]


def lose_training_text(here: Path) -> None:
    """Makes the run `small` say that its text was a file that is not there."""
    path = here / "checkpoints" / "small" / "best" / "training.json"
    training = json.loads(path.read_text())
    training["corpus"]["sources"] = [str(here / "gone.txt")]
    path.write_text(json.dumps(training))
    reseal(path.parent)


@pytest.fixture
def run(here: Path) -> Charrnn:
    """Runs a command in this process: run("sample", "small")."""

    def invoke(*arguments: str, stdin: str | bytes = b"") -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin)

    return invoke


@pytest.fixture
def charrnn_process(here: Path) -> Callable[..., "subprocess.Popen[bytes]"]:
    """Starts a command in a process of its own."""

    def start(*arguments: str, **settings: object) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-m", "charrnn", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **settings,
        )

    return start
