from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import quality
from benchmarks.quality_run import FailedRun, Task
from benchmarks.quality_table import Record, read_records

MakeRecord = Callable[..., dict[str, Any]]


@pytest.fixture
def performed(monkeypatch: pytest.MonkeyPatch, make_record: MakeRecord) -> list[Task]:
    """The runs that a search did, none of which trains; those of a recipe `bad` fail."""
    tasks = []

    def pretend(task: Task, environment: Mapping[str, str], *, expected: bool) -> Record:
        tasks.append(task)
        if task.recipe.name == "bad":
            raise FailedRun("error: hidden size 0: choose 1 to 16,384")
        more = {"cell": "lstm", "layers": 2, "dropout": 0.1, "learning_rate": 0.005}
        numbers = {"bits": 2.0, "reported_nats": 1.4, "epochs": 2.0, "seconds": 3.0}
        return make_record(1.4) | more | numbers | task.beginning

    monkeypatch.setattr(quality, "perform", pretend)
    return tasks


def run(*arguments: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        quality.main(arguments)
    assert isinstance(ended.value.code, int), ended.value.code
    return ended.value.code


def test_a_search_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, performed: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    evidence, shown = tmp_path / "evidence.jsonl", tmp_path / "table.md"
    search = ["fables", "towns:lines", "--budget", "6steps", "--budget", "9steps"]
    search += ["--recipe", "small: --hidden-size 64", "--json", str(evidence)]
    assert run(*search[:1], *search[2:]) == 0
    assert len(performed) == 4  # one corpus, two budgets, two recipes
    performed.clear()
    assert run(*search, "--table", str(shown), "--seeds", "0,1", "--jobs", "2") == 0
    assert len(performed) == 12  # of 16
    assert {(str(task.corpus.name), task.seed) for task in performed[:4]} == {("towns:lines", 0)}
    assert len(read_records([evidence])) == 16
    assert len(shown.read_text().splitlines()) == 2 + 4
    capsys.readouterr()
    performed.clear()
    assert run(*search) == 0
    assert not performed
    assert shown.read_text().splitlines()[0] in capsys.readouterr().out  # from the file alone


def test_a_recipe_is_repeated_where_that_is_asked_for(
    tmp_path: Path, performed: list[Task]
) -> None:
    search = ["fables", "--budget", "6steps", "--recipe", "small: --hidden-size 64"]
    search += ["--json", str(tmp_path / "evidence.jsonl")]
    run(*search)
    performed.clear()
    assert run(*search, "--again", "chosen") == 0
    assert [task.recipe.name for task in performed] == ["chosen"]


def test_a_run_that_fails_does_not_end_the_search(
    tmp_path: Path, performed: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = tmp_path / "evidence.jsonl"
    search = ["fables", "--budget", "6steps", "--recipe", "bad: --hidden-size 0"]
    assert run(*search, "--seeds", "1,2", "--json", str(evidence)) == 1
    assert len(performed) == 4
    assert [record["recipe"] for record in read_records([evidence])] == ["chosen", "chosen"]
    assert "FAILED: error: hidden size 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["fables", "--jobs", "2"],
        ["fables", "--jobs", "2", "--budget", "6steps", "--budget", "9s"],
        ["fables", "--no-chosen"],
        ["fables", "--recipe", "a: --layers 1", "--recipe", "a: --layers 2"],
        ["fables", "--again", "small"],
        ["fables@99999999"],
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    arguments: list[str], performed: list[Task]
) -> None:
    """Runs side by side under a time budget would each have half of it, for one."""
    assert run(*arguments) == 2
    assert not performed
