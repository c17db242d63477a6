"""PNG files look as the SVG files do."""

import struct
import sys

import pytest

from charrnn.errors import CharRNNWarning, ConfigError
from charrnn.plots import png
from charrnn.plots.png import check_png, draw_png
from tests.plots.test_svg import chart_of


def test_a_png_has_twice_the_pixels_and_letters() -> None:
    pytest.importorskip("resvg_py")
    if not png._has_fonts():
        pytest.skip(
            "no fonts for pictures: install DejaVu Sans (apt-get install fonts-dejavu-core)"
        )
    content = draw_png(chart_of("fables"), 400, 300)
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (800, 600)
    named = draw_png(chart_of("another name", "b"), 400, 300)
    assert draw_png(chart_of("x", "b"), 400, 300) != named  # the fonts work


def test_one_font_of_the_pictures_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only DejaVu Sans is, it was said to be no font, since resvg's own choice is another."""
    resvg = pytest.importorskip("resvg_py")
    drawn: list[str] = []

    def draw(svg_string: str) -> bytes:
        drawn.append(svg_string)
        return svg_string.encode()

    monkeypatch.setattr(resvg, "svg_to_bytes", draw)
    assert png._has_fonts()
    assert len(drawn) == 2 and all("'DejaVu Sans'" in each for each in drawn)


def test_a_machine_without_fonts_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(png, "_has_fonts", lambda: False)
    with pytest.warns(CharRNNWarning, match="^no fonts for pictures are installed here"):
        draw_png(chart_of("fables"))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ConfigError, match=r'pip install "charrnn-lm\[png\]"'):
        check_png()
