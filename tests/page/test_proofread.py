"""Proofread: mistakes to accept or to ignore."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import charrnn

pytestmark = pytest.mark.browser

TEXT = "😀 The fox met teh hen. The hen met the fox.\nWsa it a fox? It was a hne!"
RIGHT = "😀 The fox met the hen. The hen met the fox.\nWas it a fox? It was a hen!"


@pytest.fixture
def proofreader(open_page: Callable[..., Page]) -> Page:
    """The part Proofread, with the model `both`."""
    page = open_page("#proofread")
    page.get_by_label("Model").select_option("both")
    return page


def text(page: Page) -> str:
    return page.get_by_role("textbox", name="Text").input_value()


def read(page: Page, threshold: float = 4) -> None:
    """Types the text, and waits for what is found."""
    page.get_by_label("Threshold").fill(str(threshold))
    page.get_by_role("textbox", name="Text").fill(TEXT)
    page.wait_for_selector(".mistake")


def changes(page: Page) -> list[str]:
    return [" ".join(each.split()) for each in page.locator(".finding-change").all_inner_texts()]


def test_mistakes_are_marked_and_accepted_by_keyboard(proofreader: Page) -> None:
    read(proofreader)
    assert changes(proofreader) == ["teh → the", "Wsa → Was", "hne! → hen!"]
    assert proofreader.locator(".mistake").all_inner_texts() == ["teh the", "Wsa Was", "hne! hen!"]
    proofreader.locator(".mistake").first.focus()
    proofreader.keyboard.press("Enter")  # goes to its row
    proofreader.keyboard.press("Enter")
    assert text(proofreader) == TEXT.replace("teh", "the")
    proofreader.keyboard.press("ArrowDown")
    proofreader.keyboard.press("Enter")
    assert text(proofreader) == RIGHT.replace("Was", "Wsa")
    proofreader.keyboard.press("Delete")
    proofreader.wait_for_selector(".mistake", state="detached")
    assert text(proofreader) == RIGHT.replace("Was", "Wsa")
    assert "No mistakes found." in proofreader.locator(".part-proofread").inner_text()


def test_all_are_accepted_at_once_and_taken_back(proofreader: Page, served: Path) -> None:
    read(proofreader)
    found = charrnn.proofread(served / "checkpoints" / "both", TEXT, threshold=4)
    expected = charrnn.apply_corrections(TEXT, [each.correction for each in found])
    proofreader.get_by_role("button", name="Accept all").click()
    assert text(proofreader) == expected == RIGHT
    proofreader.get_by_role("button", name="Copy", exact=True).click()
    assert proofreader.evaluate("navigator.clipboard.readText()") == RIGHT
    proofreader.get_by_role("button", name="Undo").click()
    assert text(proofreader) == TEXT
    proofreader.wait_for_selector(".mistake")
    assert len(changes(proofreader)) == 3


def test_the_threshold_shows_what_proofread_finds_above_it(proofreader: Page, served: Path) -> None:
    read(proofreader)
    slider = proofreader.get_by_label("Threshold")
    counts = []
    for threshold in (2, 4, 8, 12, 20):
        slider.fill(str(threshold))
        found = charrnn.proofread(served / "checkpoints" / "both", TEXT, threshold=threshold)
        expected = [each.correction.replacement for each in found]
        assert len(changes(proofreader)) == len(expected), threshold
        counts.append(len(expected))
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def test_another_correction_can_be_chosen(proofreader: Page, served: Path) -> None:
    read(proofreader)
    found = charrnn.proofread(served / "checkpoints" / "both", TEXT, threshold=2)
    other = next(each for each in found if each.original == "eh").others[0]
    proofreader.locator(".finding").first.get_by_role("button", name="Change to").first.click()
    assert text(proofreader) == charrnn.apply_corrections(TEXT, [other])


def test_nothing_that_was_typed_meanwhile_is_lost(proofreader: Page) -> None:
    read(proofreader)
    box = proofreader.get_by_role("textbox", name="Text")
    box.press("ControlOrMeta+End")
    box.press_sequentially("!!")
    proofreader.get_by_role("button", name="Accept all").click()
    assert text(proofreader) == f"{TEXT}!!"
    expect(proofreader.locator(".marked-text")).to_contain_text("!!!")
    proofreader.get_by_role("button", name="Accept all").click()
    assert text(proofreader) == f"{RIGHT}!!"
