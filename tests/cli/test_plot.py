"""charrnn plot"""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest

from charrnn.storage.run import RUNS, Run
from tests.cli.conftest import Charrnn
from tests.plots.runs import evaluation_line, lines_of_a_run, training_line, write_run

SVG = "{http://www.w3.org/2000/svg}"


def _environment(**more: str) -> dict[str, str]:
    """The environment without a size of the terminal."""
    return {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")} | more


def plot(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, whose stdout is a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "charrnn", "plot", *arguments],
        capture_output=True,
        text=True,
        env=_environment(**environment),
        check=False,
    )


def plot_on_terminal(columns: int, *arguments: str, **environment: str) -> str:
    """On a terminal with so many columns."""
    pexpect = pytest.importorskip("pexpect")
    child = pexpect.spawn(
        sys.executable,
        ["-m", "charrnn", "plot", *arguments],
        dimensions=(30, columns),
        env=_environment(TERM="xterm-256color", **environment),
        timeout=30,
    )
    written: bytes = child.read()
    child.close()
    return written.decode()


def visible_lines(written: str) -> list[str]:
    """The lines without colours."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", written).splitlines()


def test_a_trained_run_is_drawn_in_its_unit(run: Charrnn) -> None:
    result = run("plot", "small")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("bits per character\n")
    assert "validation" in result.stdout and "n-grams" in result.stdout
    assert result.stderr == ""
    assert run("plot").stdout == result.stdout  # the newest run


@pytest.mark.parametrize("x", ["seconds", "characters", "steps"])
def test_an_svg_file_has_the_curves_and_no_more(x: str, run: Charrnn, here: Path) -> None:
    result = run("plot", "small", "-o", "curves.svg", "--x", x, "--width", "500")
    assert (result.exit_code, result.stdout) == (0, "")
    picture = ET.parse(here / "curves.svg").getroot()
    assert picture.attrib["width"] == "500"
    assert len(list(picture.iter(f"{SVG}polyline"))) == 2
    titles = {each.text for each in picture.iter(f"{SVG}text")}
    axes = {"seconds": "time spent training", "characters": "characters learned from"}
    assert axes.get(x, x) in titles


def test_a_png_file_is_drawn(run: Charrnn, here: Path) -> None:
    pytest.importorskip("resvg_py")
    assert run("plot", "small", "-o", "curves.PNG").exit_code == 0
    assert (here / "curves.PNG").read_bytes().startswith(b"\x89PNG")


def test_png_without_its_package_says_what_to_install(
    run: Charrnn, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    result = run("plot", "small", "-o", "curves.png")
    assert result.exit_code == 2
    assert 'pip install "charrnn-lm[png]"; SVG files need none' in result.stderr
    assert not (here / "curves.png").exists()


WRONG: Mapping[str, tuple[list[str], int, str]] = {
    "no such run": (["nothing"], 3, "nothing: no run with a metrics.jsonl; checkpoints/ has "),
    "control characters": (["a\x1b[2Jb"], 3, "a\\x1b[2Jb: no run with"),
    "another ending": (["-o", "curves.jpg"], 2, "--out curves.jpg: name a file that ends in .svg"),
    "no ending": (["-o", "curves"], 2, "--out curves: name a file"),
    "too small": (["-o", "a.svg", "--width", "9"], 2, "--width 9: choose 240 to 10,000 pixels"),
    "too large": (["-o", "a.svg", "--height", "10001"], 2, "--height 10001: choose 180"),
    "no folder": (["small", "-o", "no/a.svg"], 1, "no/a.svg: cannot be written: "),
    "too many": (["small"] * 1 + [f"r{n}" for n in range(8)], 2, "9 runs: choose 1 to 8"),
    "other measures": (["small", "r9"], 2, "small is measured in bits, r9 in accuracy"),
    "nothing measured": (["empty"], 2, "empty: nothing was measured yet"),
    "a pipe": (["pipe"], 3, "pipe: no run with a metrics.jsonl"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_mistakes_are_told_in_one_line(wrong: str, run: Charrnn, here: Path) -> None:
    for number in range(8):
        write_run(RUNS / f"r{number}", lines_of_a_run())
    write_run(RUNS / "r9", [evaluation_line(1, accuracy=0.5)])
    write_run(RUNS / "empty", [])
    os.utime(RUNS / "small" / "metrics.jsonl")
    (RUNS / "pipe").mkdir()
    os.mkfifo(RUNS / "pipe" / "metrics.jsonl")
    arguments, code, message = WRONG[wrong]
    result = run("plot", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert f"error: {message}" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


def test_where_nothing_was_trained_it_says_how(
    run: Charrnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(RUNS)
    result = run("plot")
    assert result.exit_code == 3
    assert "none in checkpoints/; train one: charrnn train FILE" in result.stderr


def test_a_run_that_still_trains_is_drawn(run: Charrnn) -> None:
    """It has no checkpoint yet, a lock, and a line that is half written."""
    live = Run.create(RUNS / "live")
    for line in lines_of_a_run(100):
        live.log(line)
    with open(live.metrics_path, "a") as file:
        file.write('{"step": 110, "charac')
    result = run("plot", "live")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "validation" in result.stdout
    live.release()


def test_damaged_lines_are_counted_in_a_warning(run: Charrnn) -> None:
    write_run(RUNS / "torn", lines_of_a_run())
    with open(RUNS / "torn" / "metrics.jsonl", "a") as file:
        file.write("garbage\n\n")
    result = run("plot", "torn")
    assert result.exit_code == 0
    expected = "warning: checkpoints/torn: 2 lines of metrics.jsonl are damaged\n"
    assert result.stderr == expected


def test_in_a_pipe_there_are_no_colours_and_80_columns(here: Path) -> None:
    write_run(RUNS / "other", lines_of_a_run(400))
    write_run(RUNS / "another", lines_of_a_run())
    result = plot("other", "another", LC_ALL="C")
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout and "** other" in result.stdout
    lines = result.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80 < max(map(len, lines)) + 20


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_it_is_as_wide_and_coloured(columns: int, here: Path) -> None:
    write_run(RUNS / "a", lines_of_a_run())
    write_run(RUNS / "b", [training_line(10, 5.0), *lines_of_a_run()[2:]])
    written = plot_on_terminal(columns, "a", "b", LC_ALL="C.UTF-8", NO_COLOR="")
    lines = visible_lines(written)
    assert columns - 20 < max(map(len, lines)) <= columns and len(lines) <= 30
    assert "\x1b[34m" in written and "\x1b[31m" in written
    plain = plot_on_terminal(columns, "a", "b", LC_ALL="C.UTF-8", NO_COLOR="1")
    assert "\x1b[3" not in plain and "** a" in plain


def test_a_terminal_without_unicode_gets_ascii(here: Path) -> None:
    write_run(RUNS / "naïve", lines_of_a_run())
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    written = plot_on_terminal(80, "naïve", **environment)
    assert written.isascii() and "+--------" in written and "validation" in written
