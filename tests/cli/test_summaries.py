"""What is said at the end of a training."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from charrnn.tasks.generate.task import GenerationTask

Charrnn = Callable[..., Result]

SIZES = ("--hidden-size", "16", "--layers", "1", "--steps", "30", "--name", "both")


def test_a_restorer_says_what_it_restores_and_what_it_is_for(run: Charrnn) -> None:
    result = run("train", "text.txt", "--bidirectional", *SIZES)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert re.search(
        r"of the held-out text that it infills right: \d+ % where one is masked, "
        r"\d+ % of two in a row, \d+ % of four in a row",
        said,
    )
    assert re.search(r"charrnn fill both '[\w ,-]*__[\w ,-]*' ", said)
    assert re.search(r"echo '[\w ,-]+' \| charrnn proofread both - ", said)
    assert "12 windows of 128 characters" in said


def test_a_restorer_goes_on_and_says_so_again(run: Charrnn) -> None:
    first = run("train", "text.txt", "--bidirectional", *SIZES)
    assert first.exit_code == 0
    again = run("train", "text.txt", "--from", "both", "--steps", "2", "--name", "more")
    assert again.exit_code == 0, again.stderr
    assert "--bidirectional" in again.stderr and "charrnn fill more" in again.stderr


def test_of_a_text_too_short_for_gaps_nothing_is_said_of_them(run: Charrnn) -> None:
    text = "the heron stood in the shallows\n" * 20
    result = run("train", "-", "--bidirectional", *SIZES, stdin=text)
    assert result.exit_code == 0, result.stderr
    assert "best model" in result.stderr and "infills right" not in result.stderr


def test_a_plan_to_restore_counts_both_stacks(run: Charrnn) -> None:
    both, one = (
        json.loads(run("plan", "text.txt", "--json", "--steps", "100", *flags).stdout)
        for flags in (["--bidirectional"], [])
    )
    assert both["model"]["task"] == "restore" and one["model"]["task"] == "generate"
    assert (both["training"]["batch_size"], both["training"]["sequence_length"]) == (12, 128)
    assert both["expected"] is None


def test_which_model_is_best_is_said_before_it_is_measured_further(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SIGTERM while the baselines were computed left no word of a training that was complete."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(GenerationTask, "summarize", interrupted)
    result = run("train", "text.txt", *SIZES)
    assert result.exit_code != 0 and "best model: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "verbs"),
    [
        ((), "sample repl evaluate"),
        (("--lines",), "sample repl evaluate"),
        (("--bidirectional",), "fill proofread info"),
        (("--text", "name", "--label", "kind"), "predict evaluate info"),
    ],
    ids=["text", "lines", "infill", "classify"],
)
def test_the_commands_to_try_next_work_as_they_are_printed(
    arguments: tuple[str, ...], verbs: str, run: Charrnn
) -> None:
    Path("rows.csv").write_text("name,kind\n" + "red fox,a\nblue hen,b\n" * 30)
    text = "rows.csv" if "--label" in arguments else "text.txt"
    sizes = ("--hidden-size", "16", "--layers", "1", "--steps", "400", "--evaluate-every", "400")
    trained = run("train", text, *arguments, *sizes, "--out", "a folder/of mine")
    assert trained.exit_code == 0, trained.stderr
    printed = [line for line in trained.stderr.splitlines() if line.startswith("  ")]
    commands = [re.split(r"  +", line.strip())[0] for line in printed if "charrnn " in line]
    assert len(commands) == 3
    for command, verb in zip(commands, verbs.split(), strict=True):
        echoed, _, typed = command.rpartition(" | ")
        name, *words = shlex.split(typed)
        assert name == "charrnn" and words[:2] == [verb, "a folder/of mine"]
        stdin = f"{shlex.split(echoed)[1]}\n" if echoed else ""
        tried = run(*words, stdin=stdin)
        assert tried.exit_code in ((0, 1) if verb == "proofread" else (0,)), tried.stderr
        assert "error" not in tried.stderr
