"""The training display on a real pseudo-terminal."""

import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

TIMEOUT = 30


@pytest.fixture
def environment(here: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "PYTHONPATH")}
    return {
        **kept,
        "TERM": "xterm-256color",
        "PROMPT_TOOLKIT_NO_CPR": "1",
        "XDG_STATE_HOME": str(here / "state"),
    }


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
    assert "--embedding-size 16" in screen and re.search(r"step +\d+/300", screen)
    widest = max(len(line) for line in re.split(r"[\r\n]+", screen))
    assert widest <= columns


@pytest.mark.slow
def test_reading_a_large_corpus_shows_a_bar(environment: dict[str, str], here: Path) -> None:
    line = b"It was a bright cold day in April, and the clocks were striking thirteen.\n"
    (here / "large.txt").write_bytes(line * 1_500_000)
    arguments = ["-m", "charrnn", "train", "large.txt", "--steps", "2", "--hidden-size", "8"]
    arguments += ["--layers", "1", "--validation-fraction", "0.001"]
    child = pexpect.spawn(
        sys.executable, arguments, env=environment, encoding="utf-8", timeout=TIMEOUT
    )
    child.setwinsize(40, 80)
    child.expect(pexpect.EOF)
    screen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", child.before)
    for expected in ("reading and measuring", "reading ━", "numbering ━", "now try"):
        assert expected in screen
    shown = screen.splitlines()[-8:]
    assert not any("numbering" in each for each in shown), "what is done is wiped away"


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
