"""The section Embeddings of the part Inside."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.accessibility import check_for_everyone
from tests.page.inside_records import TEXT, open_record, places_with, record_of

pytestmark = pytest.mark.browser

ALPHABET = ["e", " ", "\n", "\t", "\u200b", "<b>", "\\xc3"]
PLACES = [(0.0, 0.0), (2.0, 0.0), (0.0, 1.0), (-2.0, 0.0), (0.0, -1.0), (1.9, 0.9), (-1.9, -0.9)]
NEIGHBOURS = {0: [[1, 0.75], [5, -0.25]]}


def record(**more: Any) -> dict[str, Any]:
    characters = [
        {"id": k, "x": x, "y": y, "neighbours": NEIGHBOURS.get(k, [[0, 0.5]])}
        for k, (x, y) in enumerate(PLACES)
    ]
    found = {"characters": characters, "variance": [0.6, 0.3]}
    return record_of(embeddings=found, **more) | {"alphabet": ALPHABET}


def points(page: Page) -> Locator:
    return page.get_by_role("listbox", name="The characters").get_by_role("option")


def chosen(page: Page) -> str:
    names = [
        each.get_attribute("aria-label") or ""
        for each in points(page).all()
        if each.get_attribute("aria-selected") == "true"
    ]
    (name,) = names
    return name


NAMES = {"e": "“e”", " ": "space", "\n": "new line", "\t": "tab", "\u200b": "U+200B"}


def name_of(letter: str) -> str:
    return NAMES.get(letter, f"“{letter}”")


def test_each_character_stands_where_its_embedding_is(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record())
    assert {each.get_attribute("aria-label") for each in points(page).all()} == {
        name_of(letter) for letter in ALPHABET
    }
    # Both axes have one scale, and y goes up.
    boxes = {}
    for letter, (x, y) in zip(ALPHABET, PLACES, strict=True):
        point = page.get_by_role("option", name=name_of(letter), exact=True)
        boxes[x, y] = point.evaluate(
            "(each) => [each.getBoundingClientRect().x, each.getBoundingClientRect().y]"
        )
    left, top = boxes[0.0, 0.0]
    scale = (boxes[2.0, 0.0][0] - left) / 2
    assert scale > 40
    for (x, y), found in boxes.items():
        assert found == pytest.approx([left + scale * x, top - scale * y], abs=1)
    labels = page.locator(".scatter-label").all_inner_texts()
    assert set(labels) == {"e", "␣", "⏎", "⇥", "U+200B", "<b>", "\\xc3"}
    assert "60 % and 30 % of the variance of 4 numbers for each of 7 characters" in (
        page.locator(".inside-section").inner_text()
    )


def test_the_chosen_one_has_its_neighbours_listed_and_is_outlined_in_the_text(
    open_page: Callable[..., Page],
) -> None:
    page = open_record(open_page, record())
    assert chosen(page) == "space"  # it comes most often
    assert places_with(page, "marked") == {k for k, each in enumerate(TEXT) if each == " "}
    page.get_by_role("listbox", name="The characters").focus()
    page.keyboard.press("e")
    assert chosen(page) == "“e”"
    assert places_with(page, "marked") == {k for k, each in enumerate(TEXT) if each == "e"}
    page.get_by_role("heading", name="Most like “e”").wait_for()
    rows = page.locator(".neighbour-list").get_by_role("listitem").all_inner_texts()
    assert [row.split("\n") for row in rows] == [["space", "0.75"], ["“<b>”", "−0.25"]]
    assert page.locator(".scatter-point.related").count() == 2
    page.get_by_role("button", name="“<b>”").click()
    assert chosen(page) == "“<b>”"
    assert "does not come in the text that is shown" in page.locator(".inside-section").inner_text()


def test_the_plane_is_walked_by_arrow_keys(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record())
    plane = page.get_by_role("listbox", name="The characters")
    plane.focus()
    for key, name in (
        ("e", "“e”"),
        ("ArrowRight", "space"),
        ("ArrowRight", "space"),  # there is none farther
        ("ArrowUp", "“<b>”"),
        ("ArrowLeft", "new line"),
        ("ArrowDown", "“e”"),
        ("ArrowLeft", "tab"),
        (" ", "space"),
        ("z", "space"),
    ):
        page.keyboard.press(key)
        assert chosen(page) == name, key
    active = plane.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-label") == "space"
    expect(plane).to_be_focused()


def test_a_character_is_chosen_by_the_pointer(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record())
    point = page.get_by_role("option", name="tab").locator(".scatter-label")
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 12, box["y"] + 5)
    expect(page.locator(".scatter-tip")).to_have_text("tab")
    page.mouse.down()
    page.mouse.up()
    assert chosen(page) == "tab"


def test_labels_that_would_lie_on_others_are_left_out_but_not_the_chosen(
    open_page: Callable[..., Page],
) -> None:
    letters = [chr(0x4E00 + k) for k in range(300)]
    found = [
        {"id": k, "x": (k % 20) / 100, "y": k / 6000, "neighbours": [[0, 0.5]]} for k in range(300)
    ]
    crowded = {"characters": found, "variance": [0.5, 0.5]}
    page = open_record(open_page, record_of(embeddings=crowded) | {"alphabet": letters})
    page.wait_for_selector(".unlabelled", state="attached")
    shown = page.locator(".scatter-point:not(.unlabelled)").count()
    assert 10 < shown < 200
    page.get_by_role("listbox", name="The characters").focus()
    page.keyboard.press("End")
    last = page.get_by_role("option", name=f"“{letters[-1]}”")
    assert last.get_attribute("aria-selected") == "true"
    expect(last.locator(".scatter-label")).to_be_visible()


def test_byte_models_have_bytes_which_are_parts_of_characters(
    open_page: Callable[..., Page],
) -> None:
    text = "éa€é"
    alphabet = [chr(byte) if byte < 128 else f"\\x{byte:02x}" for byte in range(256)]
    found = [{"id": k, "x": k / 9, "y": k % 7, "neighbours": [[97, 0.5]]} for k in range(256)]
    byte = record_of(text, tokenizer="byte", embeddings={"characters": found, "variance": [1, 0]})
    page = open_record(open_page, byte | {"alphabet": alphabet})
    assert "What the model takes the bytes for" in page.locator(".inside-section").inner_text()
    assert chosen(page) == "“\\xa9”"  # it comes twice, as does \xc3
    assert places_with(page, "marked", text) == {0, 3}
    page.get_by_role("button", name="“a”").click()
    assert places_with(page, "marked", text) == {1}
    faint = page.locator(".scatter-point.faint").count()
    assert faint == 256 - len(set(text.encode()))
    assert {"\\x00", "\\x1f"} < set(page.locator(".scatter-label").all_text_contents())


def test_everyone_can_use_embeddings(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record())
    check_for_everyone(page)
