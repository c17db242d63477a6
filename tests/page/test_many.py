"""Many: lists of texts."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import charrnn
from tests.page.models import LINES_OF_TOWNS, TOWNS

pytestmark = pytest.mark.browser


@pytest.fixture
def many(open_page: Callable[..., Page]) -> Page:
    """The part Many with the model `towns`."""
    page = open_page("#many")
    page.get_by_label("Model").select_option("towns")
    return page


def write(page: Page, count: int, **fields: str) -> None:
    """Fills fields of the form in, and has the list written."""
    page.get_by_label("How many").fill(str(count))
    for name, value in fields.items():
        page.get_by_label(name.capitalize(), exact=True).fill(value)
    page.get_by_role("button", name="Write the list").click()


def finished(page: Page) -> list[str]:
    """The texts of the list, once it is complete."""
    expect(page.locator(".many-list")).to_have_attribute("aria-busy", "false")
    expect(rows(page)).not_to_have_count(0)
    return page.locator(".many-toggle .many-text").all_inner_texts()


def rows(page: Page) -> Locator:
    return page.locator(".many-toggle")


def test_a_list_is_what_sample_writes_with_the_same_seed(many: Page, served: Path) -> None:
    write(many, 40, seed="7", beginning="Be")
    model = served / "checkpoints" / "towns"
    expected: list[str] = []
    index = 0
    while len(expected) < 40:
        text = charrnn.sample(model, "Be", lines=True, length=60, seed=7, index=index)
        expected += [f"Be{text}"] if f"Be{text}" not in expected else []
        index += 1
    assert finished(many) == expected
    assert "40 texts" in many.locator(".many-status").inner_text()
    many.get_by_role("button", name="Copy the seed").click()
    assert many.evaluate("navigator.clipboard.readText()") == "7"

    many.get_by_role("button", name="Write more").click()
    expect(rows(many)).to_have_count(80)
    assert finished(many)[:40] == expected
    assert len(set(finished(many))) == 80


def test_a_random_seed_is_shown_and_gives_the_same_list_again(many: Page) -> None:
    write(many, 5)
    first = finished(many)
    shown = re.search(r"seed (\d+)", many.locator(".many-status").inner_text())
    assert shown is not None
    write(many, 5, seed=shown[1])
    assert finished(many) == first


def test_the_list_is_sorted_as_asked(many: Page) -> None:
    write(many, 12, seed="1", pattern="[A-Z][a-z]{3,9}")
    written = finished(many)
    order = many.get_by_label("Order")
    order.select_option("alphabet")
    assert finished(many) == sorted(written) != written
    order.select_option("character")
    bits = [float(each.split()[0]) for each in many.locator(".many-bits").all_inner_texts()]
    assert bits == sorted(bits)
    order.select_option("sum")
    sums = []
    for row in rows(many).all()[:4]:
        row.click()
    for each in many.locator(".many-detail").all()[:4]:
        found = re.search(r"([\d.]+) bits in sum", each.inner_text())
        assert found is not None
        sums.append(float(found[1]))
    assert sums == sorted(sums)
    order.select_option("written")
    assert finished(many) == written


def test_a_text_can_be_looked_into_and_used_as_the_beginning(many: Page) -> None:
    write(many, 2, seed="3", pattern="[A-Z][a-z]{3,9}")
    text = finished(many)[0]
    row = rows(many).first
    row.focus()
    many.keyboard.press("Enter")
    assert row.get_attribute("aria-expanded") == "true"
    detail = many.locator(".many-detail").first
    assert detail.locator(".explained").inner_text() == text
    assert detail.locator(".explained span").count() == len(text)
    detail.get_by_role("button", name="Use as the beginning").click()
    assert many.get_by_label("Beginning").input_value() == text
    assert many.evaluate("document.activeElement.value") == text


def test_texts_match_the_pattern(many: Page) -> None:
    write(many, 8, pattern="(Que|Bo)[a-z]{2}", seed="2")
    texts = finished(many)
    assert len(set(texts)) == 8
    assert all(re.fullmatch("(Que|Bo)[a-z]{2}", each) for each in texts)


def test_when_there_are_no_more_texts_it_says_so(many: Page) -> None:
    many.get_by_label("Model").select_option("prose")
    many.get_by_label("Temperature").fill("0")
    many.get_by_label("Length").fill("10")
    write(many, 9)
    assert len(finished(many)) == 1
    expect(many.locator(".many-status")).to_contain_text("try a higher temperature")


def test_what_cannot_be_is_explained_at_its_field(many: Page, problems: list[str]) -> None:
    write(many, 3, pattern="([a-z]")
    error = many.locator(".field-error")
    error.wait_for()
    assert "regex" in error.inner_text()
    pattern = many.get_by_label("Pattern", exact=True)
    assert pattern.get_attribute("aria-invalid") == "true"
    assert any("400" in each for each in problems)
    problems.clear()
    pattern.fill("[A-Z][a-z]+")
    assert not error.is_visible()
    write(many, 3, pattern="[A-Z][a-z]+", beginning="☃")
    expect(error).to_contain_text("never seen")
    assert many.get_by_label("Beginning").get_attribute("aria-invalid") == "true"
    problems.clear()
    write(many, 3, beginning="")
    assert len(finished(many)) == 3


def test_only_new_ones_leaves_out_the_training_text(many: Page) -> None:
    known = TOWNS.read_text(encoding="utf-8").splitlines()[:LINES_OF_TOWNS]
    assert "Trebenov" in known and "Trebemere" not in known
    many.get_by_label("None of the training text").check()
    write(many, 1, pattern="Trebe(nov|mere)", seed="2")
    assert finished(many) == ["Trebemere"]


def test_texts_need_not_be_lines(many: Page, served: Path) -> None:
    """Also for a model that was trained on lines."""
    many.get_by_label("Each is a line").uncheck()
    write(many, 3, seed="1")
    model = served / "checkpoints" / "towns"
    expected = [charrnn.sample(model, length=60, seed=1, index=index) for index in range(3)]
    finished(many)
    shown = many.locator(".many-toggle .many-text").evaluate_all(
        "(texts) => texts.map((each) => each.textContent)"
    )
    assert shown == expected and "\n" in expected[0]


def test_a_list_can_be_stopped_and_keeps_what_is_there(many: Page) -> None:
    many.get_by_label("Model").select_option("prose")
    many.get_by_label("Length").fill("1000")
    write(many, 1000)
    stop = many.get_by_role("button", name="Stop", exact=True)
    expect(many.locator(".many-row").first).to_have_text(re.compile(r"[\s\S]{21}"))
    stop.click()
    stop.wait_for(state="hidden")
    texts = finished(many)
    assert 0 < len(texts) < 1000 and max(map(len, texts)) > 20
    assert "Stopped." in many.locator(".many-status").inner_text()


def test_a_list_is_copied_and_saved_in_the_order_shown(many: Page) -> None:
    write(many, 8, seed="5", pattern="[A-Z][a-z]{3,9}")
    many.get_by_label("Order").select_option("alphabet")
    texts = finished(many)
    many.get_by_role("button", name="Copy", exact=True).click()
    expect(many.locator(".many-status")).to_contain_text("copied")
    assert many.evaluate("navigator.clipboard.readText()") == "\n".join(texts) + "\n"
    with many.expect_download() as saved:
        many.get_by_role("button", name="Save as text").click()
    assert saved.value.suggested_filename == "towns-5.txt"
    assert saved.value.path().read_text() == "\n".join(texts) + "\n"
    with many.expect_download() as saved:
        many.get_by_role("button", name="Save as CSV").click()
    table = list(csv.DictReader(io.StringIO(saved.value.path().read_bytes().decode())))
    assert [each["text"] for each in table] == texts
    assert {each["seed"] for each in table} == {"5"}
    assert sorted(int(each["index"]) for each in table) == list(range(8))
    assert all(float(each["log_probability"]) < 0 for each in table)


def test_a_table_has_nothing_that_a_spreadsheet_computes(page: Page) -> None:
    cells = ["=1+1", "+1", "-1", "@sum", "\tx", 'say "a, b"\nc', "plain", "", None, -1.5]
    text = page.evaluate(
        "async (cells) => (await import('/page/csv.js')).csvText([cells, ['end']])", cells
    )
    read = list(csv.reader(io.StringIO(text, newline="")))
    expected = ["'=1+1", "'+1", "'-1", "'@sum", "'\tx", 'say "a, b"\nc', "plain", "", "", "-1.5"]
    assert read == [expected, ["end"]]
