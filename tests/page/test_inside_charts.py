"""The small charts of the part Inside."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def draw(page: Page, call: str) -> None:
    """Puts a chart on the page, alone."""
    page.evaluate(
        f"""async () => {{
            const {{ histogramChart, lineChart }} = await import("/page/inside_charts.js");
            document.getElementById("main").replaceChildren({call});
        }}"""
    )


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.5, 1]),
        (2.3, 5.66, [2, 3, 4, 5, 6]),
        (0, 0.0003, [0, 0.0001, 0.0002, 0.0003]),
        (5, 5, [5, 6]),
        (-3, 3, [-4, -2, 0, 2, 4]),
        (0, 123_456, [0, 50_000, 100_000, 150_000]),
    ],
)
def test_ticks_are_round_and_reach_both_ends(
    low: float, high: float, ticks: list[float], page: Page
) -> None:
    found = page.evaluate(
        """async ([low, high]) => {
            const { roundTicks } = await import("/page/inside_charts.js");
            return roundTicks(low, high, 4);
        }""",
        [low, high],
    )
    assert found == pytest.approx(ticks)


def bars(page: Page) -> list[dict[str, float]]:
    """The bars of a histogram, with their heights as shares of the axis."""
    found: list[dict[str, float]] = page.evaluate(
        """() => {
            const number = (node, name) => Number(node.getAttribute(name));
            const lines = [...document.querySelectorAll(".chart-frame line.grid")];
            const base = number(lines[0], "y1");
            const top = Math.min(...lines.map((line) => number(line, "y1")));
            return [...document.querySelectorAll(".chart-frame rect")].map((bar) => ({
                x: number(bar, "x"), part: number(bar, "height") / (base - top),
            }));
        }"""
    )
    return found


HISTOGRAM = """histogramChart({
    title: "Shares", xLabel: "bits", yLabel: "share", edges: [0, 1, 2, null],
    series: [
        {name: "this text", values: [0.4, 0.2, 0.1]}, {name: "samples", values: [0.1, 0.3, 0]},
    ],
})"""


def test_a_histogram_has_bars_for_one_series_and_an_outline_for_the_other(page: Page) -> None:
    draw(page, HISTOGRAM)
    found = bars(page)
    assert [each["part"] for each in found] == pytest.approx([1, 0.5, 0.25], abs=0.01)
    assert found[0]["x"] < found[1]["x"] < found[2]["x"]
    outline = page.locator(".chart-frame polyline").get_attribute("points") or ""
    ys = [float(point.split(",")[1]) for point in outline.split()]
    assert len(ys) == 6 and ys[0] == ys[1] and ys[2] < ys[0] < ys[4]
    label = page.get_by_role("img", name="Shares").get_attribute("aria-label") or ""
    assert "Of this text, the largest share lies at 0–1 bits: 40 %." in label
    assert "Of samples, the largest share lies at 1–2 bits: 30 %." in label
    page.get_by_text("The numbers as a table").click()
    rows = page.locator("tbody tr").all_inner_texts()
    assert rows[-1].split("\t") == ["2 and more", "10 %", "0 %"]


def test_a_chart_is_drawn_anew_in_the_width_that_it_has(page: Page) -> None:
    draw(page, HISTOGRAM)
    picture = page.get_by_role("img", name="Shares")
    for width in (1000, 360):
        page.set_viewport_size({"width": width, "height": 800})
        box = page.locator(".chart-frame").bounding_box()
        assert box is not None
        expect(picture).to_have_attribute("viewBox", f"0 0 {round(box['width'])} 250")


def line_chart(page: Page, **options: Any) -> None:
    base = {"title": "Chart", "xLabel": "steps", "yLabel": "bits"}
    draw(page, f"lineChart({json.dumps(base | options)})")


def test_values_that_are_missing_leave_a_gap_in_the_table_and_no_point(page: Page) -> None:
    line_chart(
        page,
        series=[
            {"name": "a", "points": [[1, 2.0], [2, None], [3, 4.0]]},
            {"name": "<b>", "points": [[2, 3.0]]},
        ],
    )
    points = [
        (each.get_attribute("points") or "").split()
        for each in page.locator(".chart-frame polyline").all()
    ]
    assert [len(each) for each in points] == [2, 1]
    page.get_by_text("The numbers as a table").click()
    rows = [row.split("\t") for row in page.locator("tbody tr").all_inner_texts()]
    assert rows == [["1", "2.000", ""], ["2", "", "3.000"], ["3", "4.000", ""]]
    assert page.locator("main b").count() == 0


def test_a_chart_without_any_number_has_axes(page: Page) -> None:
    line_chart(page, series=[{"name": "a", "points": [[1, None], [2, None]]}])
    ticks = page.locator(".chart-frame text[text-anchor=end]").all_inner_texts()
    assert len(ticks) >= 2 and "NaN" not in ticks


def test_curves_can_be_told_apart_without_their_colours(page: Page) -> None:
    series = [{"name": str(k), "points": [[0, k], [1, k]]} for k in range(12)]
    line_chart(page, series=series)
    looks = [
        (each.get_attribute("class"), each.get_attribute("stroke-dasharray"))
        for each in page.locator(".chart-frame polyline").all()
    ]
    assert len(set(looks)) == 12
    assert len({dashes for _, dashes in looks[:4]}) == 4
    keys = [
        (each.get_attribute("class"), each.get_attribute("stroke-dasharray"))
        for each in page.locator(".chart-keys line").all()
    ]
    assert keys == looks


def test_labels_of_an_axis_do_not_overlap(open_page: Callable[..., Page]) -> None:
    page = open_page(width=360)
    points = [[2**k, k] for k in range(20)]
    line_chart(page, log=True, series=[{"name": "a", "points": points}])
    boxes = page.evaluate(
        """() => [...document.querySelectorAll(".chart-frame text[text-anchor=middle]")]
            .slice(0, -1).map((text) => text.getBoundingClientRect())
            .map(({left, right}) => [left, right])"""
    )
    assert len(boxes) > 4
    assert all(before[1] < after[0] for before, after in pairwise(boxes))
    frame = page.locator(".chart-frame").bounding_box()
    assert frame is not None and boxes[-1][1] <= frame["x"] + frame["width"] + 1
