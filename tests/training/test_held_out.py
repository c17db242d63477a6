"""All that uses what is held out agrees on it: training, resuming, tuning, evaluating,
forecasting."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import charrnn
from charrnn.cli.app import app
from charrnn.data.corpus import open_corpus
from charrnn.data.excerpt import AnyIds
from charrnn.errors import CorpusError
from charrnn.evaluation.scoring import held_out
from charrnn.storage.json_file import to_json
from charrnn.storage.manifest import MANIFEST, with_manifest
from charrnn.storage.model_directory import Model
from charrnn.storage.run import Run
from charrnn.training.checkpoint import read_newest
from charrnn.training.plan import Plan, make_plan
from charrnn.training.text_task import TextTask
from charrnn.training.trainer import Trainer

OPTIONS: dict[str, Any] = {
    "steps": 4,
    "hidden_size": 8,
    "batch_size": 4,
    "sequence_length": 10,
    "precision": "fp32",
    "device": "cpu",
}
CORPORA = Path(__file__).parents[2] / "corpora"
SIZES = {"hidden_size": None}

NAMES = "".join(f"{first}{middle}na\n" for first in "ABCDEFGH" for middle in "abcdefghijk")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a sorted file of names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text(NAMES)
    return tmp_path


def train(name: str, *, stop_at: int | None = None, **options: Any) -> Run:
    for progress in charrnn.stream_train(
        "names.txt", name=name, progress_bar=False, **(OPTIONS | options)
    ):
        if progress.step == stop_at:
            break
    return Run(Path("checkpoints") / name)


def same(one: tuple[AnyIds, AnyIds], other: tuple[AnyIds, AnyIds]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def parts(trainer: Trainer | Plan) -> tuple[AnyIds, AnyIds]:
    if isinstance(trainer, Plan):
        config = trainer.config
        return trainer.corpus.split(
            config.validation_fraction, lines=config.lines, seed=config.split_seed
        )
    assert isinstance(trainer.task, TextTask)
    return trainer.task.training, trainer.task.validation


def learned(run: Run) -> tuple[AnyIds, AnyIds]:
    """What `charrnn evaluate` takes for learned and held out."""
    checkpoint = read_newest(run)
    return held_out(checkpoint.model, checkpoint.read_corpus())


@pytest.mark.parametrize("bidirectional", [False, True])
def test_lines_that_were_drawn_are_drawn_again(bidirectional: bool) -> None:
    run = train("run", stop_at=2, lines=True, seed=3, bidirectional=bidirectional)
    resumed = Trainer.resume(run)
    assert resumed.config.split_seed == 3
    training, validation = parts(resumed)
    assert same((training, validation), learned(run))
    text = resumed.corpus.tokenizer.decode(np.asarray(validation))
    assert len(text.splitlines()) == 9
    assert len({line[0] for line in text.splitlines()}) > 3, "they are from all over the file"
    resumed.run.release()


def test_evaluate_says_how_many_lines_were_learned_as_well(here: Path) -> None:
    (here / "names.txt").write_text(NAMES * 2)
    train("run", lines=True)
    result = CliRunner().invoke(app, ["evaluate", "run", "--json"])
    said = json.loads(result.stdout)
    assert said["lines"] == 18 and 10 < said["lines_in_training"] < 18
    shown = CliRunner().invoke(app, ["evaluate", "run"]).stdout
    assert f"18, {said['lines_in_training'] or 'none'} of them also in the training text" in shown
    (here / "other.txt").write_text("Xana\n\nXana\nAana\n")
    result = CliRunner().invoke(app, ["evaluate", "run", "other.txt", "--json"])
    said = json.loads(result.stdout)
    assert (said["lines"], said["lines_in_training"]) == (3, 1)
    planned = CliRunner().invoke(app, ["plan", "names.txt", "--lines", "--steps", "3"])
    assert "18 lines are held out; " in " ".join(planned.stderr.split())


def evaluated(*arguments: str) -> tuple[Any, str]:
    """What `charrnn evaluate --json` prints, and what it says on stderr."""
    result = CliRunner().invoke(app, ["evaluate", *arguments, "--json"])
    return json.loads(result.stdout), " ".join(result.stderr.split())


def test_evaluate_says_how_much_of_a_text_is_copied_from_the_training_text(here: Path) -> None:
    prose = "".join(open_corpus([str(CORPORA / "fables.txt")]).texts())
    (here / "names.txt").write_text(prose[:9000] + prose[:500] + prose[10_000:10_500])
    train("run")
    said, message = evaluated("run")
    assert said["copied_from_training"] == pytest.approx(0.5, abs=0.01)
    assert "50 % of the held-out text stands word for word in the training text" in message
    said, message = evaluated("run", "names.txt")
    assert said["copied_from_training"] > 0.9
    assert "of names.txt stands word for word in the training text" in message
    (here / "other.txt").write_text(prose[20_000:21_000])
    said, message = evaluated("run", "other.txt")
    assert said["copied_from_training"] == 0 and message == ""


def test_without_the_training_text_copies_are_not_counted(here: Path) -> None:
    train("run")
    (here / "names.txt").rename("other.txt")
    said, _ = evaluated("run", "other.txt")
    assert said["copied_from_training"] is None


def test_a_run_on_another_text_of_python_docs_says_why_it_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It comes with Python, and paragraphs that are repeated were once part of it."""
    topics = {"a": "Some words.\n" * 30, "b": "Other words.\n" * 30}
    monkeypatch.setattr("pydoc_data.topics.topics", topics)
    for _ in charrnn.stream_train(name="run", progress_bar=False, **OPTIONS):
        break
    monkeypatch.setattr("pydoc_data.topics.topics", topics | {"b": "Words.\n" * 30})
    with pytest.raises(CorpusError, match="another text in another version of Python") as caught:
        charrnn.train(resume="run", progress_bar=False)
    assert "\n" not in str(caught.value)


def test_one_line_is_not_said_to_be_several(here: Path) -> None:
    (here / "two.txt").write_text("Aana\nAana\n")
    planned = CliRunner().invoke(app, ["plan", "two.txt", "--lines", "--steps", "3"])
    said = " ".join(planned.stderr.split())
    assert "1 line is held out; 1 of them is among the training lines as well" in said


def test_of_running_text_no_lines_are_counted() -> None:
    train("run")
    assert (
        json.loads(CliRunner().invoke(app, ["evaluate", "run", "--json"]).stdout)["lines"] is None
    )


def as_before(run: Run) -> None:
    """Makes the newest checkpoint what one was when the end of lines was held out, too."""
    files = {
        path.name: path.read_bytes()
        for path in run.last.resolve().iterdir()
        if path.name != MANIFEST
    }
    for name, key in (("config.json", "training"), ("training.json", "config")):
        content = json.loads(files[name])
        del content[key]["split_seed"]
        files[name] = to_json(content)
    for name, content in with_manifest(files).items():
        (run.last / name).write_bytes(content)


def test_a_run_made_when_the_end_was_held_out_keeps_that(here: Path) -> None:
    """What it learned is not held out of it now."""
    run = train("run", stop_at=2, lines=True)
    as_before(run)
    training, validation = learned(run)
    both = np.concatenate([np.asarray(training), np.asarray(validation)])
    resumed = Trainer.resume(run)
    np.testing.assert_array_equal(both, resumed.corpus.ids)
    assert same((training, validation), parts(resumed))
    assert len(training) == NAMES.index("\n", int(len(NAMES) * 0.9) - 5) + 1
    for _ in resumed:
        pass
    assert same(learned(run), (training, validation))
    assert "its last 10 %" in CliRunner().invoke(app, ["info", "run"]).stdout


# From another model


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"lines": True, "seed": 1}, {"lines": True, "seed": 2}),
        ({"lines": True, "seed": 1}, {"seed": 1}),
        ({"validation_fraction": 0.2}, {"seed": 5}),
        ({"validation_fraction": 0.1}, {"validation_fraction": 0.3}),
        ({"lines": True, "validation_fraction": 0.3}, {"lines": True}),
        ({"lines": True}, {"lines": True, "bidirectional": True}),
    ],
    ids=str,
)
def test_what_was_held_out_of_the_base_is_held_out_again(
    first: dict[str, Any], then: dict[str, Any]
) -> None:
    """Another seed, or another fraction, and most of what was held out had been learned."""
    if then.get("bidirectional"):
        first = first | {"bidirectional": True}
        then = then | {"seed": 7}
    base = train("base", **first)
    settings = {k: v for k, v in OPTIONS.items() if k != "hidden_size"} | then
    plan = make_plan(
        charrnn.open_corpus(["names.txt"]),
        charrnn.TrainingOptions(**settings),
        base=charrnn.load(base.directory),
    )
    assert same(parts(plan), learned(base))
    assert any("was trained on this text, so the same part" in note for note in plan.notes)


def test_what_was_held_out_is_handed_down_from_base_to_base() -> None:
    base = train("base", lines=True, seed=1)
    options = SIZES | {"lines": True}
    second = train("second", start_from="base", seed=2, **options)
    third = train("third", start_from="second", seed=3, **options)
    assert same(learned(second), learned(base)) and same(learned(third), learned(base))


def test_of_another_text_the_seed_draws_and_nothing_is_said(here: Path) -> None:
    base = train("base", lines=True, seed=1)
    (here / "names.txt").write_text(NAMES + "Zana\n")
    settings = {k: v for k, v in OPTIONS.items() if k != "hidden_size"} | {"lines": True, "seed": 2}
    plan = make_plan(
        charrnn.open_corpus(["names.txt"]),
        charrnn.TrainingOptions(**settings),
        base=charrnn.load(base.directory),
    )
    assert plan.config.split_seed == 2
    assert not any("was trained on this text" in note for note in plan.notes)


def test_labelled_documents_held_out_of_the_base_are_held_out_again(here: Path) -> None:
    rows = "".join(f"row {n} of it,{'ab'[n % 2]}\n" for n in range(60))
    (here / "kinds.csv").write_text("text,kind\n" + rows)
    read = charrnn.ReadOptions(column="text", label="kind")

    def plan(base: Model | None, **changes: Any) -> Plan:
        settings = {k: v for k, v in OPTIONS.items() if k != "hidden_size" or base is None}
        return make_plan(
            open_corpus(["kinds.csv"], read),
            charrnn.TrainingOptions(**(settings | changes)),
            base=base,
        )

    settings = OPTIONS | {"seed": 1}
    charrnn.train(
        "kinds.csv", name="base", text="text", label="kind", progress_bar=False, **settings
    )
    model = charrnn.load("base")
    old = dataclasses.replace(model.provenance, split_seed=None)
    for base in (model, dataclasses.replace(model, provenance=old)):
        again = plan(base, seed=2)
        assert again.config.split_seed == 1 and again.config.seed == 2
        assert any("was trained on this text" in note for note in again.notes)
    fresh = plan(None, seed=2)
    assert fresh.config.split_seed == 2
