"""Predict: classes and numbers."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

import charrnn

pytestmark = pytest.mark.browser


@pytest.fixture
def open_predictor(open_page: Callable[..., Page]) -> Callable[[str], Page]:
    """Opens the part Predict with a model."""

    def make(model: str) -> Page:
        page = open_page("#predict")
        page.get_by_label("Model").select_option(model)
        return page

    return make


def percent(probability: float) -> str:
    value = 100 * probability
    digits = 0 if value >= 10 else 1 if value >= 1 else 2
    return f"{value:.{digits}f} %" if value >= 0.01 else "< 0.01 %"


def test_the_classes_of_a_text_appear_while_it_is_typed(
    open_predictor: Callable[[str], Page], served: Path
) -> None:
    page = open_predictor("moods")
    page.get_by_role("textbox", name="Text").press_sequentially("aeiou", delay=20)
    page.wait_for_selector(".class")
    (expected,) = charrnn.predict(served / "checkpoints" / "moods", "aeiou")
    names = page.locator(".class-name").all_inner_texts()
    assert names == list(expected.probabilities)
    shown = page.locator(".class .share-number").all_inner_texts()
    assert shown == [percent(each) for each in expected.probabilities.values()]
    parts = page.locator(".class .bar").evaluate_all(
        "(bars) => bars.map((each) => parseFloat(each.style.getPropertyValue('--part')) / 100)"
    )
    assert parts == pytest.approx(list(expected.probabilities.values()), abs=1e-6)


def test_each_line_may_be_a_text_of_its_own(
    open_predictor: Callable[[str], Page], served: Path
) -> None:
    page = open_predictor("moods")
    texts = ["aeiou", "bcdfg", "☃"]
    page.get_by_role("textbox", name="Text").fill("\n".join(texts) + "\n\n")
    page.get_by_label("Each line").check()
    page.wait_for_selector(".predictions")
    expected = charrnn.predict(served / "checkpoints" / "moods", texts)
    rows = page.locator(".predictions tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == texts
    assert [row.split()[1] for row in rows[:2]] == [each.label for each in expected[:2]]
    assert "no character that the model knows" in rows[2]
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    table = list(csv.DictReader(io.StringIO(saved.value.path().read_bytes().decode())))
    assert [each["text"] for each in table] == texts
    assert float(table[0]["p(soft)"]) == pytest.approx(expected[0].probabilities["soft"])
    assert table[2]["label"] == ""


def test_a_number_is_shown_as_it_is(open_predictor: Callable[[str], Page], served: Path) -> None:
    page = open_predictor("years")
    page.get_by_role("textbox", name="Text").fill("aeiaei")
    page.wait_for_selector(".predicted-number")
    (expected,) = charrnn.predict(served / "checkpoints" / "years", "aeiaei")
    shown = page.locator(".predicted-number").inner_text()
    assert expected.number is not None
    assert float(shown) == pytest.approx(expected.number, rel=1e-5)


def test_a_text_that_the_model_cannot_read_is_explained(
    open_predictor: Callable[[str], Page],
) -> None:
    page = open_predictor("moods")
    page.get_by_role("textbox", name="Text").fill("☃")
    page.get_by_text("No prediction").first.wait_for()
    page.get_by_role("textbox", name="Text").fill("a☃")
    page.get_by_text("has never seen ☃").wait_for()
