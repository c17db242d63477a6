"""Inside: what a model does with a text, drawn from the record of an explanation."""

import json
import math
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import charrnn
from charrnn.explanation.config import PARTS
from tests.page.accessibility import check_accessibility, check_for_everyone

pytestmark = pytest.mark.browser

Record = dict[str, Any]

TEXT = (
    "The fox met the hen. Was it a fox? It was a hen!\n"
    + "The fox met the hen. The hen met the fox.\n" * 60
)

STRANGE = "<b>The hen</b> & 😀 met\tthe fox.\r\n\u200b\u00a0<script>alert(1)</script>\n\n"

ENGINE = """
window.asked = [];
window.charrnn = {
  models: async () => [
    { id: "one", task: "generate", default: true }, { id: "two", task: "classify" },
    { id: "three", task: "transduce" },
  ],
  explained: FIXED,
  explain: (question, { signal, onStage }) => new Promise((resolve, reject) => {
    window.asked.push(question);
    signal.addEventListener("abort", () => reject(signal.reason));
    onStage?.("writing samples");
    if (question.text === "wrong") reject(new Error("no character of the text is known"));
    else if (question.text !== "slow") resolve(RECORD);
  }),
};
"""
"""An engine that gives the same record for all texts, but for two of them."""


@pytest.fixture(scope="session")
def record(served: Path) -> Record:
    """The record of a model that knows its text by heart, as JSON."""
    prose = served / "checkpoints" / "prose"
    found: Record = charrnn.explain(prose, TEXT, samples=2).to_json()
    return found


@pytest.fixture
def open_inside(open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Opens the part Inside with an engine that gives a record; explains unless told otherwise."""

    def make(record: Record, *, fixed: bool = False, start: bool = True, **more: Any) -> Page:
        engine = ENGINE.replace("FIXED", json.dumps(fixed)).replace("RECORD", json.dumps(record))
        page = open_page("#inside", script=engine, **more)
        page.wait_for_selector("html[data-ready]")
        if start and not fixed:
            page.get_by_role("button", name="Explain", exact=True).click()
        if start:
            page.wait_for_selector(".inside-text")
        return page

    return make


def open_section(page: Page, title: str) -> None:
    page.get_by_role("tab", name=title, exact=True).click()


def letter(page: Page, place: int) -> Locator:
    """The character at a place, near the beginning."""
    return page.locator(".inside-block > span").nth(place)


def panel(page: Page) -> Locator:
    return page.locator(".place-panel")


def heading(page: Page) -> str:
    return page.locator(".place-heading").inner_text()


def surprise_levels(record: Record, count: int) -> list[str]:
    bits = [each / math.log(2) for each in record["surprise"]["nats"][:count]]
    return [f"surprise-{min(10, math.floor(each + 0.5))}" for each in bits]


def classes(page: Page, count: int) -> list[str]:
    found: list[str] = page.evaluate(
        """(count) => [...document.querySelectorAll(".inside-block > span")].slice(0, count)
            .map((each) => each.className.replace(" selected", ""))""",
        count,
    )
    return found


# --- asking


def test_a_text_or_none_is_explained_and_the_wait_can_be_ended(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record, start=False)
    box = page.get_by_role("textbox", name="Text")
    start = page.get_by_role("button", name="Explain", exact=True)
    box.fill("slow")
    start.press("Enter")
    page.get_by_text("Now: writing samples …").wait_for()
    expect(start).to_be_disabled()
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(start).to_be_enabled()
    expect(start).to_be_focused()
    assert page.locator(".inside-text").count() == 0
    box.fill("wrong")
    start.click()
    page.get_by_role("alert").get_by_text("no character of the text is known").wait_for()
    box.fill("")
    start.press("Enter")
    page.wait_for_selector(".inside-text")
    expect(page.get_by_text("The text to explain")).to_be_focused()
    asked = page.evaluate("window.asked")
    assert [each["text"] for each in asked] == ["slow", "wrong", None]
    assert {each["model"] for each in asked} == {"one"}
    # What is shown of one model is not left there for another.
    page.get_by_label("Model", exact=True).select_option("two")
    expect(page.locator(".inside-text")).to_have_count(0)
    page.get_by_label("Model", exact=True).select_option("three")  # of pairs
    expect(page.get_by_text("A source on each line.")).to_be_visible()


def test_a_record_that_is_fixed_is_shown_at_once_without_a_form(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record, fixed=True)
    assert page.get_by_role("textbox").count() == 0
    assert page.get_by_role("button", name="Explain", exact=True).count() == 0


def test_the_parts_that_are_there_have_sections_and_the_others_a_reason(
    open_inside: Callable[..., Page], record: Record
) -> None:
    skipped = [chr(0x4E00 + k) for k in range(23)]
    changes = {"memory": None, "absent": {"memory": "it was not asked for"}}
    page = open_inside({**record, **changes, "text": {**record["text"], "skipped": skipped}})
    sections = page.get_by_role("tablist", name="What was found out").get_by_role("tab")
    titles = sections.all_inner_texts()
    assert titles[:2] == ["Surprise", "Cells"] and "Memory" not in titles
    page.get_by_text("Memory: not here, because it was not asked for.").wait_for()
    sections.first.focus()
    page.keyboard.press("ArrowLeft")
    assert sections.last.get_attribute("aria-selected") == "true"
    page.keyboard.press("Home")
    assert sections.first.get_attribute("aria-selected") == "true"
    facts = page.locator(".inside-facts").inner_text()
    assert f"It read {len(record['text']['text']):,} characters" in facts
    assert facts.endswith(f"“{skipped[18]}”, “{skipped[19]}” and 3 more.")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save all numbers as JSON").click()
    assert json.loads(saved.value.path().read_text())["surprise"] == record["surprise"]


def test_a_record_without_parts_has_its_text_alone(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside({**record, **dict.fromkeys(PARTS)})
    assert page.get_by_role("tablist", name="What was found out").count() == 0
    letter(page, 4).hover()
    assert heading(page) == "“f”, character 5"
    check_accessibility(page)


# --- the text


def test_the_text_is_there_to_the_last_character_and_never_markup(
    open_inside: Callable[..., Page], record: Record
) -> None:
    """Characters beyond the first plane are one place, as they are for the model."""
    page = open_inside({**record, "text": {**record["text"], "text": STRANGE}})
    text = page.evaluate(
        """() => [...document.querySelectorAll(".inside-block")].map((each) => each.textContent)
            .join("")"""
    )
    assert text == STRANGE
    assert page.locator(".inside-text b, .inside-text script").count() == 0
    for character, name in (("😀", "“😀”"), ("\t", "tab"), ("\u200b", "U+200B")):
        letter(page, STRANGE.index(character)).hover()
        assert heading(page) == f"{name}, character {STRANGE.index(character) + 1}"


def test_colours_are_those_of_the_surprisal_or_of_the_rank(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record)
    count = 60
    assert classes(page, count) == surprise_levels(record, count)
    by_rank = page.get_by_role("button", name="Rank")
    by_rank.press("Enter")
    expect(by_rank).to_be_focused()
    expect(by_rank).to_have_attribute("aria-pressed", "true")
    ranks = record["surprise"]["ranks"][:count]
    levels = [min(10, math.floor(2 * math.log2(each) + 0.5)) for each in ranks]
    assert classes(page, count) == [f"surprise-{each}" for each in levels]
    assert len(set(levels)) > 1


def test_the_place_under_the_pointer_shows_what_was_likely_there(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record)
    surprise = record["surprise"]
    place = surprise["ranks"].index(2, 0, 60)
    letter(page, place).hover()
    said = panel(page).inner_text()
    assert f"{surprise['nats'][place] / math.log(2):.1f} bits" in said
    assert "the 2nd likeliest" in said
    rows = panel(page).get_by_role("listitem").all_inner_texts()
    assert len(rows) == 5
    names = {" ": "space", "\n": "new line"}
    likeliest = [record["alphabet"][each] for each in surprise["likeliest"][place]]
    for row, each in zip(rows, likeliest, strict=True):
        assert row.startswith(names.get(each, f"“{each}”"))
    assert "which comes" in rows[1]
    assert [each["model"] for each in page.evaluate("window.asked")] == ["one"]


def test_the_text_is_walked_by_keys_and_by_the_slider(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record)
    text = page.get_by_role("group", name="The text.")
    page.get_by_role("button", name="Rank").focus()
    page.keyboard.press("Tab")
    assert heading(page) == "“T”, character 1"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert heading(page) == "“e”, character 3"
    page.keyboard.press("End")
    assert heading(page) == f"new line, character {TEXT.index(chr(10)) + 1}"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert heading(page) == "“T”, character 1"
    page.keyboard.press("Home")
    assert heading(page) == "“T”, character 1"
    first = letter(page, 0).bounding_box()
    page.keyboard.press("ArrowDown")
    below = page.locator(".selected").bounding_box()
    assert first and below and below["x"] == pytest.approx(first["x"], abs=12)
    assert below["y"] > first["y"] + 10
    page.keyboard.press("ArrowUp")
    assert heading(page) == "“T”, character 1"
    page.keyboard.press("Control+End")
    shown = len(record["text"]["text"])
    assert heading(page) == f"new line, character {shown:,}"
    expect(page.locator(".selected")).to_be_in_viewport()
    status = page.locator(".inside-text [role=status]").inner_text()
    assert f"character {shown:,}: " in status and "bits" in status
    slider = page.get_by_role("slider", name="Place in the text")
    slider.fill("3")
    assert heading(page) == "space, character 4"
    assert (slider.get_attribute("aria-valuetext") or "").startswith("space, character 4: ")
    text.focus()
    page.keyboard.press("Control+Home")
    assert heading(page) == "“T”, character 1"


def test_a_place_is_tapped_on_a_narrow_screen(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record, width=375, has_touch=True)
    letter(page, 4).tap()
    assert heading(page) == "“f”, character 5"
    letter(page, 8).tap()
    assert heading(page) == "“m”, character 9"


def test_only_what_is_near_is_drawn_character_by_character(
    open_inside: Callable[..., Page], record: Record
) -> None:
    """20,000 characters stay fluid because most of them are plain text."""
    times = 20_000 // len(TEXT) + 1
    surprise = {
        name: value * times if name in ("nats", "ranks", "likeliest", "probabilities") else value
        for name, value in record["surprise"].items()
    }
    text = record["text"]["text"] * times
    long = {**record, "surprise": surprise, "text": {**record["text"], "text": text}}
    page = open_inside(long)
    drawn = page.locator(".inside-block > span")
    page.wait_for_selector(".inside-block > span")
    assert drawn.count() < 6000 < len(text)
    page.get_by_role("group", name="The text.").focus()
    page.keyboard.press("Control+End")
    assert page.locator(".inside-block").last.locator(".selected").count() == 1
    page.keyboard.press("Control+Home")
    page.wait_for_function(
        "() => document.querySelectorAll('.inside-block:last-child > span').length === 0"
    )
    assert drawn.count() < 6000
    assert (
        len(page.locator(".inside-scroller").evaluate("(each) => each.textContent"))
        == len(text.encode("utf-16-le")) // 2
    )


# --- surprise


def test_what_cost_most_is_found_in_the_text(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record)
    worst = record["surprise"]["costliest_places"][0]
    page.locator(".costly-list").first.get_by_role("button").first.click()
    assert heading(page).endswith(f"character {worst['place'] + 1:,}")
    expect(page.locator(".selected")).to_have_text(worst["character"])
    expect(page.locator(".selected")).to_be_in_viewport()
    word = record["surprise"]["costliest_words"][0]
    assert page.locator(".costly-list bdi").first.inner_text() == word["word"]
    row = page.locator(".costly-list").last.get_by_role("listitem").first
    assert f"{word['nats'] / math.log(2):.1f} bits" in row.inner_text()
    row.get_by_role("button").click()
    assert heading(page).endswith(f"character {word['place'] + 1:,}")
    rows = page.locator(".costly-list").first.get_by_role("listitem")
    assert rows.count() == 8
    page.get_by_role("button", name="Show all 30 costliest places").click()
    assert rows.count() == 30


def test_a_place_beyond_what_is_shown_has_no_button(
    open_inside: Callable[..., Page], record: Record
) -> None:
    short = {**record, "text": {**record["text"], "text": TEXT[:3]}}
    page = open_inside(short)
    rows = page.locator(".costly-list").first
    assert rows.get_by_role("listitem").count() == 8
    within = [each["place"] < 3 for each in record["surprise"]["costliest_places"]]
    assert rows.get_by_role("button").count() == sum(within[:8])
    assert "The first 3 are shown." in page.locator(".inside-facts").inner_text()


def test_losses_stand_in_tables_by_kind_and_place(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record)
    for title, key in (
        ("By kind", "by_kind"),
        ("By place in the word", "by_place_in_word"),
        ("By place in the line", "by_place_in_line"),
    ):
        rows = page.get_by_role("table", name=title).get_by_role("row").all_inner_texts()[1:]
        expected = [
            [each["name"], f"{each['characters']:,}", f"{each['bits']:.2f}"]
            for each in record["surprise"][key]
        ]
        assert [row.split("\t")[:3] for row in rows] == expected


# --- cells


def levels_of(unit: dict[str, Any], count: int) -> list[str]:
    """The colours of the activity of a unit, from the bytes of the record."""
    low, high, mean = unit["lowest"], unit["highest"], unit["mean"]
    farthest = max(high - mean, mean - low)
    names = []
    for byte in b64decode(unit["activity"])[:count]:
        level = math.floor(10 * (low + byte / 255 * (high - low) - mean) / farthest + 0.5)
        side = "above" if level > 0 else "below"
        names.append(f"{side}-{abs(level)}" if level else "")
    return names


def unit_of(record: Record, concept: dict[str, Any]) -> dict[str, Any]:
    best = concept["units"][0]
    return next(
        each
        for each in record["cells"]["units"]
        if (each["layer"], each["unit"]) == (best["layer"], best["unit"])
    )


def test_the_best_unit_of_a_concept_is_drawn_over_the_text(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record)
    open_section(page, "Cells")
    concepts = record["cells"]["concepts"]
    rows = page.locator(".concept-toggle")
    assert rows.count() == len(concepts)
    for row, concept in zip(rows.all_inner_texts(), concepts, strict=True):
        assert row.startswith(concept["description"])
        assert f"{concept['units'][0]['score']:.2f}" in row
        assert f"random {concept['random_direction']:.2f}" in row
    assert rows.first.get_attribute("aria-expanded") == "true"
    count = 100
    assert alike(classes(page, count), levels_of(unit_of(record, concepts[0]), count))
    other = next(
        k
        for k, each in enumerate(concepts)
        if unit_of(record, each) != unit_of(record, concepts[0])
    )
    rows.nth(other).click()
    assert rows.first.get_attribute("aria-expanded") == "false"
    unit = unit_of(record, concepts[other])
    assert alike(classes(page, count), levels_of(unit, count))
    assert page.get_by_label("Draw", exact=True).input_value() == f"{unit['layer']}-{unit['unit']}"
    letter(page, 4).hover()
    value = unit["lowest"] + b64decode(unit["activity"])[4] / 255 * (
        unit["highest"] - unit["lowest"]
    )
    assert f"activity {value:.2f}".replace("-", "−") in panel(page).inner_text()


def alike(found: list[str], expected: list[str]) -> bool:
    """Whether colours are the same, but for a rounding of one half."""
    return sum(a != b for a, b in zip(found, expected, strict=True)) <= 1 and len(set(found)) > 2


def test_a_concept_says_what_its_unit_causes_and_which_others_there_are(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record)
    open_section(page, "Cells")
    concept = record["cells"]["concepts"][0]
    held = unit_of(record, concept)["held"]
    detail = page.locator(".concept-detail:visible")
    said = detail.inner_text()
    for key in ("nats_there", "nats_elsewhere"):
        assert f"{held[key]:.4f} nats".replace("-", "−") in said
    assert f"{held['characters_elsewhere']:,} characters" in said
    rows = detail.get_by_role("row").all_inner_texts()[1:]
    assert len(rows) == len(concept["units"])
    for row, each in zip(rows, concept["units"], strict=True):
        assert row.startswith(f"layer {each['layer']}, unit {each['unit']}")
        assert f"{each['score']:.3f}" in row and f"{each['chosen_score']:.3f}" in row
    summed = concept["sum_of_units"]
    assert f"A sum of {len(summed['units'])} unit" in said and f"{summed['score']:.3f}" in said
    page.locator(".concept-toggle").first.click()
    assert page.locator(".concept-detail:visible").count() == 0


HELD = [
    (-0.05, 0.0, "gains 0.0500 nats per character", "predicts better there without it."),
    (0.0005, 0.0001, "loses 0.0005 nats per character", "That is next to nothing: other units"),
    (0.01, 0.02, "loses 0.0200 nats elsewhere", "needs it no more there than elsewhere."),
    (0.3, -0.001, "gains 0.0010 nats elsewhere", "needs it there, and only there."),
    (0.06, 0.02, "loses 0.0600 nats per character", "it matters 3.0 times as much there."),
]


def test_what_a_held_unit_loses_is_said_in_words(
    open_inside: Callable[..., Page], record: Record
) -> None:
    cells = record["cells"]
    concepts, units = [], []
    for k, (there, elsewhere, *_) in enumerate(HELD):
        held = {
            "concept": f"rule_{k}",
            "nats_there": there,
            "nats_elsewhere": elsewhere,
            "characters_there": 1,
            "characters_elsewhere": 999,
        }
        units.append(cells["units"][0] | {"unit": k, "concepts": [f"rule_{k}"], "held": held})
        best = cells["concepts"][0]["units"][0] | {"layer": units[0]["layer"], "unit": k}
        changes = {"name": f"rule_{k}", "description": f"rule {k}", "units": [best]}
        concepts.append(cells["concepts"][0] | changes)
    page = open_inside({**record, "cells": {**cells, "concepts": concepts, "units": units}})
    open_section(page, "Cells")
    for k, (*_, loss, meaning) in enumerate(HELD):
        toggle = page.locator(".concept-toggle").nth(k)
        if toggle.get_attribute("aria-expanded") == "false":
            toggle.click()
        said = page.locator(".concept-detail:visible").inner_text()
        assert loss in said and meaning in said and "(1 character)" in said
    assert f"it shows best: “rule {k}”." in page.locator(".inside-legend").inner_text()


def test_any_recorded_unit_can_be_chosen_and_concepts_that_come_too_seldom_are_named(
    open_inside: Callable[..., Page], record: Record
) -> None:
    page = open_inside(record)
    open_section(page, "Cells")
    unit = record["cells"]["units"][-1]
    chooser = page.get_by_label("Draw", exact=True)
    chooser.focus()
    chooser.select_option(f"{unit['layer']}-{unit['unit']}")
    expect(chooser).to_be_focused()
    assert alike(classes(page, 100), levels_of(unit, 100))
    opened = page.locator('.concept-toggle[aria-expanded="true"]')
    names = {each["name"]: each["description"] for each in record["cells"]["concepts"]}
    assert opened.inner_text().startswith(names[unit["concepts"][0]])
    missing = [name.replace("_", " ") for name in record["cells"]["missing_concepts"]]
    assert missing and page.locator(".missing-list li").all_inner_texts() == missing


def test_a_text_without_concepts_says_so(open_inside: Callable[..., Page], record: Record) -> None:
    cells = {**record["cells"], "concepts": [], "units": []}
    page = open_inside({**record, "cells": cells})
    open_section(page, "Cells")
    page.get_by_text("The text is too short to measure what units show").wait_for()


# --- for everyone


@pytest.mark.parametrize("section", ["Surprise", "Cells"])
def test_everyone_can_use_it(
    section: str, open_inside: Callable[..., Page], record: Record
) -> None:
    """axe finds nothing in either theme, and nothing is too wide."""
    page = open_inside(record)
    open_section(page, section)
    letter(page, 4).click()
    check_for_everyone(page)
