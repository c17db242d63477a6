"""The section Classes of the part Inside."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.accessibility import check_for_everyone
from tests.page.inside_records import card, classes, open_record, places_with, record_of

pytestmark = pytest.mark.browser

TEXT = "good <i>bad</i> not"
PIECES = {(0, 5): 2.0, (5, 11): -1.0, (16, 3): 0.0}


def attribution(pieces: dict[tuple[int, int], float] = PIECES, **changes: Any) -> dict[str, Any]:
    return {
        "label": "<up>",
        "probabilities": {"<up>": 0.7, "down": 0.25, "flat": 0.05},
        "number": None,
        "unit": "word",
        "pieces": [
            {"place": place, "length": length, "effect": effect}
            for (place, length), effect in pieces.items()
        ],
        **changes,
    }


def test_pieces_are_coloured_by_what_they_do_for_the_class(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(TEXT, attribution=attribution()))
    assert classes(page, len(TEXT)) == ["above-10"] * 5 + ["below-5"] * 11 + [""] * 3
    letters, panel = page.locator(".inside-block > span"), page.locator(".place-panel")
    letters.nth(6).hover()
    assert "“<i>bad</i>”: −1.00 nats for “<up>”" in panel.inner_text()
    legend = page.locator(".inside-legend").inner_text()
    assert legend.split()[:4] == ["−2.00", "−1.00", "+1.00", "+2.00"]
    assert page.locator(".inside-work i").count() == 0


def test_the_class_its_probabilities_and_the_largest_effects_are_said(
    open_page: Callable[..., Page],
) -> None:
    page = open_record(open_page, record_of(TEXT, attribution=attribution()))
    found = card(page, "Classes")
    assert "The model predicts “<up>”, with a probability of 70 %." in found.inner_text()
    rows = found.get_by_role("listitem").all_inner_texts()
    assert [row.split("\n") for row in rows] == [
        ["<up>", "70 %"],
        ["down", "25 %"],
        ["flat", "5.0 %"],
    ]
    bars = found.locator(".bar").all()
    parts = [each.evaluate("(bar) => bar.style.getPropertyValue('--part')") for each in bars]
    assert [float(part.rstrip("%")) for part in parts] == pytest.approx([70, 25, 5])
    made = card(page, "What made the prediction")
    assert "Each word of the text was left out in turn" in made.inner_text()
    rows = made.get_by_role("listitem").all_inner_texts()
    assert [row.split("\n") for row in rows] == [
        ["“good”", "+2.00"],
        ["“<i>bad</i>”", "−1.00"],
        ["“not”", "0.00"],
    ]
    made.get_by_role("button", name="bad").click()
    assert places_with(page, "selected", TEXT) == {5}


def test_many_classes_are_shown_when_they_are_asked_for(open_page: Callable[..., Page]) -> None:
    many = {f"class {k}": (20 - k) / 210 for k in range(20)}
    found = attribution(label="class 0", probabilities=many)
    page = open_record(open_page, record_of(TEXT, attribution=found))
    assert card(page, "Classes").get_by_role("listitem").count() == 12
    page.get_by_text("8 more").click()
    assert card(page, "Classes").get_by_role("listitem").count() == 20


def test_of_a_number_pieces_raise_or_lower_it(open_page: Callable[..., Page]) -> None:
    pieces = {(k, 1): 120.0 * (-1) ** k for k in range(4)} | {(4, 1): 3.0}
    number = attribution(pieces, label=None, probabilities={}, number=1987.25, unit="character")
    page = open_record(open_page, record_of(TEXT, attribution=number))
    assert "The model predicts 1,987.25." in card(page, "Number").inner_text()
    assert classes(page, 5) == ["above-10", "below-10", "above-10", "below-10", ""]
    page.locator(".inside-block > span").nth(1).hover()
    assert "−120 of the number" in page.locator(".place-panel").inner_text()
    rows = card(page, "What made the prediction").get_by_role("listitem").all_inner_texts()
    assert rows[-1].split("\n") == ["space", "+3"]


def test_pieces_without_any_effect_have_no_colour(open_page: Callable[..., Page]) -> None:
    found = attribution(dict.fromkeys(PIECES, 0.0))
    page = open_record(open_page, record_of(TEXT, attribution=found))
    assert set(classes(page, len(TEXT))) == {""}
    assert "No piece makes a difference." in page.locator(".inside-legend").inner_text()


def test_everyone_can_use_classes(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(TEXT, attribution=attribution()))
    check_for_everyone(page)
