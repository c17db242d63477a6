"""Charts as PNG, drawn from our SVG by resvg, which reads no other files than fonts."""

import warnings
from typing import Final

from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.plots.curves import Chart
from charrnn.plots.svg import draw_svg

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
        message = "no fonts are installed here: the picture has no text; an SVG file would have it"
        warnings.warn(message, CharRNNWarning, stacklevel=2)
    svg = draw_svg(chart, width, height, styled=False)
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=2 * width, height=2 * height))


def _has_fonts() -> bool:
    """Return whether a letter leaves a trace."""
    import resvg_py

    with_and_without = (
        bytes(resvg_py.svg_to_bytes(svg_string=f"{_HEAD}<text y='9'>{letter}</text></svg>"))
        for letter in ("x", "")
    )
    return len(set(with_and_without)) == 2
