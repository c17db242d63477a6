"""stdin, stdout and stderr that are closed, full, or speak another encoding."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from charrnn.cli import display
from charrnn.cli.app import app
from tests.cli.conftest import Charrnn

MOVEMENT = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTfhln]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def redirected(
    redirection: str, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[bytes]":
    """Runs a command as a shell does, with a redirection such as `>&-`."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "charrnn", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )


PRINTING = [
    ["--version"],
    ["--help"],
    ["sample", "--help"],
    ["info", "small"],
    ["info", "small", "--json"],
    ["sample", "small", "-p", "The", "-l", "20"],
    ["evaluate", "small"],
    ["corpora", "--json"],
]


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
@pytest.mark.usefixtures("here")
def test_what_cannot_be_written_is_one_line_and_exit_code_1(arguments: list[str]) -> None:
    """And nothing at the interpreter's exit: "Exception ignored in: <stdout>", exit code 120."""
    result = redirected(">/dev/full", *arguments)
    assert result.returncode == 1
    *notes, error = result.stderr.splitlines()
    assert error == b"error: output: No space left on device"
    assert not any(b"held-out text" not in note for note in notes)  # what evaluate says of copies


@pytest.mark.usefixtures("here")
def test_a_stdout_that_was_closed_from_the_beginning_is_no_success() -> None:
    for arguments in (["--version"], ["info", "small"]):
        result = redirected(">&-", *arguments)
        assert (result.returncode, result.stderr) == (1, b"error: output: Bad file descriptor\n")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
@pytest.mark.usefixtures("here")
def test_messages_that_nobody_can_read_end_nothing(redirection: str) -> None:
    result = redirected(redirection, "sample", "small", "-p", "The☃", "-l", "20")  # a warning
    assert (result.returncode, len(result.stdout)) == (0, 23)
    assert redirected(redirection, "--nonsense").returncode == 2
    assert redirected(redirection, "info", "nowhere").returncode == 3


@pytest.mark.usefixtures("here")
def test_a_pipe_that_is_closed_while_help_is_printed_ends_it_quietly() -> None:
    script = '( "$@"; echo $? >&2 ) | true'
    command = [sys.executable, "-m", "charrnn", "train", "--help"]
    result = subprocess.run(
        ["bash", "-c", f"sleep 0; {script}", "bash", *command], capture_output=True, check=False
    )
    assert result.stderr == b"0\n"


READING = [
    ["train", "-", "--steps", "1"],
    ["plan", "-", "--steps", "1"],
    ["evaluate", "small", "-"],
    ["sample", "small", "-p", "-"],
    ["repl", "small"],
]


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
@pytest.mark.usefixtures("here")
def test_a_closed_stdin_is_one_line_and_exit_code_4(arguments: list[str]) -> None:
    result = redirected("<&-", *arguments)
    assert (result.returncode, result.stdout) == (4, b"")
    assert result.stderr == b"error: standard input is closed; name a file, or pipe text in\n"


@pytest.mark.usefixtures("here")
def test_what_does_not_read_stdin_does_not_mind_that_it_is_closed() -> None:
    result = redirected("<&-", "sample", "small", "-p", "The", "-l", "20")
    assert (result.returncode, len(result.stdout), result.stderr) == (0, 23, b"")


@pytest.mark.usefixtures("here")
def test_no_file_takes_the_place_of_a_closed_stream(here: Path) -> None:
    """The first file that is opened gets the lowest free number; what a library prints goes
    there."""
    result = redirected("<&- >&- 2>&-", "train", "text.txt", "--steps", "2", "--hidden-size", "8")
    assert result.returncode == 0
    lines = (here / "checkpoints/text/metrics.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) >= 2


def in_encoding(encoding: str, *arguments: str) -> Result:
    """Runs a command in this process whose stdout and stderr have an encoding."""
    return CliRunner(charset=encoding).invoke(app, list(arguments))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
@pytest.mark.parametrize(
    "arguments",
    [["info", "ж"], ["info", "ж", "--json"], ["evaluate", "ж"], ["corpora"], ["corpora", "--json"]],
    ids=" ".join,
)
def test_every_command_writes_utf8_whatever_the_locale_says(
    here: Path, run: Charrnn, arguments: list[str], encoding: str
) -> None:
    """As `sample` always did; the others ended in UnicodeEncodeError."""
    (here / "checkpoints/small").rename(here / "checkpoints/ж")
    (here / "corpora").mkdir()
    (here / "corpora/ж.txt").write_text("abc\n")
    result = in_encoding(encoding, *arguments)
    assert result.exit_code == 0
    shown = result.stdout_bytes.decode()
    assert "ж" in shown or "\\u0436" in shown or arguments[0] == "evaluate"
    assert result.stdout_bytes == run(*arguments).stdout_bytes


@pytest.mark.usefixtures("here")
def test_so_are_messages() -> None:
    result = in_encoding("ascii", "info", "ж\udcff")
    assert result.exit_code == 3
    assert result.stderr_bytes.decode().startswith("error: ж\\xff: no such model or run")


@pytest.mark.usefixtures("here")
def test_a_process_whose_encoding_is_ascii_does_the_same() -> None:
    result = redirected("", "sample", "small", "-p", "ж", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert result.stderr.decode() == "warning: the model has never seen 'ж': skipped\n"


def test_names_of_files_that_are_no_utf8_are_shown_and_are_valid_json(
    here: Path, run: Charrnn
) -> None:
    (here / "checkpoints/small").rename(here / "checkpoints/\udcff")
    assert "checkpoints/\\xff/step-" in run("info", "checkpoints/\udcff").stdout
    result = run("info", "checkpoints/\udcff", "--json")
    assert json.loads(result.stdout)["path"].startswith("checkpoints/\ufffd/step-")


class Terminal:
    """A stream that says it is a terminal, or not."""

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "environment", "moves"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "dumb", "FORCE_COLOR": "1"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm", "TTY_COMPATIBLE": "0"}, False),
        (False, {"TERM": "xterm", "FORCE_COLOR": "1"}, False),
        (False, {"TERM": "xterm", "TTY_COMPATIBLE": "1"}, False),
        (False, {"TERM": "xterm", "TTY_INTERACTIVE": "1"}, False),
    ],
)
def test_the_cursor_moves_on_terminals_only(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, environment: dict[str, str], moves: bool
) -> None:
    for name in ("TERM", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert display.moves_cursor(Terminal(is_terminal)) is moves


@pytest.fixture
def new_consoles() -> Iterator[None]:
    """Consoles look at the environment when they are made."""
    display.messages.cache_clear()
    yield
    display.messages.cache_clear()


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
@pytest.mark.usefixtures("here", "new_consoles")
def test_a_log_with_forced_colours_has_no_cursor_movements(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With FORCE_COLOR, Rich takes everything for a terminal: 160 movements in 20 steps."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, "1")
    result = run("train", "text.txt", "--steps", "20", "--hidden-size", "8")
    assert result.exit_code == 0 and "step 20/20" in result.stderr
    assert COLOUR.search(result.stderr) and not MOVEMENT.search(result.stderr)
