"""Pictures of the terminal for README.md and docs/: `make pictures`, in under three minutes.

    python docs/pictures/make_pictures.py [--duration '--budget 30s'] [--to docs/pictures]

Each picture is what a real command shows: it runs in a pseudo-terminal, pyte keeps the cells of the
screen, and they are written as SVG. Text stays text; lines and bars are drawn, so that they join in
any font. Needs the extra `dev`.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import pexpect
import pyte

COLUMNS: Final = 80
ROWS: Final = 400
"""The size of the terminal; it never scrolls."""

SAMPLES: Final = 2
"""The newest samples of a training that are shown."""

LONGEST_SECONDS: Final = 400
"""The most that a command may take."""


@dataclass(frozen=True)
class Cell:
    """A character on the screen, with its look; a colour is a CSS colour, None the default."""

    text: str = " "
    colour: str | None = None
    background: str | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underlined: bool = False
    reverse: bool = False


Row = list[Cell]

# The terminal


class _Screen(pyte.Screen):
    """A screen on which dim text is struck through, for pyte has no dim."""

    def select_graphic_rendition(self, *attributes: int, **more: bool) -> None:
        changed: list[int] = []
        for place, each in enumerate(attributes):
            colour = 38 in attributes[max(place - 4, 0) : place]  # `38;5;2` is no dim
            changed += [9] if each == 2 and not colour else [22, 29] if each == 22 else [each]
        super().select_graphic_rendition(*changed, **more)


class Terminal:
    """A pseudo-terminal with a command in it.

    Args:
        command: what a person types after the prompt, which is shown.
        directory: where it runs.
    """

    def __init__(self, command: str, directory: Path) -> None:
        self._screen = _Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._stream.feed(f"\x1b[1m$ {command}\x1b[0m\r\n".encode())
        kept = ("PATH", "LANG", "PYTHONPATH", "OMP_NUM_THREADS")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        self._process = pexpect.spawn(
            "/bin/sh",
            ["-c", command],
            cwd=str(directory),
            env={
                **environment,
                "HOME": str(directory),
                "TERM": "xterm-256color",
                "PROMPT_TOOLKIT_NO_CPR": "1",
            },
            dimensions=(ROWS, COLUMNS),
        )
        self._end = time.monotonic() + LONGEST_SECONDS

    def read(self) -> bool:
        """Reads what is drawn next; returns whether the command still runs."""
        if time.monotonic() > self._end:
            raise TimeoutError("\n".join(self.lines))
        try:
            self._stream.feed(self._process.read_nonblocking(65536, 0.05))
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            return False
        return True

    def read_until(self, seen: Callable[[], object]) -> None:
        """Reads until something is seen."""
        while not seen():
            if not self.read():
                raise RuntimeError("\n".join(self.lines))

    def type(self, keys: str, *, settled_seconds: float) -> None:
        """Types keys, and reads until nothing has been drawn for so long."""
        for key in keys:
            self._process.send(key)
            self.read()
        before, since = self.lines, time.monotonic()
        while time.monotonic() < since + settled_seconds:
            self.read()
            if self.lines != before:
                before, since = self.lines, time.monotonic()

    def close(self) -> None:
        """Ends the command."""
        self._process.close(force=True)

    @property
    def lines(self) -> list[str]:
        """The text of the screen, down to its last line that is not empty."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def cells(self) -> list[Row]:
        """The cells of the same lines."""
        return [
            [_cell(self._screen.buffer[row][column]) for column in range(COLUMNS)]
            for row in range(len(self.lines))
        ]


def _cell(char: Any) -> Cell:
    return Cell(
        text=char.data,
        colour=_colour(char.fg),
        background=_colour(char.bg),
        bold=char.bold,
        dim=char.strikethrough,
        italic=char.italics,
        underlined=char.underscore,
        reverse=char.reverse,
    )


_PALETTE: Final = (
    "black=#484f58 red=#ff7b72 green=#7ee787 brown=#e3b341 blue=#79c0ff magenta=#d2a8ff "
    "cyan=#76e3ea white=#c9d1d9 brightblack=#6e7681 brightred=#ffa198 brightgreen=#aff5b4 "
    "brightbrown=#f2cc60 brightblue=#a5d6ff bfightmagenta=#e2c5ff brightcyan=#b3f0ff "
    "brightwhite=#ffffff"
)
"""The CSS colours of pyte's names, as pyte spells them."""

_COLOURS: Final = dict(each.split("=") for each in _PALETTE.split())


def _colour(name: str) -> str | None:
    """The CSS colour of pyte's name for one; None is the default."""
    if name == "default":
        return None
    return _COLOURS.get(name) or f"#{name}"


# SVG

_CELL_WIDTH: Final = 8.4
_LINE_HEIGHT: Final = 18
_MARGIN: Final = 16
_TITLE_HEIGHT: Final = 32
_BACKGROUND: Final = "#0d1117"
_FOREGROUND: Final = "#e6edf3"
_FONT: Final = (
    "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
)

_LINES: Final = (
    "─0101 ━0202 │1010 ┃2020 ╸0002 ╺0200 ╴0001 ╶0100 ┌0110 ┐0011 └1100 ┘1001 ╭0110 ╮0011 ╰1100 "
    "╯1001 ├1110 ┤1011 ┬0111 ┴1101 ┼1111 ┏0220 ┓0022 ┳0222 ┡2210 ┩2012 ╇2212"
)
"""How a line leaves the middle of its cell up, right, down and left: 1 is light, 2 is heavy."""

_ARMS: Final = {each[0]: tuple(map(int, each[1:])) for each in _LINES.split()}
_SEAM: Final = 0.04
"""Columns by which lines overlap, so that no seam is seen between them."""

_BLOCKS: Final = "▁▂▃▄▅▆▇█"


def svg(rows: list[Row], title: str) -> str:
    """Writes rows of cells as a window on a page of either colour.

    Args:
        rows: (R, C) cells.
        title: of the window; it is also what a reader hears who cannot see the picture.
    """
    columns = max(map(len, rows))
    width = columns * _CELL_WIDTH + 2 * _MARGIN
    height = len(rows) * _LINE_HEIGHT + _TITLE_HEIGHT + _MARGIN
    drawn = "\n".join(each for number, row in enumerate(rows) for each in _row(row, number))
    dots = "".join(
        f'<circle cx="{_MARGIN + 6 + 20 * place}" cy="16" r="5.5" fill="{colour}"/>'
        for place, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height}" \
viewBox="0 0 {width:g} {height}" role="img" aria-label={quoteattr(title)}>
<title>{escape(title)}</title>
<style>
text {{ font-family: {_FONT}; font-size: 14px; fill: {_FOREGROUND}; white-space: pre; }}
.b {{ font-weight: bold; }} .d {{ fill-opacity: 0.62; }} .i {{ font-style: italic; }}
.u {{ text-decoration: underline; }}
</style>
<rect x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1}" rx="8" fill="{_BACKGROUND}" \
stroke="#6e7681"/>
{dots}
<text class="d" x="{width / 2:g}" y="21" text-anchor="middle">{escape(title)}</text>
{drawn}
</svg>
"""


def _row(row: Row, number: int) -> Iterator[str]:
    """The elements of a row: runs of cells of one look, and what is drawn."""
    top, column = _TITLE_HEIGHT + number * _LINE_HEIGHT, 0
    for _, group in groupby(zip(_looks(row), row, strict=True), key=lambda each: each[0]):
        run = [cell for _, cell in group]
        first = run[0]
        colour, background = first.colour, first.background
        if first.reverse:
            colour, background = background or _BACKGROUND, colour or _FOREGROUND
        if background is not None:
            yield _rect(column, top, len(run), _LINE_HEIGHT, background)
        yield from _run(run, column, top, colour)
        column += len(run)


def _looks(row: Row) -> list[tuple[object, ...]]:
    """The look of each cell; cells side by side of one look are one run. Nothing is seen of a
    space, so it has the look of the cell before it."""
    looks: list[tuple[object, ...]] = []
    for cell in row:
        seen = cell.text.strip() or cell.background or cell.reverse or cell.underlined
        if looks and not seen and not looks[-1][0]:
            looks.append(looks[-1])
            continue
        drawn, marked = _drawn(cell.text), bool(cell.reverse or cell.background)
        style = (cell.colour, cell.bold, cell.dim, cell.italic, cell.underlined)
        looks.append((drawn or marked, drawn, cell.reverse, cell.background, *style))
    return looks


def _drawn(text: str) -> bool:
    return text in _ARMS or (text != "" and text in _BLOCKS)


def _run(run: Row, column: int, top: int, colour: str | None) -> Iterator[str]:
    first, text = run[0], "".join(cell.text or " " for cell in run)
    if _drawn(first.text):
        fill = colour or _FOREGROUND
        for each, same in groupby(enumerate(text), key=lambda item: item[1]):
            places = [place for place, _ in same]
            yield from _shapes(each, column + places[0], len(places), top, fill, dim=first.dim)
        return
    begin = len(text) - len(text.lstrip())
    text = text.strip()
    if not text:
        return
    classes = "".join(
        name
        for name, wanted in zip(
            "bdiu", (first.bold, first.dim, first.italic, first.underlined), strict=True
        )
        if wanted
    )
    attributes = f' class="{" ".join(classes)}"' if classes else ""
    if colour is not None:
        attributes += f' style="fill: {colour}"'
    x, length = _MARGIN + (column + begin) * _CELL_WIDTH, len(text) * _CELL_WIDTH
    yield (
        f'<text x="{x:g}" y="{top + 13}" textLength="{length:g}" '
        f'lengthAdjust="spacingAndGlyphs"{attributes}>{escape(text)}</text>'
    )


def _shapes(
    character: str, column: int, count: int, top: int, fill: str, *, dim: bool
) -> Iterator[str]:
    """So many of a character of lines or of a bar, one beside the other."""
    if character in _BLOCKS:
        height = _LINE_HEIGHT * (_BLOCKS.index(character) + 1) / 10
        yield _rect(column, top + _LINE_HEIGHT * 0.85 - height, count, height, fill, dim=dim)
        return
    arms = _ARMS[character]
    if arms[1] == arms[3]:  # a line across all of them; else there is one
        if arms[1]:
            y = top + _LINE_HEIGHT / 2 - arms[1]
            thick = 2 * arms[1] - 1 if arms[1] > 1 else 1.4
            yield _rect(column, y, count + _SEAM, thick, fill, dim=dim)
        sides = [(arms[0], 0.0), (arms[2], 0.5)]
    else:
        sides = [(arms[0], 0.0), (arms[2], 0.5)]
        for place in range(count):
            for weight, shift in ((arms[1], 0.5), (arms[3], 0.0)):
                if weight:
                    y, thick = (
                        top + _LINE_HEIGHT / 2 - weight,
                        2 * weight - 1 if weight > 1 else 1.4,
                    )
                    yield _rect(column + place + shift, y, 0.5 + _SEAM, thick, fill, dim=dim)
    for place in range(count):
        for weight, shift in sides:
            if weight:
                x = column + place + 0.5 - weight / 2 / _CELL_WIDTH
                y = top + shift * _LINE_HEIGHT
                yield _rect(x, y, weight / _CELL_WIDTH, _LINE_HEIGHT / 2, fill, dim=dim)


def _rect(
    column: float, y: float, columns: float, height: float, fill: str, *, dim: bool = False
) -> str:
    x, width = _MARGIN + column * _CELL_WIDTH, columns * _CELL_WIDTH
    opacity = ' fill-opacity="0.62"' if dim else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"{opacity}/>'
    )


# The pictures


def training(directory: Path, duration: str) -> list[Row]:
    """A training at two thirds of its time: the plan, the newest samples, and the bar."""
    command = f"charrnn train towns --lines {duration}"
    terminal = Terminal(command, directory)
    shown: list[Row] = []
    running, before = True, -1
    while running:
        running = terminal.read()
        lines = terminal.lines
        bar = re.search(r"(\d+)% .* left$", lines[-2]) if len(lines) > 2 else None
        whole = bar is not None and lines[-1].startswith("training ")
        if bar is not None and whole and before < int(bar[1]) <= 66:
            before, shown = int(bar[1]), terminal.cells()
    terminal.close()
    if not shown:
        raise RuntimeError("\n".join(terminal.lines))
    titles = [place for place, row in enumerate(shown) if re.match("step .*: val", _text(row))]
    if len(titles) <= SAMPLES:
        return shown
    return [*shown[: titles[0]], _dots(), *shown[titles[-SAMPLES] :]]


_LONG_GHOST: Final = 10


def writing(directory: Path) -> list[Row]:
    """The REPL: a continuation, its surprisal in colours, and ghost text."""
    train = [sys.executable, "-m", "charrnn", "train", "fables", "--epochs", "40", "--quiet"]
    subprocess.run(train, cwd=directory, capture_output=True, check=True)
    command = "charrnn repl fables --length 220 --seed 3"
    terminal = Terminal(command, directory)
    terminal.read_until(lambda: terminal.lines[-1].startswith(">"))
    terminal.type("The fox \r", settled_seconds=2)
    terminal.type("/surprise\r", settled_seconds=2)
    for word in ("The", " old", " badger", " said", " to the"):  # until the ghost text is long
        terminal.type(word, settled_seconds=1.5)
        shown = terminal.cells()
        if sum(cell.dim for cell in shown[-1]) >= _LONG_GHOST:
            break
    terminal.close()
    return shown


def classifying(directory: Path) -> list[Row]:
    """The end of a training of a classifier, with its confusion matrix."""
    names = subprocess.run(
        [sys.executable, "corpora/towns.py", "--regions"],
        cwd=directory,
        capture_output=True,
        check=True,
    ).stdout
    (directory / "towns.csv").write_bytes(names)
    command = "charrnn train towns.csv --text name --label region --steps 100"
    terminal = Terminal(command, directory)
    while terminal.read():
        pass
    shown = terminal.cells()
    terminal.close()
    end = next(place for place, row in enumerate(shown) if _text(row).startswith("best model"))
    return [shown[0], _dots(), *shown[end:]]


def _text(row: Row) -> str:
    return "".join(cell.text for cell in row).rstrip()


def _dots() -> Row:
    return [Cell("⋮", dim=True)]


def main() -> None:
    """Makes all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--duration", default="--budget 30s", help="How long to train the model of towns."
    )
    here = Path(__file__).resolve().parent
    parser.add_argument("--to", type=Path, default=here, help="The folder for the pictures.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        (directory / "corpora").symlink_to(here.parent.parent / "corpora")
        made = (
            ("training", "charrnn train", training(directory, arguments.duration)),
            ("repl", "charrnn repl", writing(directory)),
            ("classification", "charrnn train --label", classifying(directory)),
        )
    for name, title, rows in made:
        path = arguments.to / f"{name}.svg"
        path.write_text(svg(rows, title), encoding="utf-8")
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
