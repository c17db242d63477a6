"""charrnn fill and charrnn proofread."""

import codecs
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.cli import display, infill_common
from charrnn.storage.model_directory import Model, write_model
from charrnn.tasks.infill.config import ProofreadConfig
from charrnn.tasks.infill.engine import InfillEngine
from tests.cli.conftest import Charrnn
from tests.conftest import PROSE
from tests.masked_models import KnownText

GAPPED, WHOLE = "The her_n stood in the sh_ll_ws", "The heron stood in the shallows"
MISTAKEN = PROSE.replace("stood", "stoid", 1).replace("crumbs still", "crumbs stlil", 1)


ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "latin-1",
    "cp1252",
]


def named(encoding: str) -> list[str]:
    """What names an encoding, where no byte-order mark does."""
    is_marked = encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32")
    return [] if is_marked else ["--encoding", encoding]


@pytest.fixture
def knowing(here: Path, make_model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the model `any` in this folder, whose predictions are those of one that knows the
    fables."""
    write_model(here / "any", make_model("".join(sorted(set(PROSE))), task="restore"))

    def of(model: Model) -> KnownText:
        return KnownText(model.tokenizer, PROSE)

    monkeypatch.setattr(InfillEngine, "of", of)


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

    def test_so_is_stdin(self, run: Charrnn) -> None:
        result = run("fill", "any", "-", stdin="ж " + GAPPED + "\n\x1b")
        assert result.stdout_bytes == f"ж {WHOLE}\n\x1b".encode()
        assert result.stderr.count("\n") == 1
        assert "never seen 'ж' '\\x1b': left as they are" in result.stderr

    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_a_file_is_written_in_its_own_encoding(
        self, run: Charrnn, here: Path, encoding: str
    ) -> None:
        (here / "damaged").write_bytes(f"{GAPPED}\r\n\n".encode(encoding))
        result = run("fill", "any", "damaged", *named(encoding))
        assert result.exit_code == 0
        assert result.stdout_bytes == f"{WHOLE}\r\n\n".encode(encoding)
        result = run("fill", "any", "damaged", "-n", "2", *named(encoding))
        first, _ = result.stdout_bytes.decode(encoding).split("\n---\n")
        assert first == f"{WHOLE}\r\n"
        record = json.loads(run("fill", "any", "damaged", "--json", *named(encoding)).stdout)
        assert record["text"] == f"{WHOLE}\r\n\n"

    def test_a_mark_alone_stays(self, run: Charrnn, here: Path) -> None:
        (here / "empty").write_bytes(codecs.BOM_UTF8)
        assert run("fill", "any", "empty").stdout_bytes == codecs.BOM_UTF8

    def test_what_the_encoding_cannot_write_is_one_line(self, run: Charrnn) -> None:
        result = run(
            "fill", "any", "-", "--gap-length", "same", "--encoding", "utf-7", stdin=b"+AGE-_"
        )
        assert (result.exit_code, result.stdout) == (4, "")
        assert "writing it as utf-7 again would change other bytes" in result.stderr

    def test_an_encoding_that_has_no_effect_is_usage(self, run: Charrnn) -> None:
        result = run("fill", "any", GAPPED, "--encoding", "latin-1")
        assert (result.exit_code, result.stdout) == (2, "")
        assert (
            result.stderr
            == "error: --encoding applies to a file, and this is a text; leave it out\n"
        )

    def test_one_that_is_set_for_other_commands_is_no_matter(
        self, run: Charrnn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CHARRNN_ENCODING", "latin-1")
        assert run("fill", "any", GAPPED).stdout == WHOLE
        result = run("fill", "any", "-", stdin=f"é {GAPPED}".encode("latin-1"))
        assert result.stdout_bytes == f"é {WHOLE}".encode("latin-1")

    def test_a_file_that_is_not_there_is_no_text(self, run: Charrnn) -> None:
        result = run("fill", "any", "no_such.txt")
        assert (result.exit_code, result.stderr) == (4, "error: no_such.txt: no such file\n")

    def test_without_gaps_the_text_is_as_it_was_and_it_says_so(self, run: Charrnn) -> None:
        result = run("fill", "any", WHOLE)
        assert (result.exit_code, result.stdout) == (0, WHOLE)
        assert result.stderr == "no gaps: '_' is not in the text; --gap chooses another character\n"

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
        assert result.stderr.startswith("2 probable mistakes")

    def test_nothing_found_is_exit_code_0(self, run: Charrnn) -> None:
        result = run("proofread", "any", "-", stdin=PROSE)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "no mistakes found\n"

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

    @pytest.mark.parametrize("encoding", ENCODINGS)
    @pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=ascii)
    def test_patch_applies_the_diff_in_any_encoding(
        self, run: Charrnn, here: Path, encoding: str, newline: str
    ) -> None:
        """Of a text in UTF-16 with 179 typos it said: nothing found, exit code 0."""
        if shutil.which("patch") is None:
            pytest.skip("no patch here")
        before, after = (text.replace("\n", newline).encode(encoding) for text in (MISTAKEN, PROSE))
        (here / "text").write_bytes(before)
        shown = run("proofread", "any", "text", *named(encoding))
        assert shown.exit_code == 1
        assert shown.stdout.startswith(
            "1:14: The heron sto[-i-]{+o+}d in the shallows all morning,"
        )
        result = run("proofread", "any", str(here / "text"), "--diff", *named(encoding))
        assert result.exit_code == 1
        (here / "diff").write_bytes(result.stdout_bytes)
        subprocess.run(["patch", "-p0", "-i", "diff"], check=True, capture_output=True)
        assert (here / "text").read_bytes() == after

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (
                b"caf\xe9",
                "byte 3 is not valid utf-8; name its encoding (such as --encoding latin-1)",
            ),
            (
                "caf".encode("utf-16-le"),
                "it has a NUL character, so it looks binary; name its --encoding",
            ),
            (codecs.BOM_UTF8 + b"caf\xe9", "byte 6 is not valid utf-8"),
            (codecs.BOM_UTF16_LE + b"a\0b", "byte 4 is not valid utf-16-le"),
            ("Привет, мир".encode(), "the model has never seen 9 of its 11 characters"),
        ],
        ids=range(5),
    )
    def test_what_cannot_be_read_is_not_without_mistakes(
        self, run: Charrnn, here: Path, content: bytes, said: str
    ) -> None:
        (here / "text").write_bytes(content)
        result = run("proofread", "any", "text")
        assert (result.exit_code, result.stdout) == (4, "")
        assert result.stderr.startswith(f"error: text: {said}") and result.stderr.count("\n") == 1
        assert "--tokenizer" not in result.stderr

    def test_a_failure_is_not_taken_for_a_finding(
        self, run: Charrnn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As with grep and diff, 1 is an answer; what goes wrong is above it."""

        def fail(_model: Model) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(InfillEngine, "of", fail)
        assert run("proofread", "any", "-", stdin=PROSE).exit_code == 5
        assert run("fill", "any", "-", stdin=PROSE).exit_code == 1
        assert "5 any other error" in " ".join(run("proofread", "--help").stdout.split())

    @pytest.mark.parametrize("encoding", ["nonsense", "rot13", ""])
    def test_no_encoding_is_usage(self, run: Charrnn, encoding: str) -> None:
        result = run("proofread", "any", "-", "--encoding", encoding, stdin=PROSE)
        assert (result.exit_code, result.stdout) == (2, "")

    def test_where_colours_are_forced_they_mark_what_is_found(
        self, run: Charrnn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With TERM=dumb FORCE_COLOR=1, there were neither colours nor marks: "stoiod"."""
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setenv("FORCE_COLOR", "1")
        for no_color, shown in ((None, "\x1b[1;9;31mi\x1b[0m\x1b[1;32mo\x1b[0m"), ("1", "[-i-]")):
            if no_color:
                monkeypatch.setenv("NO_COLOR", no_color)
            display.results.cache_clear()
            assert shown in run("proofread", "any", "-", stdin=MISTAKEN).stdout
        display.results.cache_clear()

    def test_diff_and_json_exclude_each_other(self, run: Charrnn) -> None:
        assert run("proofread", "any", "-", "--diff", "--json").exit_code == 2


@pytest.fixture
def of_bytes(here: Path, make_model: Callable[..., Model]) -> Path:
    """A model of bytes, to restore."""
    write_model(here / "bytes", make_model(None, task="restore"))
    return here


@pytest.mark.usefixtures("of_bytes")
def test_a_model_of_bytes_reads_any_file(run: Charrnn, monkeypatch: pytest.MonkeyPatch) -> None:
    content = codecs.BOM_UTF8 + b"\xff caf_ \0\n"
    result = run("fill", "bytes", "-", stdin=content)
    assert result.exit_code == 0
    assert result.stdout_bytes.startswith(codecs.BOM_UTF8 + b"\xff caf")
    assert result.stdout_bytes.endswith(b" \0\n") and len(result.stdout_bytes) == len(content)
    result = run("fill", "bytes", "-", "--json", stdin=content)
    assert json.loads(result.stdout)["text"].startswith("\ufffd caf")
    monkeypatch.setenv("CHARRNN_ENCODING", "latin-1")  # for other commands
    assert run("fill", "bytes", "-", stdin=content).exit_code == 0
    result = run("proofread", "bytes", "-", "--encoding", "latin-1", stdin=content)
    assert result.exit_code == 2 and "leave out --encoding" in result.stderr


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
    environment = {"PYTHONPATH": f"{fresh}:{Path(infill_common.__file__).parents[2]}"}
    with charrnn_process(command, "fresh", "text", env=environment) as process:
        _, errors = process.communicate()
        assert process.returncode in (0, 1) and b"torch" not in errors


def test_the_threshold_that_help_shows_is_the_one_that_is_used(run: Charrnn) -> None:
    shown = run("proofread", "--help").stdout
    assert f"[default: {ProofreadConfig().threshold}]" in shown
