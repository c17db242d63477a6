"""Fill: the gaps of a text."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import charrnn

pytestmark = pytest.mark.browser


@pytest.fixture
def filler(open_page: Callable[..., Page]) -> Page:
    """The part Fill, with the model `both`."""
    page = open_page("#fill")
    page.get_by_label("Model").select_option("both")
    return page


def result(page: Page) -> str:
    return page.locator(".filled-text").inner_text()


def fill(page: Page, text: str) -> str:
    """Types a text with gaps, and returns it as it is filled."""
    page.get_by_role("textbox", name="Text").fill(text)
    expect(page.locator(".gap").first).to_have_attribute("title", re.compile("%"))
    return result(page)


def test_gaps_are_filled_with_the_likeliest_characters_while_one_types(
    filler: Page, served: Path
) -> None:
    text = "😀 The _ox met the h__. Was it a f_x?"
    (best,) = charrnn.fill(served / "checkpoints" / "both", text)
    assert fill(filler, text) == best.text
    assert filler.locator(".gap").all_inner_texts() == [each.filled for each in best.gaps]
    assert "3 gaps" in filler.locator(".part-fill .card .soft").first.inner_text()


def test_a_gap_is_chosen_from_its_alternatives_by_keyboard(filler: Page, served: Path) -> None:
    fill(filler, "The f_x met the h_n.")
    filler.locator(".gap").first.focus()
    filler.keyboard.press("Enter")
    shares = filler.locator(".share")
    shares.first.wait_for()
    model = served / "checkpoints" / "both"
    expected = charrnn.fill(model, "The f_x met the hen.", alternatives=8)
    assert filler.locator(".share b").all_inner_texts() == [
        each.gaps[0].filled for each in expected
    ]
    assert shares.first.inner_text().split()[0] == "fox"
    assert filler.evaluate("document.activeElement.checked") is True

    filler.keyboard.press("Escape")  # back to the gap
    assert filler.evaluate("document.activeElement.innerText") == expected[0].gaps[0].filled
    filler.keyboard.press("Enter")
    expect(filler.locator(":focus[type=radio]")).to_be_checked()
    filler.keyboard.press("ArrowDown")
    other = expected[1].gaps[0].filled
    expect(filler.locator(".filled-text")).to_contain_text(f"The f{other}x")
    again = charrnn.fill(model, f"The f{other}x met the h_n.")[0].text
    expect(filler.locator(".filled-text")).to_have_text(again)
    filler.get_by_role("button", name="Copy", exact=True).click()
    filler.get_by_text("The text was copied.").first.wait_for()
    assert filler.evaluate("navigator.clipboard.readText()") == again


def test_a_gap_can_have_any_length(filler: Page, served: Path) -> None:
    fill(filler, "The fox met _ hen.")
    filler.get_by_label("Gaps").select_option("any")
    (best,) = charrnn.fill(served / "checkpoints" / "both", "The fox met _ hen.", longest=12)
    expect(filler.locator(".filled-text")).to_have_text(best.text)


def test_the_example_fits_the_model_or_is_not_offered(filler: Page) -> None:
    """`both` has never seen a q."""
    assert not filler.get_by_role("button", name="Try an example").is_visible()
