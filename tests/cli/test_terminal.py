"""The REPL and the training display on a real pseudo-terminal."""

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

TIMEOUT = 30
PROMPT = r">\x08?"  # prompt_toolkit moves over the space after it


@pytest.fixture
def environment(here: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "PYTHONPATH")}
    return {
        **kept,
        "TERM": "xterm-256color",
        "PROMPT_TOOLKIT_NO_CPR": "1",
        "XDG_STATE_HOME": str(here / "state"),
    }


@pytest.fixture
def repl(environment: dict[str, str]) -> Iterator[pexpect.spawn]:
    arguments = ["-m", "charrnn", "repl", "small", "--length", "20", "--seed", "1"]
    child = pexpect.spawn(
        sys.executable, arguments, env=environment, encoding="utf-8", timeout=TIMEOUT
    )
    child.setwinsize(24, 80)
    child.expect(PROMPT)
    yield child
    child.close(force=True)


def say(child: pexpect.spawn, line: str) -> None:
    child.send(f"{line}\r")


def test_a_beginning_is_completed_and_can_be_completed_again(repl: pexpect.spawn) -> None:
    say(repl, "The fox")
    repl.expect("The fox.{20,}")
    say(repl, "/again")
    repl.expect("The fox.{20,}")


def test_settings_are_shown_and_changed(repl: pexpect.spawn) -> None:
    say(repl, "/temperature 0.5")
    repl.expect("temperature 0.5")
    say(repl, "/length")
    repl.expect("length 20")
    say(repl, "/seed nonsense")
    repl.expect("not a number")
    say(repl, "/temperature -3")
    repl.expect("choose 0")
    say(repl, "/nothing")
    repl.expect("no such command")
    say(repl, "/help")
    repl.expect("/quit")


def test_ctrl_c_stops_the_text_and_ctrl_d_leaves(repl: pexpect.spawn) -> None:
    say(repl, "/length 0")
    repl.expect("length 0")
    say(repl, "The hen")
    # So much that it is the model that writes: a Ctrl-C while the line is being handed over is lost.
    repl.expect("(?s)The hen.{2000,}")
    repl.sendintr()
    repl.expect(PROMPT)
    repl.sendeof()
    repl.expect(pexpect.EOF)
    repl.close()
    assert repl.exitstatus == 0


def test_what_is_typed_is_remembered_for_its_owner_alone(repl: pexpect.spawn, here: Path) -> None:
    say(repl, "The fox")
    repl.expect("The fox.{20,}")
    say(repl, "/quit")
    repl.expect(pexpect.EOF)
    history = here / "state" / "charrnn" / "history"
    assert "The fox" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_no_history_leaves_no_trace(environment: dict[str, str], here: Path) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "charrnn", "repl", "small", "--no-history"],
        env=environment,
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    child.expect(PROMPT)
    say(child, "The fox")
    child.expect("The fox.{20,}")
    say(child, "/quit")
    child.expect(pexpect.EOF)
    assert not (here / "state").exists()


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_training_shows_a_bar_losses_and_samples(environment: dict[str, str], columns: int) -> None:
    arguments = ["-m", "charrnn", "train", "text.txt", "--steps", "300", "--hidden-size", "16"]
    arguments += ["--precision", "fp32", "--evaluate-every", "100"]
    child = pexpect.spawn(
        sys.executable, arguments, env=environment, encoding="utf-8", timeout=TIMEOUT
    )
    child.setwinsize(40, columns)
    child.expect(pexpect.EOF)
    screen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", child.before)
    for expected in ("step 100:", "the best so far", "bits/character", "left", "100%", "now try"):
        assert expected in screen
    widest = max(len(line) for line in re.split(r"[\r\n]+", screen))
    assert widest <= columns


def test_no_color_is_obeyed(environment: dict[str, str]) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "charrnn", "train", "nowhere.txt"],
        env={**environment, "NO_COLOR": "1"},
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    child.expect(pexpect.EOF)
    assert "nowhere.txt" in child.before
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", child.before)
