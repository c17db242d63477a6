"""Charts as PNG, drawn from our SVG by resvg, which reads no other files than fonts."""

import warnings
from typing import Final

from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.plots.curves import Chart
from charrnn.plots.svg import FONT, draw_svg

_HEAD: Final = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'


def check_png() -> None:
    """Raise ConfigError where the package that draws PNG is missing."""
    try:
        import resvg_py  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            'PNG files need a package: pip install "charrnn-lm[png]"; SVG files need none'
        ) from error


def draw_png(chart: Chart, width: int = 800, height: int = 450) -> bytes:
    """Return a chart as PNG, two pixels for each of the size, which looks sharp on any screen.

    Raises ConfigError where the package for it is missing.
    """
    check_png()
    import resvg_py

    if not _has_fonts():
        message = (
            "no fonts for pictures are installed here: this one has no text; "
            "install DejaVu Sans, or save an SVG file, which has text anywhere"
        )
        warnings.warn(message, CharRNNWarning, stacklevel=2)
    svg = draw_svg(chart, width, height, styled=False)
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=2 * width, height=2 * height))


def _has_fonts() -> bool:
    """Return whether a letter leaves a trace in the fonts that pictures ask for.

    The one that resvg takes by itself may be missing where others are installed.
    """
    import resvg_py

    text = f'{_HEAD}<g font-family="{FONT}"><text y="9">'
    with_and_without = (
        bytes(resvg_py.svg_to_bytes(svg_string=f"{text}{letter}</text></g></svg>"))
        for letter in ("x", "")
    )
    return len(set(with_and_without)) == 2
