"""The command that trains for longer than the one that was typed."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from charrnn.cli.app import app
from charrnn.cli.longer_training import longer_training


def longer(*typed: str) -> str | None:
    """What `charrnn train` with these words suggests."""
    command: Any = typer.main.get_command(app)
    train = command.commands["train"]
    with command.make_context("charrnn", ["train", *typed], resilient_parsing=False) as parent:
        context = train.make_context("train", [*typed], parent=parent)
    return longer_training(context, 4)


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("towns --lines --budget 20s", "towns --lines --budget 80s"),
        ("towns --budget 15m -q --name n", "towns --budget 60m"),
        ("fables --epochs 1.5 --out runs/a", "fables --epochs 6"),
        ("a.txt b.txt --steps 100 --dropout 0.25", "a.txt b.txt --dropout 0.25 --steps 400"),
        ("", "--budget 20m"),
        ("'my book.txt'", "'my book.txt' --budget 20m"),
        ("t.csv --text name --label kind", "t.csv --column name --label kind --budget 20m"),
        ("x --from other --budget 90s", "x --from other --budget 6m"),
        ("x --budget 10d1s", "x --budget 3456004s"),
        ("x --learning-rate 0.0012345678", "x --learning-rate 0.0012345678 --budget 20m"),
        ("x --epochs 0.1", "x --epochs 0.4"),
    ],
)
def test_it_is_what_was_typed_for_longer_and_another_run(typed: str, suggested: str) -> None:
    made = longer(*shlex.split(typed))
    assert made is not None
    assert sorted(shlex.split(made)) == sorted(shlex.split(f"charrnn train {suggested}"))
    assert longer(*shlex.split(made)[2:]) is not None, "it can be typed"


def test_there_is_none_for_a_text_that_is_gone_or_a_run_that_is_resumed(here: Path) -> None:
    assert longer("-") is None
    assert longer("--", "-odd name.txt") is None
    assert longer("--resume", "small") is None
