"""What every command has in common: where values come from, and advice on what is mistyped."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperOption
from typer.main import get_command

from charrnn.cli.app import app
from charrnn.cli.command import WITH_OWN_VARIABLE
from tests.cli.conftest import Charrnn
from tests.labelled import rows, write_rows


@pytest.mark.parametrize(
    "text", ["-5 degrees", "-x", "- item", "-hello", "--hello", "--foo bar", "--foo=bar", "-n_w"]
)
@pytest.mark.parametrize("command", ["predict", "fill"])
def test_a_text_that_begins_with_a_dash_is_told_from_an_option(
    run: Charrnn, command: str, text: str
) -> None:
    result = run(command, "small", text)
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert "put a text that begins with a dash last, after --:" in said
    result = run(command, "small", "--", text)
    assert result.exit_code == 3  # it is not a model for that, but now it is a text


def test_a_file_that_begins_with_a_dash_is_told_from_an_option(run: Charrnn) -> None:
    for command in (("evaluate", "small"), ("train",), ("plan",)):
        said = " ".join(run(*command, "-old.txt").stderr.replace("│", " ").split())
        assert "put a name that begins with a dash last, after --:" in said
        assert said.count("-- -old.txt") == 1


@pytest.mark.parametrize(
    "given",
    [
        ("train", "--hiden-size", "3"),
        ("train", "--steps", "many"),
        ("predict", "small", "text", "--encoding"),
        ("predict", "small"),
        ("sample", "small", "--length", "-5"),
        ("predict", "small", "--", "one", "-two"),
    ],
)
def test_other_mistakes_get_no_such_hint(run: Charrnn, given: tuple[str, ...]) -> None:
    result = run(*given)
    assert result.exit_code == 2 and "begins with a dash" not in " ".join(result.stderr.split())


COMMANDS = get_command(app).commands  # type: ignore[attr-defined]

SMALL = ("--hidden-size", "8", "--precision", "fp32")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_name_of_an_option_has_its_variable(name: str) -> None:
    for option in COMMANDS[name].params:
        if isinstance(option, TyperOption) and "--help" not in option.opts:
            for each in option.opts:
                if each.startswith("--"):
                    variable = each[2:].replace("-", "_").upper()
                    own = f"CHARRNN_{name.upper()}_{variable}"
                    common = f"CHARRNN_{variable}"
                    expected = {own} if (name, option.name) in WITH_OWN_VARIABLE else {common, own}
                    assert expected <= {*(option.envvar or ())}


def test_what_is_said_of_options_is_said_of_some_that_exist() -> None:
    known = {option.name for command in COMMANDS.values() for option in command.params}
    for command in COMMANDS.values():
        for name, own in getattr(command.callback, "relations", {}).items():
            assert {name, *own.excludes, *own.needs, *own.decided_by} <= known


LENGTHS = {"BUDGET": "10m", "EPOCHS": "3", "STEPS": "7"}


@pytest.mark.parametrize(("set_", "typed"), [*itertools.permutations(LENGTHS, 2)])
def test_a_length_that_is_typed_goes_before_one_in_the_environment(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch, set_: str, typed: str
) -> None:
    monkeypatch.setenv(f"CHARRNN_{set_}", LENGTHS[set_])
    value = LENGTHS[typed] if typed != "BUDGET" else "1s"
    result = run("plan", "text.txt", f"--{typed.lower()}", value, *SMALL, "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    if typed == "STEPS":
        assert record["training"]["steps"] == 7
    if typed == "EPOCHS":
        assert record["epochs"] == pytest.approx(3, rel=0.5)
    if typed == "BUDGET":
        assert record["seconds"] < 60


def test_lengths_that_are_typed_still_exclude_each_other(run: Charrnn) -> None:
    result = run("plan", "text.txt", "--steps", "3", "--epochs", "1")
    assert result.exit_code == 2 and "exclude each other" in result.stderr


EXCLUDING = [
    ("CHARRNN_DIFF", "1", ("proofread", "both", "text.txt", "--json")),
    ("CHARRNN_JSON", "1", ("predict", "kinds", "aei", "--jsonl")),
    ("CHARRNN_JSONL", "1", ("sample", "small", "--json", "--length", "3")),
    ("CHARRNN_NAME", "some", ("train", "text.txt", "--steps", "2", "--out", "new", *SMALL)),
    ("CHARRNN_OUT", "some", ("train", "text.txt", "--steps", "2", "--name", "new", *SMALL)),
    ("CHARRNN_RESUME", "small", ("train", "text.txt", "--steps", "2", "--name", "new", *SMALL)),
    ("CHARRNN_ADAPT", "1", ("evaluate", "small", "--protocol", "windows")),
    ("CHARRNN_PROTOCOL", "windows", ("evaluate", "small", "--adapt")),
    ("CHARRNN_BEST_OF", "3", ("sample", "small", "--length", "3", "--beam", "2")),
    ("CHARRNN_BEAM", "2", ("sample", "small", "--length", "3", "--best-of", "2")),
    ("CHARRNN_STOP", "e", ("sample", "small", "--regex", "[Tt]he")),
    ("CHARRNN_REGEX", "x", ("sample", "small", "--length", "3", "--stop", "e")),
]


@pytest.mark.parametrize(("variable", "value", "given"), EXCLUDING)
def test_what_is_typed_goes_before_what_it_excludes(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, given: tuple[str, ...]
) -> None:
    monkeypatch.setenv(variable, value)
    result = run(*given)
    no_such_model = given[0] in ("predict", "proofread")  # said after what is wrong with options
    assert result.exit_code == (3 if no_such_model else 0), result.stderr


VARIABLES = {
    "CHARRNN_LINES": "1",
    "CHARRNN_TEXT": "text",
    "CHARRNN_LABEL": "kind",
    "CHARRNN_ENCODING": "latin-1",
    "CHARRNN_BUDGET": "10m",
    "CHARRNN_POOLING": "mean",
    "CHARRNN_REGRESS": "0",
    "CHARRNN_CLASS_WEIGHTS": "balanced",
    "CHARRNN_LOGPROBS": "1",
    "CHARRNN_NAME": "other",
}

MEANT_FOR_ANOTHER = [
    ("train", "text.txt", "--steps", "2", "--out", "new", *SMALL),
    ("train", "rows.csv", "--steps", "2", "--out", "new", *SMALL),
    ("train", "rows.csv", "--lines", "--steps", "2", "--out", "new", "--label", "kind", *SMALL),
    ("train", "words", "--label", "folder", "--steps", "2", "--out", "new", *SMALL),
    ("train", "text.txt", "--from", "small", "--steps", "2", "--out", "new"),
    ("plan", "text.txt", "--steps", "2", *SMALL),
    ("evaluate", "small"),
    ("evaluate", "small", "text.txt"),
    ("evaluate", "kinds"),
    ("evaluate", "kinds", "rows.csv"),
    ("evaluate", "kinds", "words"),
    ("predict", "kinds", "aei"),
    ("predict", "kinds", "rows.csv"),
    ("predict", "kinds", "words"),
    ("predict", "kinds", "text.txt"),
    ("sample", "small", "--length", "3"),
    ("sample", "small", "--length", "3", "--novel", "-n", "1"),
    ("corpora",),
    ("info", "small"),
]


@pytest.mark.parametrize("given", MEANT_FOR_ANOTHER, ids=" ".join)
def test_a_variable_that_is_meant_for_another_command_breaks_none(
    run: Charrnn, here: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...]
) -> None:
    made = rows(40)
    (here / "rows.csv").write_text(
        "text,kind\n" + "".join(f"{row['text']},{row['kind']}\n" for row in made)
    )
    for number, row in enumerate(made):
        (here / "words" / row["kind"]).mkdir(parents=True, exist_ok=True)
        (here / "words" / row["kind"] / f"{number}.txt").write_text(row["text"])
    if "kinds" in given:
        named = ("--text", "text", "--label", "kind", "--name", "kinds", "--steps", "2")
        assert run("train", "rows.csv", *named, *SMALL).exit_code == 0
    for variable, value in VARIABLES.items():
        monkeypatch.setenv(variable, value)
    if "--from" in given:
        monkeypatch.setenv("CHARRNN_HIDDEN_SIZE", "99")
    result = run(*given)
    if "--lines" in given:  # it is typed, and so is --label
        assert result.exit_code == 2 and "--lines" in result.stderr
    else:
        assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_an_encoding_of_other_texts_does_not_break_restoring(
    run: Charrnn, here: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: str
) -> None:
    given = ("--bidirectional", "--tokenizer", tokenizer, "--steps", "2", "--name", "both")
    assert run("train", "text.txt", *given, *SMALL).exit_code == 0
    (here / "short.txt").write_text("The fox met the hen.")
    monkeypatch.setenv("CHARRNN_ENCODING", "latin-1")
    for command in (("fill", "both", "The _ox"), ("fill", "both", "short.txt")):
        assert run(*command).exit_code == 0
    assert run("proofread", "both", "short.txt").exit_code in (0, 1)
    assert run("fill", "both", "The _ox", "--encoding", "latin-1").exit_code == 2


def test_evaluate_does_not_adapt_a_classifier_that_nobody_asked_to(
    run: Charrnn, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(here / "rows.jsonl", rows(40))
    named = ("--text", "text", "--label", "kind", "--name", "kinds", "--steps", "2")
    assert run("train", "rows.jsonl", *named, *SMALL).exit_code == 0
    monkeypatch.setenv("CHARRNN_ADAPT", "1")
    assert run("evaluate", "kinds").exit_code == 0
    assert run("evaluate", "kinds", "--adapt").exit_code == 2


def test_a_missing_package_is_named_with_how_to_install_it(here: Path) -> None:
    (here / "text.txt").write_text("some words\n" * 50)
    code = "import sys; sys.modules['torch'] = None; from charrnn.__main__ import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "train", "text.txt", "--steps", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "error: the package torch is missing or broken" in result.stderr
    assert "install it with: pip install --upgrade torch (" in result.stderr
    assert "Traceback" not in result.stderr


def test_at_the_end_python_does_not_search_all_of_pytorch_for_garbage() -> None:
    code = (
        "import atexit, gc\nfrom charrnn.__main__ import main\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000))\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True"
