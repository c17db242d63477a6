"""The section Translations of the part Inside."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.accessibility import check_for_everyone
from tests.page.inside_records import card, classes, open_record, places_with, record_of

pytestmark = pytest.mark.browser

TEXT = "ciao\n<b> a\nxx"


def pair(place: int, length: int, **changes: Any) -> dict[str, Any]:
    return {
        "place": place,
        "length": length,
        "features": [],
        "target": "",
        "probability": 0.0,
        "correct": [],
        "problem": None,
        "symbols": [],
        "nats": [],
        "written_at": [],
        "pieces": [],
        "effects": [],
        "totals": [],
        **changes,
    }


CIAO = pair(
    0,
    4,
    target="tʃ ao",
    probability=0.6,
    correct=["tʃ a o"],
    symbols=["tʃ", "ao"],
    nats=[0.25, 0.5],
    written_at=[[[0, 0.98], [1, 0.02]], []],
    pieces=[[0, 1], [1, 1], [2, 2]],
    effects=[[10.0, 5.0, -1.0], [0.2, 0.1, 0.4]],
    totals=[10.2, 5.1, -0.6],
)
TAGGED = pair(
    5,
    5,
    features=["PL"],
    target="b",
    probability=1.0,
    correct=["b"],
    symbols=["b"],
    nats=[0.0],
    written_at=[[[5, 1.0]]],
    pieces=[[number, 1] for number in range(6)],
    effects=[[0.0, 2.0, 0.0, 0.0, 0.0, 4.0]],
    totals=[0.0, 2.0, 0.0, 0.0, 0.0, 4.0],
)
REFUSED = pair(11, 2, problem="it is too long")
ALIGNMENT = {"pairs": [CIAO, TAGGED, REFUSED], "of_pairs": 40}


def open_translations(open_page: Callable[..., Page]) -> Page:
    return open_record(open_page, record_of(TEXT, alignment=ALIGNMENT))


def test_a_source_is_coloured_by_what_the_translation_hangs_on(
    open_page: Callable[..., Page],
) -> None:
    page = open_translations(open_page)
    assert classes(page, 5) == ["above-10 selected", "above-5", "below-1", "below-1", ""]
    found = card(page, "Translations").inner_text()
    assert "the first 3 of 40" in found
    assert "“ciao” becomes “tʃ ao”, with a probability of 60 %" in found
    assert "Correct would be “tʃ a o”." in found
    page.locator(".inside-block > span").nth(1).hover()
    panel = page.locator(".place-panel")
    assert "without it, the translation costs +5.1 nats" in panel.inner_text()


def test_a_symbol_shows_where_it_was_written_and_what_it_hangs_on(
    open_page: Callable[..., Page],
) -> None:
    page = open_translations(open_page)
    rows = card(page, "Translations").locator("tbody tr").all()
    cells = [row.locator("th, td").all_inner_texts() for row in rows]
    assert [each.strip() for each in cells[0]] == [
        "tʃ",
        "0.25",
        "“c” 98 %, “i” 2.0 %",
        "“c” +10.0, “i” +5.0",
    ]
    assert [each.strip() for each in cells[1]] == ["ao", "0.50", "the ends", "nothing"]
    choice = rows[0].get_by_role("button")
    choice.click()
    assert choice.get_attribute("aria-pressed") == "true"
    assert places_with(page, "marked", TEXT) == {0, 1}
    assert [each.split()[0] for each in classes(page, 4)] == [
        "above-10",
        "above-5",
        "below-1",
        "below-1",
    ]
    choice.click()
    assert places_with(page, "marked", TEXT) == set()


def test_features_count_as_characters_of_the_source(open_page: Callable[..., Page]) -> None:
    page = open_translations(open_page)
    page.get_by_label("Source").select_option(index=1)
    found = card(page, "Translations")
    assert "That is correct." in found.inner_text()
    row = found.locator("tbody tr").locator("th, td").all_inner_texts()
    assert [each.strip() for each in row[2:]] == ["PL 100 %", "PL +4.0, “b” +2.0"]
    assert page.locator(".inside-work b").count() == 0
    shown = classes(page, len(TEXT))
    assert shown[6].split()[0] == "above-5"
    assert shown[0] == ""


def test_a_source_without_a_translation_says_why(open_page: Callable[..., Page]) -> None:
    page = open_translations(open_page)
    page.get_by_label("Source").select_option(index=2)
    found = card(page, "Translations")
    assert "“xx” has no translation: it is too long." in found.inner_text()
    assert found.locator("table").count() == 0


def test_everyone_can_use_translations(open_page: Callable[..., Page]) -> None:
    page = open_translations(open_page)
    check_for_everyone(page)
