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
    content = draw_png(chart_of("fables"), 400, 300)
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (800, 600)
    named = draw_png(chart_of("another name", "b"), 400, 300)
    assert draw_png(chart_of("x", "b"), 400, 300) != named  # the fonts work


def test_a_machine_without_fonts_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(png, "_has_fonts", lambda: False)
    with pytest.warns(CharRNNWarning, match="^no fonts are installed here"):
        draw_png(chart_of("fables"))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ConfigError, match=r'pip install "charrnn-lm\[png\]"'):
        check_png()
