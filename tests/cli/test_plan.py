"""charrnn plan"""

import io
import json
import math
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.cli.conftest import TEXT, Charrnn

SMALL = ("--hidden-size", "16", "--layers", "1", "--precision", "fp32")


def test_it_shows_every_choice_with_the_flag_that_overrides_it(run: Charrnn) -> None:
    result = run("plan", "text.txt", "--steps", "30", *SMALL)
    assert result.exit_code == 0, result.stderr
    assert "--cell lstm --layers 1 --hidden-size 16 " in result.stdout
    assert "--steps 30 (" in result.stdout
    flags = set(re.findall(r"--[a-z-]+", result.stdout))
    assert flags >= {"--hidden-size", "--dropout", "--learning-rate", "--batch-size", "--budget"}
    known = run("train", "--help").stdout
    assert all(flag in known for flag in flags)


def test_nothing_is_trained_and_nothing_written(run: Charrnn, here: Path) -> None:
    before = sorted(here.rglob("*"))
    assert run("plan", "text.txt", "--budget", "1s", *SMALL).exit_code == 0
    assert sorted(here.rglob("*")) == before


def test_what_is_planned_is_what_is_trained(run: Charrnn, here: Path) -> None:
    planned = json.loads(run("plan", "text.txt", "--epochs", "2", "--json").stdout)
    assert run("train", "text.txt", "--epochs", "2", "--out", "run").exit_code == 0
    trained = json.loads((here / "run" / "last" / "training.json").read_text())["config"]
    model = json.loads((here / "run" / "last" / "config.json").read_text())["model"]
    differing = {key for key in trained if trained[key] != planned["training"][key]}
    assert differing <= {"keep", "checkpoint_every"}
    assert model == planned["model"]


def test_the_loss_to_expect_comes_with_its_band(run: Charrnn) -> None:
    result = run("plan", "text.txt", "--steps", "300", "--json")
    expected = json.loads(result.stdout)["expected"]
    low, middle, high = (expected[f"{which}nats_per_character"] for which in ("low_", "", "high_"))
    assert 0 < low < middle < high
    shown = run("plan", "text.txt", "--steps", "300").stdout
    assert f"{middle / math.log(2):.2f} bits per character" in shown
    assert f"{low / math.log(2):.2f} to {high / math.log(2):.2f}" in shown


def test_a_time_is_planned_where_there_is_a_budget_alone(run: Charrnn) -> None:
    timed = json.loads(run("plan", "text.txt", "--budget", "2s", *SMALL, "--json").stdout)
    assert 0 < timed["seconds"] < 4
    assert json.loads(run("plan", "text.txt", "--steps", "2", "--json").stdout)["seconds"] is None


def test_a_text_from_standard_input_can_be_planned_for(run: Charrnn) -> None:
    result = run("plan", "-", "--steps", "2", *SMALL, stdin=TEXT)
    assert result.exit_code == 0 and "stdin" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere.txt"], 4, "nowhere.txt"),
        (["text.txt", "--budget", "soon"], 2, "10m"),
        (["text.txt", "--hidden-size", "0"], 2, "hidden size"),
    ],
    ids=str,
)
def test_errors_are_those_of_train(
    arguments: list[str], code: int, says: str, run: Charrnn
) -> None:
    result = run("plan", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ") and says in result.stderr
    assert result.stderr.count("\n") == 1


def test_it_says_where_the_faster_c_is_not_to_be_had(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch took its place without a word."""
    monkeypatch.setenv("CHARRNN_NATIVE", "0")
    shown = " ".join(
        run("plan", "text.txt", "--steps", "30", "--device", "cpu", *SMALL).stdout.split()
    )
    assert "charrnn's own C code, which is faster, is not available here" in shown


@pytest.mark.parametrize("width", [50, 80, 120])
def test_no_line_is_broken_between_an_option_and_its_value(here: Path, width: int) -> None:
    import charrnn
    from charrnn.cli.plan_table import plan_table
    from charrnn.training.plan import make_plan

    options = charrnn.TrainingOptions(steps=30, hidden_size=16, attention=8)
    plan = make_plan(charrnn.open_corpus(["text.txt"]), options)
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(plan_table(plan, named=True), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for line in lines:
        assert re.fullmatch(r".{12}[^ ].*", line) and line == line.rstrip()
        assert not re.search(r"--(cell|layers|hidden-size|attention|clip|seed|steps)$", line)
    if width >= 80:
        assert len(lines) <= 11
