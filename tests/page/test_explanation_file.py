"""The page in one file of an explanation, opened from the disk; and explanations over HTTP."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

import charrnn
from charrnn.explanation.explanation import Explanation
from charrnn.export.explanation_page import explanation_page
from tests.page.accessibility import check_accessibility, check_width
from tests.page.conftest import OpenOffline

pytestmark = pytest.mark.browser

TEXT: Final = "The hen met the hen. Was it a hen? It was a fox!\n" * 6
HOSTILE: Final = "</title></script><script>window.ran = true</script><!--"
SECTIONS: Final = ("Surprise", "Cells", "Memory", "Copying", "Learning", "Embeddings")

OpenFile = Callable[..., Page]


@pytest.fixture(scope="module")
def prose(served: Path) -> Explanation:
    """What the model does with its held-out text, all of it."""
    return charrnn.explain(served / "checkpoints" / "prose", samples=3)


@pytest.fixture
def open_file(open_offline: OpenOffline) -> OpenFile:
    """Opens a page of an explanation: open_file(explanation, width=360)."""

    def make(explanation: Explanation, *, width: int = 1280) -> Page:
        return open_offline(explanation_page(explanation), width=width)

    return make


def test_it_shows_every_part_and_asks_nobody_for_anything(
    open_file: OpenFile, prose: Explanation
) -> None:
    page = open_file(prose)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.reload()
    assert page.get_by_role("tablist", name="What to do").get_by_role("tab").count() == 1
    tabs = page.get_by_role("tablist", name="What was found out").get_by_role("tab")
    expect(tabs).to_have_count(len(SECTIONS))
    assert tabs.all_inner_texts() == [*SECTIONS]
    for title in SECTIONS:
        page.get_by_role("tab", name=title).click()
        expect(
            page.get_by_role("tabpanel", name=title).get_by_role("heading").first
        ).to_be_visible()
    assert requests == [page.url.partition("#")[0]]
    assert page.get_by_role("textbox").count() == 0


def test_it_has_the_record(open_file: OpenFile, prose: Explanation) -> None:
    page = open_file(prose)
    found = page.evaluate("window.charrnn.explain().then((record) => JSON.stringify(record))")
    assert json.loads(found) == json.loads(json.dumps(prose.to_json()))
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save all numbers").click()
    assert json.loads(saved.value.path().read_text()) == json.loads(found)


def test_it_is_accessible_and_fits(open_file: OpenFile, prose: Explanation) -> None:
    page = open_file(prose, width=360)
    for title in SECTIONS:
        page.get_by_role("tab", name=title).click()
        check_accessibility(page)
        for width in (360, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            check_width(page)
        page.set_viewport_size({"width": 360, "height": 900})


def test_texts_stay_texts(open_file: OpenFile, prose: Explanation, problems: list[str]) -> None:
    text = (HOSTILE + prose.text.text)[: len(prose.text.text)]
    assert prose.cells is not None and prose.copying is not None
    figures = [
        replace(each, longest=tuple(replace(one, passage=HOSTILE) for one in each.longest))
        for each in prose.copying.figures
    ]
    page = open_file(
        replace(
            prose,
            model=replace(prose.model, corpus=HOSTILE),
            text=replace(prose.text, text=text, source=HOSTILE, skipped=(HOSTILE,)),
            alphabet=tuple(HOSTILE for _ in prose.alphabet),
            copying=replace(prose.copying, figures=tuple(figures)),
        )
    )
    assert page.locator("h1").inner_text() == HOSTILE
    for title in SECTIONS:
        page.get_by_role("tab", name=title).click()
        expect(page.get_by_role("tabpanel", name=title)).to_be_visible()
    assert page.evaluate("window.ran") is None
    assert page.locator("script").count() == 5  # two packed blocks, the loader, what it unpacks


def test_it_shows_which_characters_made_a_class(open_file: OpenFile, served: Path) -> None:
    found = charrnn.explain(served / "checkpoints" / "moods", "aeiobc")
    page = open_file(found)
    tab = page.get_by_role("tab", name="Classes")
    expect(tab).to_be_visible()
    tab.click()
    assert found.attribution is not None and found.attribution.label is not None
    expect(page.get_by_role("tabpanel", name="Classes")).to_contain_text(found.attribution.label)


ASK: Final = """(given) => {
    const stages = [];
    const onStage = (stage) => stages.push(stage);
    return window.charrnn.explain(given, { onStage }).then((record) => [stages, record]);
}"""


def test_the_console_explains_what_explain_does(page: Page, served: Path) -> None:
    given: dict[str, Any] = {"text": TEXT, "samples": 2, "parts": ["surprise", "embeddings"]}
    stages, record = page.evaluate(ASK, {"model": "prose", **given})
    settings = {**given, "parts": tuple(given["parts"])}
    wanted = charrnn.explain(served / "checkpoints" / "prose", **settings)
    assert record == json.loads(json.dumps(wanted.to_json()))
    assert stages[0] == "reading the text" and len(stages) > 1


def test_an_explanation_can_be_stopped(page: Page) -> None:
    stop = """() => {
        const stop = new AbortController();
        const onStage = () => stop.abort();
        return window.charrnn.explain({ model: "prose" }, { onStage, signal: stop.signal })
            .then(() => "explained", (error) => error.name);
    }"""
    assert page.evaluate(stop) == "AbortError"


def test_what_cannot_be_explained_is_said(page: Page, problems: list[str]) -> None:
    failing = "(given) => window.charrnn.explain(given).catch((error) => error.message)"
    assert "give a longer text" in page.evaluate(failing, {"model": "prose", "text": "T"})
    assert "name a text" in page.evaluate(failing, {"model": "moods"})
    refused = [each for each in problems if "status of 400" in each]
    assert refused
    problems[:] = [each for each in problems if each not in refused]
