"""charrnn plot: draws the curves of trainings."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from charrnn.cli.shared_arguments import complete_measured_runs
from charrnn.errors import ConfigError

if TYPE_CHECKING:
    from charrnn.plots.curves import Chart

_COLOURS: Final = (
    "blue",
    "red",
    "green",
    "magenta",
    "yellow",
    "cyan",
    "bright_red",
    "bright_black",
)
_WIDTH: Final = 800
_HEIGHT: Final = 450
_ROWS: Final = 24
_COLUMNS: Final = 120
"""The size of a picture in pixels; the most rows and columns of a drawing on a terminal."""


def plot(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Names or directories of runs. Several are drawn together.",
            autocompletion=complete_measured_runs,
            show_default="the newest run",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write a picture to this file: FILE.svg, or FILE.png with the extra "
            "charrnn-lm\\[png].",
            show_default="draw in the terminal",
        ),
    ] = None,
    x: Annotated[
        Literal["seconds", "characters", "steps"],
        typer.Option("--x", help="Show this on the horizontal axis."),
    ] = "seconds",
    width: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Make the picture this wide, in pixels; or the drawing, in columns.",
            show_default="800; of a drawing, the terminal's",
        ),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Make the picture this high, in pixels; or the drawing, in lines.",
            show_default="450; of a drawing, 24 or the terminal's",
        ),
    ] = None,
) -> None:
    """Draw the loss of runs beside baselines, also while they train.

    The curves come from metrics.jsonl. Classifiers are shown by their accuracy, regressions by
    their error.
    """
    kind = None if out is None else _kind(out)
    if kind == "png":
        from charrnn.plots.png import check_png

        check_png()
    if out is None:
        _print(runs or [], x, width, height)
        return
    from charrnn.cli.display import say
    from charrnn.plots.svg import draw_svg
    from charrnn.storage.files import write_file

    size = (width or _WIDTH, height or _HEIGHT)
    _check_size(*size)
    chart = _chart(runs or [], x, x_ticks=max(size[0] // 100, 2), y_ticks=max(size[1] // 75, 2))
    if kind == "png":
        from charrnn.plots.png import draw_png

        write_file(out, draw_png(chart, *size))
    else:
        write_file(out, draw_svg(chart, *size).encode())
    say(f"drawn in {out}")


def _kind(out: Path) -> str:
    """Return the kind of a picture by its name. Raises ConfigError."""
    kind = out.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png"):
        raise ConfigError(f"--out {out}: name a file that ends in .svg or .png")
    return kind


def _check_size(width: int, height: int) -> None:
    from charrnn.plots.svg import LARGEST, LEAST_HEIGHT, LEAST_WIDTH

    for name, size, least in (("width", width, LEAST_WIDTH), ("height", height, LEAST_HEIGHT)):
        if not least <= size <= LARGEST:
            raise ConfigError(f"--{name} {size}: choose {least} to {LARGEST:,} pixels")


def _chart(names: list[str], x: str, *, x_ticks: int, y_ticks: int) -> "Chart":
    from charrnn.cli.display import warn
    from charrnn.errors import ModelError
    from charrnn.plots.curves import make_chart
    from charrnn.plots.run_description import read_drawn
    from charrnn.storage.run import RUNS
    from charrnn.storage.run_listing import find_measured_run, measured_runs

    found = [find_measured_run(name) for name in dict.fromkeys(names)]
    found = found or measured_runs()[:1]
    if not found:
        raise ModelError(f"no run named, and none in {RUNS}/; train one: charrnn train FILE")
    drawn = [read_drawn(run) for run in found]
    for run, each in zip(found, drawn, strict=True):
        if each.measurements.damaged:
            warn(f"{run.directory}: {each.measurements.damaged} lines of metrics.jsonl are damaged")
    return make_chart(drawn, x, x_ticks=x_ticks, y_ticks=y_ticks)


def _print(names: list[str], x: str, width: int | None, height: int | None) -> None:
    """Draw on stdout, as wide as the terminal; into a file or pipe, in 80 columns."""
    from rich.text import Text

    from charrnn.cli.display import results
    from charrnn.plots.terminal import draw_lines

    terminal = shutil.get_terminal_size((80, _ROWS + 1))
    columns = width or min(terminal.columns, _COLUMNS)
    rows = height or min(terminal.lines - 1, _ROWS)
    chart = _chart(names, x, x_ticks=max(columns // 14, 2), y_ticks=max(rows // 4, 2))
    console = results()
    coloured = console.color_system is not None and not console.no_color
    for line in draw_lines(chart, columns, rows, unicode=_is_unicode(), coloured=coloured):
        text = Text()
        for shown, run in line:
            text.append(shown, style="" if run is None else _COLOURS[run])
        text.rstrip()
        console.print(text, soft_wrap=True)


def _is_unicode() -> bool:
    """Return whether stdout has characters of Braille."""
    if os.environ.get("TERM") in ("linux", "dumb") and sys.stdout.isatty():
        return False
    try:
        "⠿┤╌".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
