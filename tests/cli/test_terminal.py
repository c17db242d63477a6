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
