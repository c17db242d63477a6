"""A new task is a folder and its entry in the registry; nothing else changes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import charrnn
from charrnn.cli.app import app
from charrnn.storage.model_directory import TENSORS, read_config
from charrnn.tasks import TASKS
from charrnn.training.progress import Progress

OPTIONS: dict[str, Any] = {
    "task": "echo",
    "steps": 60,
    "hidden_size": 8,
    "evaluate_every": 20,
    "learning_rate": 0.02,
    "device": "cpu",
    "precision": "fp32",
}


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    return result


@pytest.fixture(autouse=True)
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prose: str) -> None:
    monkeypatch.setitem(TASKS, "echo", "tests.tasks.echo.definition:ECHO")
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(prose)


def train(name: str, *, stop_after: int | None = None, **options: Any) -> list[Progress]:
    made = []
    settings = {**OPTIONS, **options}
    for progress in charrnn.stream_train("text.txt", name=name, progress_bar=False, **settings):
        made.append(progress)
        if progress.step == stop_after:
            break
    return made


def test_it_trains_saves_and_resumes() -> None:
    made = train("whole")
    assert made[-1].step == 60 and made[-1].sample == "polly"
    losses = [each.validation_nats for each in made if each.validation_nats is not None]
    assert losses == sorted(losses, reverse=True)
    model, _ = read_config(Path("checkpoints/whole/last").resolve())
    assert model.task == "echo"
    train("parts", stop_after=33)
    for _ in charrnn.stream_train(resume="parts", progress_bar=False):
        pass
    whole, parts = (Path("checkpoints", name, "last", TENSORS) for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


def test_a_training_starts_from_its_model() -> None:
    train("base")
    made = train("more", steps=2, hidden_size=None, start_from="base")
    fresh = train("new", steps=2)[-1].validation_nats
    assert made[-1].validation_nats is not None and fresh is not None
    assert made[-1].validation_nats < fresh


def test_the_command_line_goes_on_with_it_and_says_how_good_it_is() -> None:
    train("parrot", stop_after=33)
    said = " ".join(run("train", "--resume", "parrot").stderr.split())
    assert "resuming after step 33 of 60" in said
    assert "bits per character (best), repeated " in said
    assert "best model: " in said and re.search(r"\(step 60\) repeated [01]\.", said)
    assert said.endswith("now try: charrnn parrot parrot TEXT")


def test_the_command_line_evaluates_it_and_describes_it() -> None:
    train("parrot")
    assert json.loads(run("evaluate", "parrot", "--json").stdout)["loss"] > 0
    assert "loss" in run("evaluate", "parrot").stdout
    shown = run("info", "parrot").stdout
    assert "echo" in shown and "bits per character" in shown and "its last 10 %" in shown


def test_other_verbs_refuse_it_with_its_own_command() -> None:
    train("parrot", steps=1)
    with pytest.raises(charrnn.ModelError, match="trained to echo, .* charrnn parrot"):
        charrnn.sample("parrot")


def test_a_plan_shows_its_batches(capsys: pytest.CaptureFixture[str]) -> None:
    from charrnn.cli.display import results
    from charrnn.cli.plan_table import plan_table
    from charrnn.training.plan import make_plan

    plan = make_plan(charrnn.open_corpus(["text.txt"]), charrnn.TrainingOptions(**OPTIONS))
    results().print(plan_table(plan, named=True))
    assert "4 excerpts of 16 characters" in capsys.readouterr().out
    assert plan.task.forecast(plan.epochs) is None
