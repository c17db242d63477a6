"""Charts as lines of text: in Unicode, dots of Braille; elsewhere, ASCII."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from charrnn.plots.axes import apart
from charrnn.plots.curves import Chart
from charrnn.plots.svg import shortened, visible

LEAST_COLUMNS: Final = 40
LEAST_ROWS: Final = 10
"""The least size of a chart; a smaller terminal breaks its lines."""

LONGEST_LABEL: Final = 32
"""The most columns beside the curves."""

_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a Braille character's dots, by row and column."""

_MARKS: Final = "*ox+#@%&"
"""What runs are drawn with in ASCII."""

Span = tuple[str, int | None]
"""A text, and the number of the run it belongs to; None for the axes and baselines."""


@dataclass
class _Cell:
    dots: int = 0
    run: int | None = None
    level: bool = False


def draw_lines(
    chart: Chart,
    columns: int = 80,
    rows: int = 24,
    *,
    unicode: bool = True,
    coloured: bool = True,
) -> list[list[Span]]:
    """Return a chart as lines of text, from the top; each a list of spans.

    Args:
        columns, rows: the size.
        unicode: whether it may have more than ASCII. Without, names are escaped.
        coloured: whether runs are told apart by colours; otherwise several have marks of their own.
    """
    columns, rows = max(columns, LEAST_COLUMNS), max(rows, LEAST_ROWS)
    plain = visible if unicode else _plain
    dotted = unicode and (coloured or len(chart.runs) == 1)
    labels = [
        (plain(shortened(text, LONGEST_LABEL)), at, run) for text, at, run in chart.end_labels
    ]
    legend = _legend(chart, columns, plain, dotted=dotted)
    left = max(len(label) for _, label in chart.y.ticks) + 1
    right = min(max((len(text) for text, _, _ in labels), default=0), int(columns * 0.36))
    width = columns - left - right - 3
    height = max(rows - len(legend) - 4, 4)
    canvas = _canvas(chart, width, height, dotted=dotted)
    beside = _by_row(chart, labels, height)
    ticks = {_row(chart.y.share(value), height): label for value, label in chart.y.ticks}
    lines: list[list[Span]] = [[(plain(chart.y.title), None)], *legend]
    bar = "┤" if unicode else "+"
    for row, cells in enumerate(canvas):
        edge = bar if row in ticks else ("│" if unicode else "|")
        line: list[Span] = [(f"{ticks.get(row, ''):>{left}}{edge}", None)]
        line += _spans(cells, dotted=dotted, dash="╌" if unicode else "-")
        if row in beside:
            text, run = beside[row]
            line.append((f" {text[:right]}", run))
        lines.append(line)
    return [*lines, *_x_axis(chart, left, width, unicode=unicode)]


def _by_row(
    chart: Chart, labels: list[tuple[str, float, int | None]], height: int
) -> dict[int, tuple[str, int | None]]:
    """Return the labels by the row that they stand in, one in each."""
    shown = labels[:height]
    places = apart(
        [(1 - chart.y.share(value)) * (height - 1) for _, value, _ in shown], 1, 0, height - 1
    )
    rows: dict[int, tuple[str, int | None]] = {}
    for place, (text, _, run) in sorted(zip(places, shown, strict=True), key=lambda each: each[0]):
        row = max(round(place), max(rows, default=-1) + 1)
        rows[min(row, height - 1)] = (text, run)
    return rows


def _legend(
    chart: Chart, columns: int, plain: Callable[[str], str], *, dotted: bool
) -> list[list[Span]]:
    """Return a line for each of several runs."""
    if len(chart.runs) == 1:
        return []
    marks = "━" * len(_MARKS) if dotted else _MARKS
    return [
        [(f"  {marks[run] * 2} {plain(shortened(name, columns - 6))}", run)]
        for run, name in enumerate(chart.runs)
    ]


def _row(share: float, height: int) -> int:
    return round((1 - min(max(share, 0.0), 1.0)) * (height - 1))


def _canvas(chart: Chart, width: int, height: int, *, dotted: bool) -> list[list[_Cell]]:
    """Return the cells of the curves and baselines."""
    across, down = (2, 4) if dotted else (1, 1)
    canvas = [[_Cell() for _ in range(width)] for _ in range(height)]

    def place(x: float, y: float) -> tuple[int, int]:
        return (
            round(min(max(chart.x.share(x), 0.0), 1.0) * (width * across - 1)),
            round((1 - min(max(chart.y.share(y), 0.0), 1.0)) * (height * down - 1)),
        )

    for level in chart.visible_levels:
        row = place(0.0, level.value)[1]
        for cell in canvas[row // down][::2]:
            cell.level = True
    for each in sorted(chart.series, key=lambda each: each.is_evaluation):
        points = [place(x, y) for x, y in each.curve]
        for column, row in _joined(points):
            cell = canvas[row // down][column // across]
            cell.dots |= _DOTS[row % down][column % across] if dotted else 1
            cell.run = each.run
    return canvas


def _joined(points: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the dots of straight lines between points."""
    yield from points[:1]
    for (x1, y1), (x2, y2) in pairwise(points):
        steps = max(abs(x2 - x1), abs(y2 - y1))
        for step in range(1, steps + 1):
            yield round(x1 + (x2 - x1) * step / steps), round(y1 + (y2 - y1) * step / steps)


def _spans(cells: list[_Cell], *, dotted: bool, dash: str) -> Iterator[Span]:
    """Yield a row of cells, neighbours of one run together."""
    text, owner = "", None
    for cell in cells:
        shown = dash if cell.level else " "
        if cell.dots:
            shown = chr(0x2800 + cell.dots) if dotted else _MARKS[cell.run or 0]
        run = cell.run if cell.dots else None
        if text and run != owner:
            yield text, owner
            text = ""
        text, owner = text + shown, run
    yield text, owner


def _x_axis(chart: Chart, left: int, width: int, *, unicode: bool) -> list[list[Span]]:
    """Return the line of the axis, of its ticks' labels, and of its title."""
    corner, bar, tick = ("└", "─", "┬") if unicode else ("+", "-", "+")
    axis, labels = [bar] * width, [" "] * (left + 1 + width + 8)
    free = 0
    for value, label in chart.x.ticks:
        column = round(chart.x.share(value) * (width - 1))
        axis[column] = tick
        begin = max(left + 1 + column - len(label) // 2, 0)
        if begin >= free and begin + len(label) <= len(labels):
            labels[begin : begin + len(label)] = label
            free = begin + len(label) + 2
    title = chart.x.title.center(width).rstrip()
    return [
        [(" " * left + corner + "".join(axis), None)],
        [("".join(labels).rstrip(), None)],
        [(" " * (left + 1) + title, None)],
    ]


def _plain(text: str) -> str:
    """Return a text in ASCII, others escaped."""
    text = visible(text).replace("…", "..")
    return text.encode("ascii", "backslashreplace").decode()
