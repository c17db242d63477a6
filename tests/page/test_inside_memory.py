"""The section Memory of the part Inside."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.accessibility import check_for_everyone
from tests.page.inside_records import (
    TEXT,
    card,
    classes,
    curves,
    heights,
    open_record,
    places_with,
    record_of,
    table,
)

pytestmark = pytest.mark.browser

BITS = {1: 4.0, 2: 3.0, 4: 2.5, 8: 2.105, 16: 2.1}
FULL = 2.098
DISTANCES = [0, 1, 2, 4]
FIRST = {10: -0.6, 11: 0.25, 12: 2.0}
LOOKS = {5: [[1, 0.6], [3, 0.3]], 6: [[2, 0.5]]}


def memory(**changes: Any) -> dict[str, Any]:
    return {
        "context": [
            {"characters": count, "bits": bits, "predictions": 9} for count, bits in BITS.items()
        ],
        "full_bits": FULL,
        "forgetting": [
            {"layer": 0, "distances": DISTANCES, "difference": [0.9, 0.5, 0.05, 0.01]},
            {"layer": 1, "distances": DISTANCES, "difference": [0.8, 0.7, 0.6, 0.4]},
        ],
        "occlusions": [
            {
                "place": 13,
                "character": TEXT[13],
                "nats": 0.5,
                "earlier": [*map(list, FIRST.items())],
            },
            {"place": 40, "character": TEXT[40], "nats": 3.0, "earlier": [[39, 1.0]]},
        ],
        "attention": None,
        **changes,
    }


ATTENTION = {
    "window": 4,
    "by_distance": [0.4, 0.2, 0.1, 0.1],
    "looks": [LOOKS.get(place, []) for place in range(8)],
}


def test_the_loss_is_drawn_by_the_length_of_the_context(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(memory=memory()))
    found = card(page, "Memory")
    chart = found.locator(".chart")
    assert heights(chart) == [pytest.approx(list(BITS.values()), abs=0.01)]
    places = [x for x, _ in curves(chart)[0]]
    steps = [after - before for before, after in pairwise(places)]
    assert steps == pytest.approx([steps[0]] * 4, abs=0.2)  # equal for each doubling
    level = chart.locator("line.level")
    assert level.count() == 1
    assert "with the whole text before: 2.098 bits" in chart.inner_text()
    said = "Beyond 8 characters, more context gains less than 0.01 bits."
    assert said in found.inner_text()
    assert said in (chart.get_by_role("img").get_attribute("aria-label") or "")
    rows = table(chart)
    assert rows[0] == ["characters of context", "with so much context"]
    assert rows[1:] == [[str(count), f"{bits:.3f} bits"] for count, bits in BITS.items()]


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        ([2.4, 2.2, 2.15], "Even beyond 4 characters, more context gains 0.052 bits."),
        ([2.1, 2.11, 2.1], "Beyond 1 character, more context gains less than 0.01 bits."),
        # A length that is no worse than the next ones, but worse than a later one, is not enough.
        ([2.2, 2.2, 2.1], "Beyond 4 characters, more context gains less than 0.01 bits."),
        ([], "The text is too short to measure this."),
    ],
)
def test_what_more_context_gains_is_computed(
    bits: list[float], said: str, open_page: Callable[..., Page]
) -> None:
    context = [{"characters": 2**k, "bits": each, "predictions": 9} for k, each in enumerate(bits)]
    page = open_record(open_page, record_of(memory=memory(context=context)))
    assert said in card(page, "Memory").inner_text()


def test_forgetting_is_drawn_for_each_layer(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(memory=memory(), tokenizer="byte"))
    found = card(page, "Forgetting")
    chart = found.locator(".chart")
    assert heights(chart) == [
        pytest.approx([0.9, 0.5, 0.05, 0.01], abs=0.005),
        pytest.approx([0.8, 0.7, 0.6, 0.4], abs=0.005),
    ]
    assert chart.get_by_role("listitem").all_inner_texts() == ["layer 0", "layer 1"]
    said = found.inner_text()
    assert "In layer 0, less than a tenth is left after 2 bytes." in said
    assert "In layer 1, 40 % is left even after 4 bytes." in said
    assert table(chart)[-1] == ["4", "1.0 %", "40 %"]


def test_what_the_pointer_is_over_is_read_from_the_curves(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(memory=memory()))
    chart = card(page, "Forgetting").locator(".chart")
    picture = chart.get_by_role("img")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    x = curves(chart)[0][2][0]
    page.mouse.move(box["x"] + x + 3, box["y"] + 50)
    reading = chart.locator(".chart-reading")
    expect(reading).to_have_text("2 characters since the change: layer 0 5.0 %; layer 1 60 %")
    assert chart.locator("line.reader").get_attribute("visibility") == "visible"


def test_what_a_prediction_hangs_on_is_coloured_in_the_text(
    open_page: Callable[..., Page],
) -> None:
    page = open_record(open_page, record_of(memory=memory()))
    found = dict(enumerate(classes(page, 14)))
    # 2 nats are the strongest of 10 levels, 0.25 the first, and -0.6 lies on the other side.
    assert (found[12], found[11], found[10]) == ("above-10", "above-1", "below-3")
    assert set(found.values()) == {"above-10", "above-1", "below-3", "marked", ""}
    assert places_with(page, "marked") == {13}
    said = card(page, "What a prediction hangs on")
    assert "0.50 nats, a chance of 61 %." in said.inner_text()
    rows = said.get_by_role("listitem").all_inner_texts()
    assert [row.split("\n") for row in rows] == [
        ["“t”, 1 before", "+2.00"],
        [f"“{TEXT[10]}”, 3 before", "−0.60"],
        ["space, 2 before", "+0.25"],
    ]
    page.locator(".inside-block > span").nth(12).hover()
    assert (
        "+2.00 nats for the prediction of “h”, 1 farther on"
        in page.locator(".place-panel").inner_text()
    )


def test_another_prediction_is_chosen_by_keys_and_found_in_the_text(
    open_page: Callable[..., Page],
) -> None:
    page = open_record(open_page, record_of(memory=memory()))
    chosen = page.get_by_label("Prediction of")
    assert chosen.locator("option").all_inner_texts() == [
        f"“h” after “{TEXT[1:13]}” (0.50 nats)",
        f"“{TEXT[40]}” after “{TEXT[28:40].replace(chr(10), '⏎')}” (3.00 nats)",
    ]
    chosen.focus()
    page.keyboard.press("ArrowDown")
    assert places_with(page, "marked") == {40} == places_with(page, "selected")
    assert places_with(page, "above-10") == {39}
    expect(chosen).to_be_focused()
    page.get_by_role("listitem").get_by_role("button").last.click()
    assert places_with(page, "selected") == {39}


def test_what_was_looked_at_is_marked_where_one_points(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(memory=memory(attention=ATTENTION)))
    chart = card(page, "Attention").locator(".chart")
    assert heights(chart) == [pytest.approx(ATTENTION["by_distance"], abs=0.005)]
    page.get_by_role("button", name="What was looked at").click()
    expect(page.get_by_role("button", name="What was looked at")).to_be_focused()
    assert places_with(page, "marked") == set()
    letters = page.locator(".inside-block > span")
    panel = page.locator(".place-panel")
    letters.nth(5).hover()
    assert places_with(page, "marked") == {4, 2}
    assert places_with(page, "surprise-10") == {4} and places_with(page, "surprise-5") == {2}
    assert "most of all, 60 %, the model looked 1 back" in panel.inner_text()
    rows = panel.get_by_role("listitem").all_inner_texts()
    assert [row.split("\n") for row in rows] == [["“f”, −1", "60 %"], ["“e”, −3", "30 %"]]
    letters.nth(6).hover()
    assert places_with(page, "marked") == {4}
    letters.nth(7).hover()
    assert places_with(page, "marked") == set()
    assert "nothing was looked at much" in panel.inner_text()
    letters.nth(20).hover()
    assert "not recorded here" in panel.inner_text()
    page.get_by_role("button", name="What it hangs on").click()
    letters.nth(5).hover()
    assert places_with(page, "marked") == {13}


def test_without_attention_and_places_what_is_left_is_shown(
    open_page: Callable[..., Page],
) -> None:
    page = open_record(open_page, record_of(memory=memory(occlusions=[], forgetting=[])))
    titles = page.locator(".inside-section h2").all_inner_texts()
    assert titles == ["Memory"]


def test_everyone_can_use_memory(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(memory=memory(attention=ATTENTION)))
    for name in page.get_by_text("The numbers as a table").all():
        name.click()
    check_for_everyone(page)
