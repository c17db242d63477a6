"""The examples do what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import fake_espeak

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def test_the_regression_of_the_mission() -> None:
    """1000 sequences of 100 steps of 32 numbers, RMSprop, mean squared error, 10 epochs of 32."""
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / "sequence_regression.py")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert result.stderr == ""
    losses = [float(each) for each in re.findall(r"squared error (\S+)", result.stdout)]
    assert len(losses) == 10
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 1 and losses[-1] < 0.8
    score = re.search(r"R² (\S+),", result.stdout)
    assert score and float(score[1]) > 0.25


def test_sequences_md_has_the_example_as_it_is() -> None:
    code = (EXAMPLES / "sequence_regression.py").read_text().split('"""')[2].strip()
    assert code in (ROOT / "docs" / "sequences.md").read_text()


def test_digits_are_read_row_by_row(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "digits.svg"
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / "digits.py"), "--images", "50", "--picture", str(picture)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    recognized = re.search(r"^(\d+) of 599 are recognized", result.stdout)
    assert recognized and int(recognized[1]) > 240, "a guess recognizes 60"
    assert result.stdout.count("read as") == 8
    assert "<svg" in picture.read_text()


def test_speech_is_written_down(tmp_path: Path) -> None:
    """A fake program speaks. So short a training learns little: all of the program runs."""
    pytest.importorskip("matplotlib")
    fake_espeak.install(tmp_path)
    picture = tmp_path / "speech.svg"
    command = [sys.executable, str(EXAMPLES / "speech.py"), "--picture", str(picture)]
    result = subprocess.run(
        [*command, "--utterances", "32", "--epochs", "3"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )
    assert result.stderr == ""
    said = re.findall(r"^said '([a-z ]+)', heard '([a-z ]*)'$", result.stdout, re.MULTILINE)
    assert [each.count(" ") for each, _ in said] == [3, 3, 3]
    assert "<svg" in picture.read_text()
    assert picture.stat().st_size < 60_000
