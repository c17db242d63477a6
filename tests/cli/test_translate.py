"""charrnn translate, evaluate and info of models of pairs, with an engine that translates by
rule."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from charrnn.cli.app import app
from charrnn.storage.model_directory import write_model
from charrnn.storage.model_list import write_model_list
from charrnn.tasks.transduce import attention_map, translate
from tests.tasks.transduce.fakes import FEATURED, PHONES, UpperCase, make_pair_model

Charrnn = Callable[..., Result]


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, UpperCase]]:
    """The models `names`, `features` and `phones`, and a list of two; the number of models and the
    engine of each that was made."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("CHARRNN_"):
            monkeypatch.delenv(name)
    write_model(tmp_path / "names", make_pair_model())
    write_model(tmp_path / "features", make_pair_model(FEATURED))
    write_model(tmp_path / "phones", make_pair_model(PHONES))
    write_model_list(tmp_path / "both", [tmp_path / "names", tmp_path / "names-2"], None)
    write_model(tmp_path / "names-2", make_pair_model())
    made: list[tuple[int, UpperCase]] = []

    def make(model: Any) -> UpperCase:
        made.append((len(model.members), UpperCase(model.tokenizer)))
        return made[-1][1]

    monkeypatch.setattr(translate, "_make_engine", make)
    return made


@pytest.fixture
def run(engines: Any) -> Charrnn:
    def invoke(*arguments: str, stdin: str | bytes = b"") -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin)

    return invoke


BY_RULE = """
from charrnn.cli.app import main
from charrnn.tasks.transduce import translate
from tests.tasks.transduce.fakes import UpperCase
translate._make_engine = lambda model: UpperCase(model.tokenizer)
main()
"""


@pytest.fixture
def process(engines: Any) -> Callable[..., "subprocess.Popen[bytes]"]:
    """Starts a command in a process of its own, with pipes."""
    root = str(Path(__file__).parents[2])

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-c", BY_RULE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": root},
            bufsize=0,
        )

    return start


def test_a_line_is_answered_before_the_next_is_there(process: Any) -> None:
    """A program that waits for the answer to its line before it writes the next waited forever."""
    with process("translate", "names", "-") as started:
        for line, answer in ((b"ab\n", b"AB\n"), (b"b\nc\n", b"B\nC\n"), (b"\n", b"\n")):
            started.stdin.write(line)
            read = b""
            while len(read) < len(answer):
                read += started.stdout.read(1)
            assert read == answer
        started.stdin.write(b"c")
        started.stdin.close()
        assert started.stdout.read() == b"C\n"
        assert started.wait() == 0


def test_a_closed_pipe_ends_quietly(process: Any) -> None:
    with process("translate", "names", "-") as started:
        started.stdin.write(b"ab\n")
        assert started.stdout.read(3) == b"AB\n"
        started.stdout.close()
        started.stdin.write(b"c\n")
        assert started.wait() == 0
        assert started.stderr.read() == b""


def test_ctrl_c_ends_with_its_code_and_keeps_what_was_printed(process: Any) -> None:
    with process("translate", "names", "-") as started:
        started.stdin.write(b"ab\n")
        assert started.stdout.read(3) == b"AB\n"
        started.send_signal(signal.SIGINT)
        assert started.wait() == 130
        assert b"Traceback" not in started.stderr.read()


def test_a_text_is_translated(run: Charrnn) -> None:
    result = run("translate", "names", "abc")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "ABC\n", "")


def test_a_line_in_is_a_line_out(run: Charrnn, tmp_path: Path) -> None:
    """A blank line, or one that failed, moved all lines after it."""
    (tmp_path / "lines.txt").write_bytes(b"ab\n\nb\xffc\r\nc")
    result = run("translate", "names", "lines.txt")
    assert (result.exit_code, result.stdout) == (0, "AB\n\n\nC\n")
    assert "1 of 4 lines have no translation; the first: lines.txt: line 3" in result.stderr
    assert run("translate", "names", "-", stdin=b"ab\n\nb\xffc\r\nc").stdout == result.stdout


def test_strict_stops_at_the_first_line_without_a_translation(run: Charrnn) -> None:
    result = run("translate", "names", "-", "--strict", stdin=b"ab\nb\xffc\nc\n")
    assert (result.exit_code, result.stdout) == (4, "AB\n")
    assert "standard input: line 2" in result.stderr


def test_several_translations_have_their_source_and_probability(run: Charrnn) -> None:
    result = run("translate", "names", "ab\nc", "-n", "2")
    assert result.stdout == "ab\tAB\t0.7500\nab\tA\t0.2500\nc\tC\t0.7500\nc\t\t0.2500\n"


def test_json_is_an_object_on_a_line(run: Charrnn) -> None:
    result = run("translate", "names", "aé\n", "-n", "2", "--json")
    (line,) = result.stdout.splitlines()
    assert json.loads(line) == {
        "source": "aé",
        "candidates": [
            {"text": "Aé", "probability": pytest.approx(0.75)},
            {"text": "A", "probability": pytest.approx(0.25)},
        ],
        "unknown": ["é"],
    }


def test_features_are_of_all_lines_or_in_a_column(run: Charrnn) -> None:
    assert run("translate", "features", "b\nc", "--features", "PL;SG").stdout == "BAA\nCAA\n"
    assert run("translate", "features", "-", stdin="b\tPL\nc\n").stdout == "BA\nC\n"
    result = run("translate", "features", "-", stdin="b\tDUAL\nc\n")
    assert result.stdout == "\nC\n"
    assert "DUAL" in result.stderr
    alone = run("translate", "names", "b", "--features", "PL")
    assert alone.exit_code == 4 and "without features" in alone.stderr


def test_characters_that_are_left_out_are_said(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        translate, "_make_engine", lambda model: UpperCase(model.tokenizer, copies=False)
    )
    result = run("translate", "names", "aéb")
    assert result.stdout == "AB\n"
    assert "the model has never seen 'é'" in result.stderr


def test_symbols_that_would_end_a_line_do_not(run: Charrnn, tmp_path: Path) -> None:
    tokenizer = type(PHONES)("abc", ("a", "\t", "\u2028"))
    write_model(tmp_path / "odd", make_pair_model(tokenizer))
    assert run("translate", "odd", "ab").stdout == "a\\t\n"


def test_the_attention_map_is_a_page_of_all_lines(run: Charrnn, tmp_path: Path) -> None:
    result = run("translate", "names", "ab\nc", "--attention-map", "page.html")
    assert (result.exit_code, result.stdout) == (0, "AB\nC\n")
    assert (tmp_path / "page.html").read_text().count("<section>") == 2


def test_a_page_that_does_not_show_all_lines_says_so(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_map, "MOST_TEXTS", 1)
    result = run("translate", "names", "ab\nc", "--attention-map", "page.html")
    assert "it shows the first 1 of 2 lines" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("names", "missing.txt"), 4, "missing.txt: no such file"),
        (("names", "names"), 4, "is a folder"),
        (("names", "abc", "--encoding", "latin-1"), 2, "--encoding applies to a file"),
        (("nothing", "abc"), 3, "no such model or run"),
        (("names", "a" * 1001), 4, "1,001 characters"),
    ],
)
def test_errors_are_a_line_and_an_exit_code(
    run: Charrnn, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run("translate", *arguments)
    assert result.exit_code == code and message in result.stderr
    assert result.stderr.count("\n") == 1 and result.stdout == ""


def test_a_list_translates_with_all_its_models(
    run: Charrnn, engines: list[tuple[int, UpperCase]]
) -> None:
    assert run("translate", "both", "abc").stdout == "ABC\n"
    assert engines[-1][0] == 2


def test_evaluate_takes_models_and_lists(
    run: Charrnn, tmp_path: Path, engines: list[tuple[int, UpperCase]]
) -> None:
    (tmp_path / "pairs.tsv").write_text("ab\tAB\nbc\tBB\n")
    for name, models in (("names", 1), ("both", 2)):
        result = run("evaluate", name, "pairs.tsv", "--source", "1", "--target", "2", "--json")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["word_error_rate"] == 0.5
        assert engines[-1][0] == models
    shown = run("evaluate", "both", "pairs.tsv", "--source", "1", "--target", "2").stdout
    assert "word error rate" in shown and "most frequent confusions" in shown


def test_info_shows_how_many_models_a_list_has(run: Charrnn) -> None:
    result = run("info", "both")
    assert result.exit_code == 0, result.stderr
    assert "2 models, which work together" in result.stdout
    assert json.loads(run("info", "both", "--json").stdout)["models"] == 2


@pytest.mark.parametrize(
    "command",
    [
        ("sample", "both"),
        ("predict", "both", "abc"),
        ("card", "both"),
        ("export", "both", "--zip", "out.zip"),
        ("export", "both", "--html", "out.html"),
        ("export", "names", "--html", "out.html"),
        ("export", "names", "--onnx", "out.onnx"),
        ("serve", "names"),
        ("serve", "both"),
    ],
)
def test_other_commands_refuse_models_of_pairs_in_a_sentence(
    run: Charrnn, command: tuple[str, ...]
) -> None:
    result = run(*command)
    assert result.exit_code == 3, result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert "config.json" not in result.stderr


def test_a_model_of_pairs_is_passed_on_as_a_zip(run: Charrnn) -> None:
    assert run("export", "names", "--zip", "out.zip").exit_code == 0
    result = run("import", "out.zip", "--name", "again")
    assert result.exit_code == 0, result.stderr
    assert run("translate", "again", "abc").stdout == "ABC\n"


def test_models_of_one_run_only_are_refused(run: Charrnn, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abc\n" * 100)
    result = run("train", "text.txt", "--models", "3")
    assert result.exit_code == 2
    assert "--models needs --source" in result.stderr
