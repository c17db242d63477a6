"""The section Copying of the part Inside."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.accessibility import check_for_everyone
from tests.page.inside_records import (
    card,
    heights,
    open_record,
    places_with,
    record_of,
    table,
)

pytestmark = pytest.mark.browser

TEXT = "<b>é</b> " + "The hen met the fox. " * 12


def copy(place: int, length: int, *, number: int = 0, passage: str | None = None) -> dict[str, Any]:
    return {
        "text_number": number,
        "place": place,
        "length": length,
        "passage": TEXT[place : place + length] if passage is None else passage,
        "training_place": 1000 + place,
        "training_line": 20 + place,
    }


def figures(name: str, novelty: list[float | None], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "texts": 1,
        "characters": len(TEXT),
        "longest": [],
        "shares": {"20": 0.5, "50": 0.25, "100": 0.0, "200": 0.0},
        "novelty": novelty,
        **more,
    }


SAMPLES = figures(
    "samples",
    [0.0, 0.3, 0.6, 1.0],
    texts=100,
    characters=50_000,
    longest=[copy(9, 30 - k, number=k, passage=f"passage {k}") for k in range(5)],
    shares={"20": 0.123, "50": 0.0312, "100": 0.00051, "200": 0},
)
OWN = figures("text", [0.0, 0.1, 0.2, 0.3], longest=[copy(9, 30), copy(60, 20)])
HELD_OUT = figures("held_out", [0.0, 0.5, 0.9, 1.0])
PASSAGES = [[9, 30, 1009], [30, 20, 1030], [100, 120, 1100]]


def copying(**changes: Any) -> dict[str, Any]:
    return {
        "training_characters": 123_456,
        "figures": [SAMPLES, OWN, HELD_OUT],
        "passages": PASSAGES,
        **changes,
    }


def test_the_shares_of_copies_stand_beside_each_other(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(TEXT, copying=copying()))
    found = card(page, "Copying")
    assert "the training text of 123,456 characters" in found.inner_text()
    heads = found.get_by_role("columnheader").all_inner_texts()
    assert [each.split("\n") for each in heads] == [
        ["Characters in a row"],
        ["the samples", "100 texts, 50,000 characters"],
        ["this text", f"{len(TEXT)} characters"],
        ["the held-out text", f"{len(TEXT)} characters"],
    ]
    rows = found.locator("tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        ["20 or more", "12 %", "50 %", "50 %"],
        ["50 or more", "3.1 %", "25 %", "25 %"],
        ["100 or more", "0.05 %", "0 %", "0 %"],
        ["200 or more", "0 %", "0 %", "0 %"],
    ]
    said = "In copies of 20 characters or more lie 12 % of the samples, 50 % of this text, and 50 %"
    assert said in found.inner_text()


def test_novelty_is_drawn_for_each_text(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(TEXT, copying=copying()))
    found = card(page, "Novelty")
    chart = found.locator(".chart")
    assert heights(chart) == [
        pytest.approx(each["novelty"], abs=0.005) for each in (SAMPLES, OWN, HELD_OUT)
    ]
    said = found.inner_text()
    assert "In the samples, most sequences of 3 characters are new." in said
    assert "Even of 4 characters, most sequences in this text are known." in said
    assert "In the held-out text, most sequences of 2 characters are new." in said
    assert table(chart)[2] == ["2", "30 %", "10 %", "50 %"]


def test_a_short_text_has_no_long_sequences(open_page: Callable[..., Page]) -> None:
    short = copying(figures=[figures("text", [0.0, 0.25, None, None])])
    found = card(open_record(open_page, record_of(TEXT, copying=short)), "Novelty")
    assert "Even of 2 characters, most sequences in this text are known." in found.inner_text()
    assert heights(found.locator(".chart")) == [pytest.approx([0, 0.25], abs=0.005)]


def test_the_longest_copies_are_listed_with_their_lines(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(TEXT, copying=copying()))
    found = card(page, "The longest copies")
    rows = found.get_by_role("list", name="The longest copies in the samples", exact=True)
    first = rows.get_by_role("listitem").first.inner_text()
    assert "“passage 0 …”" in first  # 9 of its 30 characters are recorded
    assert "30 characters · line 29 of the training text (character 1,010) · in sample 1" in first
    assert rows.get_by_role("listitem").count() == 3
    found.get_by_text("2 more").click()
    rest = found.get_by_role("list", name="The longest copies in the samples, continued")
    assert rest.get_by_role("listitem").count() == 2
    assert "None." in found.locator(".copy-lists").last.inner_text()


def test_copies_are_coloured_by_length_and_underlined_when_chosen(
    open_page: Callable[..., Page],
) -> None:
    page = open_record(open_page, record_of(TEXT, copying=copying()))
    assert places_with(page, "surprise-3", TEXT) == set(range(9, 50))
    assert places_with(page, "surprise-8", TEXT) == set(range(100, 220))
    letters, panel = page.locator(".inside-block > span"), page.locator(".place-panel")
    letters.nth(35).hover()  # in two of them
    assert "in a copy of 30 characters, from character 1,010 of the training" in panel.inner_text()
    letters.nth(60).hover()
    assert "in no copy of 20 characters or more" in panel.inner_text()
    page.get_by_role("button", name="Show the copy at character 61").click()
    assert places_with(page, "ranged", TEXT) == set(range(60, 80))
    assert places_with(page, "selected", TEXT) == {60}
    assert page.locator(".inside-section b, .inside-block b").count() == 0


def test_places_in_bytes_are_found_in_the_text(open_page: Callable[..., Page]) -> None:
    """An é is two bytes, so the copy begins and ends one character sooner than its bytes say."""
    cut = copy(60, 20, passage="é\u202e" + "é" * 6)
    byte = copying(figures=[figures("text", [0.0], longest=[copy(10, 30), cut])])
    page = open_record(open_page, record_of(TEXT, copying=byte, tokenizer="byte"))
    assert (
        "30 bytes · line 30 of the training text (byte 1,011)"
        in card(page, "The longest copies").inner_text()
    )
    # 17 of its 20 bytes, and a sign that would turn the others
    assert "“é◌éééééé …”" in page.locator(".copy-list").inner_text()
    page.get_by_role("button", name="Show the copy at character 10").click()
    assert places_with(page, "ranged", TEXT) == set(range(9, 39))


def test_a_text_without_copies_says_so(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(TEXT, copying=copying(figures=[], passages=[])))
    assert "No passage of 20 characters or more" in page.locator(".inside-legend").inner_text()
    assert "There was nothing to compare." in card(page, "Copying").inner_text()


def test_everyone_can_use_copying(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(TEXT, copying=copying()))
    page.get_by_text("The numbers as a table").click()
    page.get_by_text("2 more").click()
    check_for_everyone(page)
