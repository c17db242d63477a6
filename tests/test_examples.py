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
LARGEST_LINES = 50
LARGEST_BYTES_OF_A_PICTURE = 60_000


def run(name: str, *options: str, programs: Path | None = None) -> str:
    """Run an example, and return what it printed.

    Args:
        programs: a folder of programs that precede those of the machine.
    """
    variables = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    if programs is not None:
        variables["PATH"] = f"{programs}{os.pathsep}{variables['PATH']}"
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *options],
        capture_output=True,
        text=True,
        check=False,
        env=variables,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def run_with_picture(name: str, *options: str, folder: Path, programs: Path | None = None) -> str:
    """Run an example that draws a picture, and return what it printed."""
    pytest.importorskip("matplotlib")
    picture = folder / f"{name}.svg"
    printed = run(name, *options, "--picture", str(picture), programs=programs)
    assert picture.read_text().count("<svg") == 1
    assert picture.stat().st_size < LARGEST_BYTES_OF_A_PICTURE
    return printed


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < LARGEST_LINES


def test_the_regression_of_the_mission() -> None:
    """1000 sequences of 100 steps of 32 numbers, RMSprop, mean squared error, 10 epochs of 32."""
    printed = run("sequence_regression")
    losses = [float(each) for each in re.findall(r"squared error (\S+)", printed)]
    assert len(losses) == 10
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 1 and losses[-1] < 0.8
    score = re.search(r"R² (\S+),", printed)
    assert score and float(score[1]) > 0.25


def test_sequences_md_has_the_example_as_it_is() -> None:
    code = (EXAMPLES / "sequence_regression.py").read_text().split('"""')[2].strip()
    assert code in (ROOT / "docs" / "sequences.md").read_text()


def test_sunspots_are_forecast(tmp_path: Path) -> None:
    pytest.importorskip("statsmodels")
    printed = run_with_picture("forecasting", "--members=1", "--epochs=1", folder=tmp_path)
    years = re.findall(r"(\d+): +(\S+), with 80 % between +(\S+) and +(\S+)", printed)
    assert [int(year) for year, *_ in years] == list(range(1987, 2009))
    assert all(float(low) < float(median) < float(high) for _, median, low, high in years)


def test_digits_are_read_row_by_row(tmp_path: Path) -> None:
    printed = run_with_picture("digits", "--images=200", "--epochs=6", folder=tmp_path)
    recognized = re.search(r"^(\d+) of 599 are recognized", printed)
    assert recognized and int(recognized[1]) > 240, "a guess recognizes 60"
    assert printed.count("read as") == 8


def test_lines_of_text_are_read(tmp_path: Path) -> None:
    """So short a training learns little: all of the program runs."""
    options = "--lines", "40", "--epochs", "2"
    printed = run_with_picture("handwriting", *options, folder=tmp_path)
    assert len(re.findall(" is read as ", printed)) == 6
    assert re.search(r"character error rate [\d.]+%", printed)


def test_speech_is_written_down(tmp_path: Path) -> None:
    """A fake program speaks. So short a training learns little: all of the program runs."""
    fake_espeak.install(tmp_path)
    options = "--utterances", "32", "--epochs", "3"
    printed = run_with_picture("speech", *options, folder=tmp_path, programs=tmp_path)
    said = re.findall(r"^said '([a-z ]+)', heard '([a-z ]*)'$", printed, re.MULTILINE)
    assert [each.count(" ") for each, _ in said] == [3, 3, 3]
