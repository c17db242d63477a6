"""The page in one file, opened from the disk without a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

import charrnn
from charrnn.export.html import html_page
from charrnn.export.page_config import PageConfig
from charrnn.generation.config import SamplingConfig
from tests.page.accessibility import check_accessibility, check_width
from tests.page.conftest import OpenOffline

pytestmark = pytest.mark.browser

HOSTILE: Final = "</title><script>alert(1)</script><!--\"'&"
CARD: Final = f"# A card\n\n{HOSTILE}\n\n| a | table |"

OpenFile = Callable[..., Page]


@pytest.fixture
def open_file(open_offline: OpenOffline, served: Path) -> OpenFile:
    """Opens a page of a model: open_file("towns", config, card=..., width=360)."""

    def make(
        name: str, config: PageConfig | None = None, *, width: int = 1280, **more: Any
    ) -> Page:
        model = charrnn.load(served / "checkpoints" / name)
        return open_offline(html_page(model, config, **more), name=name, width=width)

    return make


def test_it_asks_nobody_for_anything(open_file: OpenFile) -> None:
    page = open_file("towns")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.reload()
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_role("tab", name="Many").click()
    page.get_by_role("button", name="Write the list").click()
    expect(page.locator(".many-toggle")).not_to_have_count(0)
    file, *others = requests
    assert file == page.url.partition("#")[0]
    assert {each.partition("null/")[0] for each in others} == {"blob:"}


def test_the_console_writes_what_sample_writes(open_file: OpenFile, served: Path) -> None:
    """With the same options, among them `lines` as the model was trained."""
    page, model = open_file("towns"), served / "checkpoints" / "towns"
    ask = "(given) => window.charrnn.complete('Be', given).then((result) => result.text)"
    for given in ({"seed": 3}, {"seed": 4, "temperature": 1.2, "index": 7}, {"lines": False}):
        given = {"seed": 5, "length": 60} | given
        assert page.evaluate(ask, given) == charrnn.sample(model, "Be", **({"lines": True} | given))


def test_write_goes_on_with_the_text(open_file: OpenFile, served: Path) -> None:
    page, model = open_file("prose"), served / "checkpoints" / "prose"
    page.get_by_role("textbox", name="Your text").fill("The fox ")
    page.get_by_label("Seed", exact=True).first.fill("5")
    page.get_by_role("button", name="Continue", exact=True).click()
    expected = "The fox " + charrnn.sample(model, "The fox ", length=200, seed=5, lines=False)
    page.wait_for_function(
        "(length) => document.querySelector('textarea').value.length >= length", arg=len(expected)
    )
    assert page.get_by_role("textbox", name="Your text").input_value() == expected


def test_many_writes_the_texts_of_a_seed(open_file: OpenFile, served: Path) -> None:
    page, model = open_file("towns"), served / "checkpoints" / "towns"
    page.get_by_role("tab", name="Many").click()
    assert page.get_by_label("Pattern").is_hidden()
    assert page.get_by_label("None of the training text").is_hidden()
    page.get_by_label("How many").fill("9")
    page.get_by_label("No text twice").uncheck()
    page.get_by_label("Seed", exact=True).last.fill("7")
    page.get_by_role("button", name="Write the list").click()
    expect(page.locator(".many-toggle")).to_have_count(9)
    assert page.locator(".many-toggle .many-text").all_inner_texts() == [
        charrnn.sample(model, lines=True, length=60, seed=7, index=index) or "(empty)"
        for index in range(9)
    ]


def test_what_it_says_stays_text(open_file: OpenFile) -> None:
    config = PageConfig(title=HOSTILE, description=HOSTILE, prompt=("Bra", "New "))
    page = open_file("towns", config, card=CARD)
    assert page.locator("h1").inner_text() == HOSTILE
    assert HOSTILE in page.title()
    assert page.get_by_role("region", name="About this page").inner_text() == HOSTILE
    page.get_by_role("button", name="About").click()
    dialog = page.get_by_role("dialog", name=f"About {HOSTILE}")
    assert dialog.locator("pre").inner_text() == CARD
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_prompts_are_buttons_and_sliders_begin_where_they_should(open_file: OpenFile) -> None:
    sampling = SamplingConfig(temperature=0.67, length=1500, top_p=0.925)
    page = open_file("towns", PageConfig(prompt=("Bra", "New ")), sampling=sampling)
    for name, value in {"Temperature": "0.67", "Length": "1500", "Top p": "0.925"}.items():
        slider = page.get_by_role("slider", name=name, include_hidden=True).first
        assert slider.input_value() == value
    assert page.locator(".beginning").all_inner_texts() == ["Bra", "New"]
    page.locator(".beginning").first.click()
    area = page.get_by_role("textbox", name="Your text")
    page.wait_for_function("() => document.querySelector('textarea').value.length > 3")
    assert area.input_value().startswith("Bra")


def test_pages_that_are_files_keep_their_drafts_apart(open_file: OpenFile) -> None:
    towns = open_file("towns")
    towns.get_by_role("textbox", name="Your text").fill("Bra")
    towns.wait_for_function("() => Object.keys(localStorage).some((key) => key.endsWith('draft'))")
    prose = open_file("prose")
    assert prose.get_by_role("textbox", name="Your text").input_value() == ""
    towns.reload()
    expect(towns.get_by_role("textbox", name="Your text")).to_have_value("Bra")


@pytest.mark.parametrize("width", [360, 1440])
def test_it_is_accessible_and_fits(open_file: OpenFile, width: int) -> None:
    page = open_file("towns", PageConfig(description="Towns."), card=CARD, width=width)
    check_accessibility(page)
    page.get_by_role("button", name="About").click()
    check_accessibility(page)
    check_width(page)


def test_a_script_that_is_not_of_the_file_does_not_run(
    open_file: OpenFile, problems: list[str]
) -> None:
    page = open_file("towns")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.head.append(script);
        }"""
    )
    assert page.evaluate("window.ran") is None
    refused = [each for each in problems if "script" in each]
    assert refused
    problems[:] = [each for each in problems if each not in refused]
