"""charrnn train --attention, and sample --attention-map"""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Charrnn

SMALL = ("--hidden-size", "16", "--precision", "fp32", "--steps", "12")


@pytest.fixture
def looking(run: Charrnn) -> str:
    """The name of a run with attention."""
    result = run("train", "text.txt", "--name", "looking", "--attention", "20", *SMALL)
    assert result.exit_code == 0, result.stderr
    assert "--attention 20" in " ".join(result.stderr.split())
    return "looking"


def test_a_run_with_attention_is_used_like_any(run: Charrnn, here: Path, looking: str) -> None:
    record = json.loads(run("info", looking, "--json").stdout)
    assert record["model"]["attention"] == 20
    assert "to the last 20 states" in run("info", looking).stdout
    for command in (
        ("sample", looking, "--length", "40", "-n", "3"),
        ("sample", looking, "--beam", "2", "--length", "20"),
        ("evaluate", looking, "text.txt", "--json"),
        ("evaluate", looking, "text.txt", "--adapt", "--json"),
        ("repl", looking),
    ):
        result = run(*command, stdin="The fox\n")
        assert (result.exit_code, bool(result.stdout)) == (0, True), result.stderr


def test_it_is_planned_and_inherited(run: Charrnn, here: Path, looking: str) -> None:
    planned = run("plan", "text.txt", "--attention", "20", *SMALL, "--json").stdout
    assert json.loads(planned)["model"]["attention"] == 20
    tuned = run("train", "text.txt", "--from", looking, "--steps", "2", "--out", "tuned")
    assert tuned.exit_code == 0, tuned.stderr
    config = json.loads((here / "tuned" / "best" / "config.json").read_text())
    assert config["model"]["attention"] == 20


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--attention", "0"), "attention 0: choose 1 to 4,096"),
        (("--attention", "9", "--from", "small"), "attention"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(
    run: Charrnn, options: tuple[str, ...], says: str
) -> None:
    result = run("train", "text.txt", "--steps", "2", *options)
    assert result.exit_code == 2
    assert says in result.stderr and result.stderr.count("\n") == 1


def test_a_map_shows_the_text_that_was_printed(run: Charrnn, here: Path, looking: str) -> None:
    before = set(here.rglob("*"))
    options = ("--prompt", "The fox", "--length", "30", "--seed", "1")
    result = run("sample", looking, *options, "--attention-map", "map.html")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == run("sample", looking, *options).stdout
    assert set(here.rglob("*")) - before == {here / "map.html"}
    page = (here / "map.html").read_text()
    assert page.count("<i class=g>") == 7 and page.count("<i>") == 30


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("-n", "2"), 2, "exclude each other"),
        (("--json",), 2, "exclude each other"),
        (("--beam", "2"), 2, "exclude each other"),
        (("--length", "0"), 2, "so that every text ends"),
        (("--attention-map", "no/where.html"), 1, "no/where.html"),
    ],
    ids=str,
)
def test_a_map_that_cannot_be_made_is_refused(
    run: Charrnn, here: Path, looking: str, options: tuple[str, ...], code: int, says: str
) -> None:
    result = run("sample", looking, "--length", "5", "--attention-map", "map.html", *options)
    assert result.exit_code == code
    assert says in result.stderr and result.stderr.count("\n") == 1
    assert not (here / "map.html").exists()


def test_a_map_needs_a_model_with_attention(run: Charrnn, here: Path) -> None:
    result = run("sample", "small", "--attention-map", "map.html")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "has no attention; train one with charrnn train --attention WINDOW" in result.stderr
    assert not (here / "map.html").exists()
