"""Explanations made by hand, for the tests of the part Inside, and ways to read what is drawn."""

import json
from collections.abc import Callable
from typing import Any, Final

from playwright.sync_api import Locator, Page

Record = dict[str, Any]

TEXT: Final = "The fox met the hen.\nWas it a fox?\nThe hen met the fox."

_ENGINE: Final = """
window.charrnn = {
  models: async () => [{ id: "one", task: "generate", default: true }],
  explained: true,
  explain: async () => (RECORD),
};
"""

_DRAWN: Final = """(chart) => {
    const number = (node, name) => Number(node.getAttribute(name));
    const svg = chart.querySelector("svg[role=img]");
    const ticks = [...svg.querySelectorAll("line.grid")]
        .filter((line) => line.getAttribute("y1") === line.getAttribute("y2"))
        .map((line) => [number(line, "y1"), line.nextSibling.textContent]);
    const [[low, lowText], [high, highText]] = [ticks[0], ticks.at(-1)];
    const valueOf = (text) => parseFloat(text) / (text.includes("%") ? 100 : 1);
    const scale = (valueOf(highText) - valueOf(lowText)) / (high - low);
    return [...svg.querySelectorAll("polyline")].map((line) => (
        line.getAttribute("points").split(" ").map((point) => point.split(",").map(Number))
            .map(([x, y]) => [x, valueOf(lowText) + (y - low) * scale])));
}"""
"""Reads the values of a chart's curves from the places of their points beside the axis."""


def record_of(text: str = TEXT, *, tokenizer: str = "char", **parts: Any) -> Record:
    """Returns the record of an explanation that has these parts only."""
    alphabet = sorted(set(text))
    model = {
        "corpus": "prose",
        "task": "generate",
        "cell": "lstm",
        "layers": 1,
        "hidden_size": 8,
        "embedding_size": 4,
        "attention": None,
        "parameters": 100,
        "tokenizer": tokenizer,
        "step": 10,
        "validation_bits": 2.0,
    }
    read = {
        "source": "a text",
        "characters": len(text),
        "of_characters": len(text),
        "text": text,
        "skipped": [],
    }
    return {"version": 1, "model": model, "text": read, "alphabet": alphabet, "absent": {}, **parts}


def open_record(open_page: Callable[..., Page], record: Record, **more: Any) -> Page:
    """Opens the part Inside with a record, in its first section."""
    script = _ENGINE.replace("RECORD", json.dumps(record))
    page = open_page("#inside", script=script, **more)
    page.wait_for_selector(".inside-text")
    return page


def classes(page: Page, count: int) -> list[str]:
    """Returns the classes of the first characters of the text, which colour and mark them."""
    found: list[str] = page.evaluate(
        """(count) => [...document.querySelectorAll(".inside-block > span")].slice(0, count)
            .map((each) => each.className)""",
        count,
    )
    return found


def places_with(page: Page, name: str, text: str = TEXT) -> set[int]:
    """Returns the places of the text whose characters have a class."""
    return {place for place, each in enumerate(classes(page, len(text))) if name in each.split()}


def card(page: Page, title: str) -> Locator:
    """The card with this heading."""
    return page.locator(".card", has=page.get_by_role("heading", name=title, exact=True, level=2))


def curves(chart: Locator) -> list[list[tuple[float, float]]]:
    """The points of each curve of a chart: where they are from the left in pixels, and the values
    that are read off the axis at the side."""
    found: list[list[tuple[float, float]]] = chart.evaluate(_DRAWN)
    return found


def heights(chart: Locator) -> list[list[float]]:
    """The values of each curve of a chart, as they are read off the axis."""
    return [[value for _, value in each] for each in curves(chart)]


def table(chart: Locator) -> list[list[str]]:
    """The rows of the table below a chart, with the headings."""
    chart.get_by_text("The numbers as a table").click()
    rows = chart.get_by_role("row").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]
