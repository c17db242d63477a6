"""charrnn fill and charrnn proofread."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.cli import restoring
from charrnn.data.tokenizer import CharTokenizer, Tokenizer
from charrnn.evaluation.proofreading import ProofreadConfig
from charrnn.storage.model_directory import Model, write_model
from tests.cli.conftest import Charrnn
from tests.conftest import PROSE
from tests.restorers import KnownText

GAPPED, WHOLE = "The her_n stood in the sh_ll_ws", "The heron stood in the shallows"
MISTAKEN = PROSE.replace("stood", "stoid", 1).replace("crumbs still", "crumbs stlil", 1)


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model knows the fables."""
    tokenizer = CharTokenizer(sorted(set(PROSE)))

    def load(_name: str) -> tuple[KnownText, Tokenizer]:
        return KnownText(tokenizer, PROSE), tokenizer

    monkeypatch.setattr(restoring, "load_restorer", load)


@pytest.fixture
def fresh(here: Path, make_model: Callable[..., Model]) -> Path:
    """A model that has learned nothing, to restore."""
    write_model(here / "fresh", make_model(task="restore"))
    return here


@pytest.mark.usefixtures("knowing")
class TestFill:
    """charrnn fill, with a model that knows."""

    def test_an_argument_is_restored_exactly(self, run: Charrnn) -> None:
        result = run("fill", "any", GAPPED)
        assert (result.exit_code, result.stdout, result.stderr) == (0, WHOLE, "")

    def test_so_is_a_file(self, run: Charrnn, here: Path) -> None:
        (here / "damaged").write_bytes(f"{GAPPED}\r\n\n".encode())
        result = run("fill", "any", "damaged")
        assert result.stdout_bytes == f"{WHOLE}\r\n\n".encode()

    def test_so_is_stdin_with_every_byte_of_it(self, run: Charrnn) -> None:
        result = run("fill", "any", "-", stdin=b"\xff " + GAPPED.encode() + b"\n\x1b")
        assert result.stdout_bytes == b"\xff " + WHOLE.encode() + b"\n\x1b"
        assert result.stderr.count("\n") == 1
        assert "never seen '\\udcff' '\\x1b': left as they are" in result.stderr

    def test_without_gaps_the_text_is_as_it_was_and_it_says_so(self, run: Charrnn) -> None:
        result = run("fill", "any", WHOLE)
        assert (result.exit_code, result.stdout) == (0, WHOLE)
        assert result.stderr == "no gaps: '_' is not in the text; --gap names another character\n"

    def test_another_gap_character(self, run: Charrnn) -> None:
        assert run("fill", "any", GAPPED.replace("_", "*"), "--gap", "*").stdout == WHOLE

    def test_a_gap_and_a_text_may_have_escapes(self, run: Charrnn) -> None:
        escaped = GAPPED.replace("_", r"\t").replace("a", r"\u0061")
        assert run("fill", "any", escaped, "--gap", r"\t", "--escapes").stdout == WHOLE
        assert run("fill", "any", GAPPED, "--gap", r"\t").exit_code == 2

    def test_alternatives_come_with_their_probabilities(self, run: Charrnn) -> None:
        result = run("fill", "any", GAPPED, "-n", "3")
        texts = result.stdout.split("\n---\n")
        assert texts[0] == WHOLE and len(set(texts)) == 3
        lines = result.stderr.splitlines()
        assert [line.split(":")[0] for line in lines] == ["1", "2", "3"]
        assert lines[0].endswith("% 'o' 'a' 'o'")

    def test_json_has_every_gap(self, run: Charrnn) -> None:
        result = run("fill", "any", GAPPED, "-n", "2", "--json")
        record = json.loads(result.stdout)
        assert record["text"] == WHOLE and result.stderr == ""
        first, second = record["alternatives"]
        assert first["text"] == WHOLE and 1 >= first["probability"] >= second["probability"] > 0
        assert [gap["position"] for gap in first["gaps"]] == [7, 25, 28]
        assert first["gaps"][0].keys() == {"position", "length", "filled", "probability"}

    def test_gaps_of_any_length(self, run: Charrnn) -> None:
        gapped = "The heron stood in the sh_ows"
        result = run("fill", "any", gapped, "--gap-length", "any", "--longest", "4")
        assert result.stdout == WHOLE

    @pytest.mark.parametrize(
        "arguments",
        [["--gap", "__"], ["--gap", ""], ["-n", "0"], ["--gap-length", "some"], ["--longest", "0"]],
        ids=" ".join,
    )
    def test_what_makes_no_sense_is_usage(self, run: Charrnn, arguments: list[str]) -> None:
        assert run("fill", "any", GAPPED, *arguments).exit_code == 2


@pytest.mark.usefixtures("knowing")
class TestProofread:
    """charrnn proofread, with a model that knows."""

    def test_what_is_found_is_shown_and_the_exit_code_is_1(self, run: Charrnn, here: Path) -> None:
        (here / "text").write_text(MISTAKEN)
        result = run("proofread", "any", "text")
        assert result.exit_code == 1
        first, second = result.stdout.splitlines()
        assert first.startswith("1:14: The heron sto[-i-]{+o+}d in the shallows")
        assert first.partition("  ")[2].startswith("substitute, ")
        assert " nats; or " in first and " stod" in first
        assert second.startswith("11:") and "crumbs st[-li-]{+il+}l in" in second
        assert result.stderr.startswith("2 found")

    def test_nothing_found_is_exit_code_0(self, run: Charrnn) -> None:
        result = run("proofread", "any", "-", stdin=PROSE)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "nothing found\n"

    def test_patch_applies_the_diff(self, run: Charrnn, here: Path) -> None:
        (here / "text").write_text(MISTAKEN)
        result = run("proofread", "any", "text", "--diff")
        assert result.exit_code == 1
        (here / "diff").write_bytes(result.stdout_bytes)
        program = ["patch", "-p0", "-i"] if shutil.which("patch") else ["git", "apply", "-p0"]
        subprocess.run([*program, "diff"], check=True, capture_output=True)
        assert (here / "text").read_text() == PROSE

    def test_json_has_every_correction(self, run: Charrnn) -> None:
        result = run("proofread", "any", "-", "--json", stdin=MISTAKEN)
        record = json.loads(result.stdout)
        assert result.exit_code == 1 and record["corrected"] == PROSE
        first, second = record["findings"]
        assert (first["line"], first["column"], first["original"]) == (1, 14, "i")
        correction = first["correction"]
        assert correction["replacement"] == "o" and correction["kind"] == "substitute"
        assert MISTAKEN[correction["begin"] : correction["end"]] == "i"
        assert second["correction"]["kind"] == "swap"

    def test_no_diff_of_what_is_right(self, run: Charrnn) -> None:
        for option in ("--diff", "--json"):
            result = run("proofread", "any", "-", option, stdin=PROSE)
            assert result.exit_code == 0
        assert json.loads(result.stdout) == {"findings": [], "corrected": PROSE}

    def test_a_threshold_decides_what_is_worth_telling(self, run: Charrnn) -> None:
        result = run("proofread", "any", "-", "--threshold", "1000", stdin=MISTAKEN)
        assert (result.exit_code, result.stdout) == (0, "")

    def test_text_is_no_markup_and_steers_no_terminal(self, run: Charrnn) -> None:
        text = f"[bold]\x1b[2J\n{MISTAKEN}".replace("heron", "he[red]n")
        shown = run("proofread", "any", "-", stdin=text).stdout
        assert "he[red]n" in shown and "\x1b" not in shown

    def test_a_file_that_is_not_there_is_exit_code_4(self, run: Charrnn, here: Path) -> None:
        for name in ("nowhere", str(here)):
            result = run("proofread", "any", name)
            assert (result.exit_code, result.stdout) == (4, "")
            assert result.stderr.startswith(f"error: {name}: ") and result.stderr.count("\n") == 1

    def test_diff_and_json_exclude_each_other(self, run: Charrnn) -> None:
        assert run("proofread", "any", "-", "--diff", "--json").exit_code == 2


@pytest.mark.parametrize("command", ["fill", "proofread"])
def test_a_model_of_another_task_is_refused_with_its_command(run: Charrnn, command: str) -> None:
    result = run(command, "small", "-", stdin="a_b")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert "charrnn sample" in result.stderr


def test_a_model_that_has_learned_nothing_runs_all_the_same(run: Charrnn, fresh: Path) -> None:
    result = run("fill", "fresh", "a_b h__\n")
    assert result.exit_code == 0 and len(result.stdout) == 8 and "_" not in result.stdout
    result = run("proofread", "fresh", "-", "--json", "--threshold", "0", stdin="a bad cab\n" * 9)
    assert result.exit_code in (0, 1)
    json.loads(result.stdout)


@pytest.mark.parametrize("command", ["fill", "proofread"])
def test_nothing_heavy_is_loaded(
    fresh: Path, charrnn_process: Callable[..., "subprocess.Popen[bytes]"], command: str
) -> None:
    """Restoring needs no torch."""
    (fresh / "torch.py").write_text("raise ImportError('torch was imported')")
    (fresh / "text").write_text("abc def")
    environment = {"PYTHONPATH": f"{fresh}:{Path(restoring.__file__).parents[2]}"}
    with charrnn_process(command, "fresh", "text", env=environment) as process:
        _, errors = process.communicate()
        assert process.returncode in (0, 1) and b"torch" not in errors


def test_the_threshold_that_help_shows_is_the_one_that_is_used(run: Charrnn) -> None:
    shown = run("proofread", "--help").stdout
    assert f"[default: ({ProofreadConfig().threshold:g})]" in shown
