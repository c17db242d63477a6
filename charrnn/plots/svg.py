"""Charts as SVG: no scripts, no references to anything else, system fonts.

Colours stand twice: as attributes, for viewers without CSS, and in a style sheet of custom
properties with a dark variant. A page that embeds the picture may set the properties itself, by the
class names.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from charrnn.plots.axes import apart
from charrnn.plots.curves import Chart, Level, Series

LIGHT: Final = {
    "background": "#ffffff",
    "ink": "#1c2530",
    "soft": "#5b6673",
    "grid": "#e3e7ec",
    "run-0": "#1f5fbf",
    "run-1": "#b3441e",
    "run-2": "#2b7a3d",
    "run-3": "#7a3fa8",
    "run-4": "#8a6500",
    "run-5": "#0d7377",
    "run-6": "#a32a63",
    "run-7": "#4d5a66",
}
DARK: Final = {
    "background": "#14181d",
    "ink": "#e8ecf0",
    "soft": "#a3adb8",
    "grid": "#2b323a",
    "run-0": "#7fb0ff",
    "run-1": "#ff9b73",
    "run-2": "#7fd694",
    "run-3": "#cf9bf5",
    "run-4": "#e5bf55",
    "run-5": "#65d0d4",
    "run-6": "#f58bbb",
    "run-7": "#b4bfca",
}
"""The colours on a light and on a dark background, by the name of their custom property."""

FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

SIZE: Final = 13
LINE: Final = 17
"""The size of the text, and the distance of two lines, in pixels."""

LONGEST_NAME: Final = 32
"""The most characters of a run's name that are shown."""

LEAST_WIDTH: Final = 240
LEAST_HEIGHT: Final = 180
LARGEST: Final = 10_000
"""The limits of the size of a picture, in pixels."""

_MARGIN: Final = 12


def draw_svg(chart: Chart, width: int = 800, height: int = 450, *, styled: bool = True) -> str:
    """Return a chart as SVG of this size in pixels.

    Args:
        styled: whether it has a style sheet, which makes it dark on dark screens.
    """
    return "\n".join(_Drawing(chart, width, height).lines(styled)) + "\n"


class _Drawing:
    """A chart and the place of its parts."""

    def __init__(self, chart: Chart, width: int, height: int) -> None:
        self.chart, self.width, self.height = chart, width, height
        self.legend = _legend(chart)
        self.labels = [(visible(text), at, run) for text, at, run in chart.end_labels]
        widest = max((text_width(text) for text, _, _ in self.labels), default=0.0)
        ticks = max((text_width(text) for _, text in chart.y.ticks), default=0.0)
        self.left = _MARGIN + ticks + 10
        self.right = width - _MARGIN - min(widest + 10, width * 0.34)
        self.rows = list(_in_rows(self.legend, width - 2 * _MARGIN))
        self.top = _MARGIN + LINE + 8 + LINE * len(self.rows)
        self.bottom = height - _MARGIN - 2 * LINE - 6

    def x(self, value: float) -> float:
        share = min(max(self.chart.x.share(value), 0.0), 1.0)
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        """Return where a value is drawn; values out of the axis are drawn at its end."""
        share = min(max(self.chart.y.share(value), 0.0), 1.0)
        return self.bottom - share * (self.bottom - self.top)

    def lines(self, styled: bool) -> Iterator[str]:
        chart = self.chart
        place = {
            "left": self.left,
            "right": self.right,
            "top": self.top,
            "bottom": self.bottom,
            "x-low": chart.x.low,
            "x-high": chart.x.high,
            "y-low": chart.y.low,
            "y-high": chart.y.high,
        }
        data = " ".join(f'data-{name}="{value:.10g}"' for name, value in place.items())
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" '
            f'width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" {data} '
            f'font-family="{FONT}" font-size="{SIZE}">'
        )
        yield f"<title>{_text(chart.title)}</title>"
        yield f"<desc>{_text(chart.description)}</desc>"
        if styled:
            yield f"<style>{style_sheet()}</style>"
        yield (
            f'<rect class="background" width="{self.width}" height="{self.height}" '
            f'fill="{LIGHT["background"]}"/>'
        )
        yield from self._axes()
        for level in chart.visible_levels:
            yield self._level(level)
        for series in chart.series:
            yield from self._curve(series)
        yield from self._end_labels()
        yield from self._legend()
        yield "</svg>"

    def _axes(self) -> Iterator[str]:
        chart = self.chart
        last = 1e9
        for value, label in chart.y.ticks:
            y = self.y(value)
            yield _line("grid", self.left, y, self.right, y, LIGHT["grid"])
            if y < last - LINE:
                yield _label("soft", self.left - 8, y + SIZE * 0.35, label, "end")
                last = y
        last = -1e9
        for value, label in chart.x.ticks:
            x, half = self.x(value), text_width(label) / 2
            yield _line("grid", x, self.bottom, x, self.bottom + 5, LIGHT["grid"])
            middle = min(max(x, half + 2), self.width - half - 2)
            if middle - half > last + 8:
                yield _label("soft", middle, self.bottom + LINE + 3, label, "middle")
                last = middle + half
        middle = (self.left + self.right) / 2
        yield _label("soft", middle, self.bottom + 2 * LINE + 4, chart.x.title, "middle")
        top = _MARGIN + SIZE * 0.8
        yield _label("ink", _MARGIN, top, chart.y.title, "start", bold=True)
        begin = _MARGIN + text_width(chart.y.title) * 1.1 + 14
        if chart.kinds and begin + text_width(chart.kinds) < self.width - _MARGIN:
            yield _label("soft", begin, top, chart.kinds, "start")

    def _level(self, level: Level) -> str:
        y = self.y(level.value)
        name, colour = _colour(level.run if len(self.chart.runs) > 1 else None)
        dashed = ' stroke-dasharray="5 4"'
        return _line(f"level {name}", self.left, y, self.right, y, colour, dashed)

    def _curve(self, series: Series) -> Iterator[str]:
        name, colour = _colour(series.run)
        points = [(round(self.x(x), 1), round(self.y(y), 1)) for x, y in series.curve]
        kind, width = ("evaluations", 2.25) if series.is_evaluation else ("training", 1.25)
        faint = "" if series.is_evaluation else ' stroke-opacity="0.55"'
        places = " ".join(f"{x:g},{y:g}" for x, y in _without_repetitions(points))
        yield (
            f'<polyline class="{kind} line {name}" points="{places}" fill="none" '
            f'stroke="{colour}" stroke-width="{width}"{faint} '
            'stroke-linejoin="round" stroke-linecap="round"/>'
        )
        if series.is_evaluation and len(points) <= 60:
            for x, y in points:
                yield f'<circle class="dot {name}" cx="{x:g}" cy="{y:g}" r="3" fill="{colour}"/>'

    def _end_labels(self) -> Iterator[str]:
        """Yield the names of the curves and baselines at their ends, moved apart."""
        places = apart([self.y(value) for _, value, _ in self.labels], LINE, self.top, self.bottom)
        for (text, value, run), y in zip(self.labels, places, strict=True):
            name, colour = _colour(run)
            at = self.y(value)
            if abs(at - y) > 2:
                yield _line(name, self.right + 1, at, self.right + 8, y, colour)
            room = self.width - self.right - 10
            shown = _fitting(text, room)
            yield _label(name, self.right + 10, y + SIZE * 0.35, shown, "start", fill=colour)

    def _legend(self) -> Iterator[str]:
        for number_of_row, row in enumerate(self.rows):
            x, y = float(_MARGIN), _MARGIN + LINE * (number_of_row + 1) + SIZE * 0.8
            for text, run in row:
                name, colour = _colour(run)
                yield _line(f"key {name}", x, y - 4, x + 18, y - 4, colour, ' stroke-width="3"')
                yield _label("ink", x + 24, y, text, "start")
                x += 24 + text_width(text) + 18


def style_sheet() -> str:
    """Return the style sheet of a picture that stands alone."""
    light = "".join(f"--plot-{name}:{value};" for name, value in LIGHT.items())
    dark = "".join(f"--plot-{name}:{value};" for name, value in DARK.items())
    rules = [
        f".plot{{{light}}}",
        f"@media (prefers-color-scheme:dark){{.plot{{{dark}}}}}",
        *style_rules(),
    ]
    return "".join(rules)


def style_rules() -> list[str]:
    """Return the rules that colour a picture by its custom properties."""
    rules = [
        ".plot .background{fill:var(--plot-background)}",
        ".plot line.grid{stroke:var(--plot-grid)}",
        ".plot line.soft{stroke:var(--plot-soft)}",
        ".plot text.ink{fill:var(--plot-ink)}",
        ".plot text.soft{fill:var(--plot-soft)}",
    ]
    for name in LIGHT:
        if name.startswith("run-"):
            rules += [
                f".plot line.{name},.plot polyline.{name}{{stroke:var(--plot-{name})}}",
                f".plot text.{name},.plot circle.{name}{{fill:var(--plot-{name})}}",
            ]
    return rules


def _colour(run: int | None) -> tuple[str, str]:
    """Return the class and the colour of a run; of what belongs to none: soft."""
    name = "soft" if run is None else f"run-{run}"
    return name, LIGHT[name]


def _legend(chart: Chart) -> list[tuple[str, int]]:
    """Return the names of several runs, with their numbers; a single run needs none."""
    if len(chart.runs) == 1:
        return []
    return [(shortened(visible(name), LONGEST_NAME), run) for run, name in enumerate(chart.runs)]


def _in_rows(entries: Iterable[tuple[str, int]], width: float) -> Iterator[list[tuple[str, int]]]:
    """Yield the rows of a legend."""
    row: list[tuple[str, int]] = []
    used = 0.0
    for text, run in entries:
        needed = 24 + text_width(text) + 18
        if row and used + needed > width + 18:
            yield row
            row, used = [], 0.0
        row.append((text, run))
        used += needed
    if row:
        yield row


def _without_repetitions(
    points: Sequence[tuple[float, float]],
) -> Iterator[tuple[float, float]]:
    last = None
    for point in points:
        if point != last:
            yield point
        last = point


def _line(
    name: str, x1: float, y1: float, x2: float, y2: float, colour: str, more: str = ""
) -> str:
    return (
        f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}"{more}/>'
    )


def _label(
    name: str, x: float, y: float, text: str, anchor: str, *, fill: str = "", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text class={quoteattr(name)} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'fill="{fill or LIGHT[name]}"{weight}>{_text(text)}</text>'
    )


def _text(text: str) -> str:
    return escape(visible(text))


def visible(text: str) -> str:
    """Return a text with escapes in place of characters that XML forbids, that are invisible or
    that change the direction of writing."""
    return "".join(
        each if each.isprintable() and unicodedata.category(each) != "Cs" else ascii(each)[1:-1]
        for each in text
    )


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters; an ellipsis replaces the middle of a longer
    one."""
    if len(text) <= most:
        return text
    end = (most - 1) // 3
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def text_width(text: str) -> float:
    """Return about how wide a text is, in pixels: a picture cannot measure its fonts."""
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return SIZE * (0.58 * (len(text) - wide) + 1.05 * wide)


def _fitting(text: str, room: float) -> str:
    """Return a name and its value, the name shortened until they fit."""
    name, space, value = text.rpartition(" ")
    most = len(name)
    while most > 1 and text_width(text) > room:
        most -= 1
        text = f"{name[:most].rstrip()}…{space}{value}"
    return text
