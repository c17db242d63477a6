"""Pictures are safe, can be read by everyone, and nothing in them overlaps."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import charrnn.page
from charrnn.plots import svg
from charrnn.plots.curves import Chart, make_chart
from charrnn.plots.svg import DARK, LIGHT, draw_svg, style_rules
from tests.plots.runs import drawn, evaluation_line, lines_of_a_run, training_line

NAMESPACE = "{http://www.w3.org/2000/svg}"
SIZES = [(800, 450), (1400, 500), (360, 300), (240, 180)]
HOSTILE_NAMES = [
    "<script>alert(1)</script>",
    '"><image href="file:///etc/passwd"/>',
    "a\x1b[2J\0\x07b",
    "\udc80\ud800",
    "\u202egnp.exe\u2066",
    "]]>&amp;&lt;",
    "名" * 200,
    " ",
]


def chart_of(*names: str, count: int = 200) -> Chart:
    floors = [1.5 + number / 10 for number in range(len(names))]
    return make_chart(
        [
            drawn(name, lines_of_a_run(count, floor))
            for name, floor in zip(names, floors, strict=True)
        ]
    )


def texts(picture: ET.Element) -> list[ET.Element]:
    return list(picture.iter(f"{NAMESPACE}text"))


def box(text: ET.Element) -> tuple[float, float, float, float]:
    """About where a text lies: left, top, right, bottom."""
    x, y, width = float(text.attrib["x"]), float(text.attrib["y"]), svg.text_width(text.text or "")
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[text.attrib["text-anchor"]]
    return left, y - 0.75 * svg.SIZE, left + width, y + 0.2 * svg.SIZE


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "names", [["one"], ["one", "two"], ["a", "b", "c", "d", "e", "f", "g", "h"]]
)
def test_no_text_overlaps_another_or_leaves_the_picture(
    names: list[str], size: tuple[int, int]
) -> None:
    if len(names) > 2 and size[1] < 300:
        pytest.skip("eight runs do not fit in a stamp")
    picture = ET.fromstring(draw_svg(chart_of(*names), *size))
    boxes = [(each.text, box(each)) for each in texts(picture)]
    for text, (left, top, right, bottom) in boxes:
        assert left >= -1 and right <= size[0] + 1, text
        assert top >= 0 and bottom <= size[1], text
    for number, (text, one) in enumerate(boxes):
        for other_text, other in boxes[:number]:
            apart = (
                one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            )
            assert apart, f"{text!r} lies over {other_text!r}"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_are_text_and_nothing_else(name: str) -> None:
    text = draw_svg(chart_of(name, "other"))
    picture = ET.fromstring(text.encode("utf-8", "strict"))
    allowed = {"svg", "title", "desc", "style", "rect", "line", "polyline", "circle", "text"}
    for each in picture.iter():
        assert each.tag.removeprefix(NAMESPACE) in allowed
        assert not any(re.match("on|.*href", key) for key in each.attrib)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", text)
    assert "url(" not in text and "@import" not in text


def test_a_picture_says_in_words_what_it_shows() -> None:
    chart = chart_of("fables")
    picture = ET.fromstring(draw_svg(chart))
    assert picture.attrib["role"] == "img"
    title, description = picture[0], picture[1]
    assert (title.tag, title.text) == (f"{NAMESPACE}title", "bits per character of fables")
    assert (description.tag, description.text) == (f"{NAMESPACE}desc", chart.description)


def test_the_curve_lies_where_the_axes_say() -> None:
    chart = chart_of("fables")
    picture = ET.fromstring(draw_svg(chart))
    place = {key: float(value) for key, value in picture.attrib.items() if key.startswith("data-")}
    (line,) = (
        each
        for each in picture.iter(f"{NAMESPACE}polyline")
        if "evaluations" in each.attrib["class"]
    )
    points = [tuple(map(float, each.split(","))) for each in line.attrib["points"].split()]
    for (x, y), (seconds, bits) in zip(points, chart.series[1].curve, strict=True):
        share = (seconds - place["data-x-low"]) / (place["data-x-high"] - place["data-x-low"])
        assert x == pytest.approx(
            place["data-left"] + share * (place["data-right"] - place["data-left"]), abs=0.1
        )
        share = (bits - place["data-y-low"]) / (place["data-y-high"] - place["data-y-low"])
        assert y == pytest.approx(
            place["data-bottom"] - share * (place["data-bottom"] - place["data-top"]), abs=0.1
        )


def _contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_all_text_can_be_read(palette: dict[str, str]) -> None:
    for name, colour in palette.items():
        if name not in ("background", "grid"):
            assert _contrast(colour, palette["background"]) >= 4.5, name


def test_the_page_colours_pictures_by_the_same_rules() -> None:
    style = (Path(charrnn.page.__file__).parent / "plot.css").read_text()
    for rule in style_rules():
        assert rule in style
    for name in LIGHT:
        assert f"--plot-{name}:" in style
    assert all(rule in draw_svg(chart_of("a")) for rule in style_rules())
    assert "<style>" not in draw_svg(chart_of("a"), styled=False)


@pytest.mark.parametrize("nats", [1e308, -1e308, 1e-308, 0.0, 5.0])
def test_hostile_numbers_are_drawn_within_the_picture(nats: float) -> None:
    lines = [
        training_line(10, nats),
        training_line(10**300, -nats),
        evaluation_line(-(10**300), nats),
        evaluation_line(5, 2.0),
        {"step": 1, "baseline_xz_nats": nats, "baseline_<b>_nats": 1e308},
    ]
    for x in ("seconds", "characters", "steps"):
        picture = ET.fromstring(draw_svg(make_chart([drawn("run", lines)], x)))
        for line in picture.iter(f"{NAMESPACE}polyline"):
            for point in line.attrib["points"].split():
                assert all(0 <= float(each) <= 800 for each in point.split(",")), point


def test_a_picture_of_weeks_is_small() -> None:
    assert len(draw_svg(chart_of("a", "b", count=20_000))) < 100_000
