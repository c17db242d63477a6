"""Drawings in a terminal keep to its size and characters."""

import re

import pytest

from charrnn.plots.curves import make_chart
from charrnn.plots.svg import visible
from charrnn.plots.terminal import draw_lines
from tests.plots.runs import drawn, lines_of_a_run
from tests.plots.test_svg import HOSTILE_NAMES, chart_of


def plain(lines: list[list[tuple[str, int | None]]]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("size", [(80, 24), (120, 24), (40, 10), (200, 50)])
@pytest.mark.parametrize("names", [["one"], ["one", "two"]])
def test_a_drawing_is_as_large_as_it_may_be(
    names: list[str], size: tuple[int, int], unicode: bool
) -> None:
    lines = plain(draw_lines(chart_of(*names), *size, unicode=unicode))
    assert len(lines) <= size[1]
    assert all(len(line.rstrip()) <= size[0] for line in lines)
    assert unicode or all(line.isascii() for line in lines)


def test_axes_baselines_and_the_last_values_are_named() -> None:
    text = "\n".join(plain(draw_lines(chart_of("fables"), 100, 30)))
    for shown in (
        "bits per character",
        "time spent training",
        "10 s",
        "n-grams 2.308",
        "xz 2.885",
        "character frequencies 4.328",
        "validation 2.344",
        "training 2.308",
    ):
        assert shown in text, shown


def test_a_falling_loss_falls() -> None:
    chart = make_chart([drawn("run", lines_of_a_run())])
    lines = plain(draw_lines(chart, 80, 24))
    first = next(row for row, line in enumerate(lines) if re.search("[⠁-⣿]", line))
    last = max(row for row, line in enumerate(lines) if re.search("[⠁-⣿]", line))
    left = re.search("[⠁-⣿]", lines[first])
    right = re.search("[⠁-⣿]", lines[last])
    assert left is not None and right is not None and left.start() < right.start()


def test_runs_are_told_apart_by_colour_or_by_marks() -> None:
    chart = chart_of("one", "two")
    coloured = draw_lines(chart, 80, 24)
    assert {run for line in coloured for _, run in line} == {None, 0, 1}
    marked = "\n".join(plain(draw_lines(chart, 80, 24, coloured=False)))
    assert "** one" in marked and "oo two" in marked and not re.search("[⠁-⣿]", marked)
    assert marked.count("*") > 10 and marked.count("o") > 10


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("unicode", [True, False])
def test_names_cannot_control_the_terminal(name: str, unicode: bool) -> None:
    text = "".join(plain(draw_lines(chart_of(name, "other"), 80, 24, unicode=unicode)))
    assert text == visible(text)
    assert unicode or text.isascii()
    text.encode()
