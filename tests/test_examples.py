"""The examples do what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

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


def test_lines_of_text_are_read(tmp_path: Path) -> None:
    picture = tmp_path / "lines.svg"
    options = ["--lines", "40", "--epochs", "2", "--picture", str(picture)]
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / "handwriting.py"), *options],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert result.stderr == ""
    assert len(re.findall(" is read as ", result.stdout)) == 6
    assert re.search(r"character error rate [\d.]+%", result.stdout)
    assert picture.read_text().startswith("<?xml")
