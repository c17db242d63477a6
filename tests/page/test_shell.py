"""The shell of the page: tabs, theme, key and errors."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser


def selected(page: "Page") -> str:
    return page.locator("[role=tab][aria-selected=true]").inner_text()


def shown_tabs(page: "Page") -> list[str]:
    page.wait_for_selector("html[data-ready]")
    return page.get_by_role("tab").all_inner_texts()


def test_the_tabs_follow_arrows_address_and_model(page: "Page") -> None:
    tabs = shown_tabs(page)
    assert tabs[:2] == ["Write", "Many"]
    assert selected(page) == "Write"
    page.get_by_role("tab", name="Write").focus()
    page.keyboard.press("ArrowRight")
    assert selected(page) == "Many" and page.url.endswith("#many")
    assert page.get_by_role("tabpanel").get_attribute("aria-labelledby") == "tab-many"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert selected(page) == tabs[-1]
    page.keyboard.press("Home")
    assert selected(page) == "Write"
    page.evaluate("location.hash = '#many'")
    page.wait_for_function("() => document.getElementById('tab-many').ariaSelected === 'true'")
    page.get_by_label("Model").select_option("both")
    assert "Write" not in shown_tabs(page) and "Fill" in shown_tabs(page)
    assert selected(page) == "Fill"
    page.reload()  # the model is kept
    assert "Fill" in shown_tabs(page)


def test_the_theme_is_that_of_the_system_until_it_is_chosen(
    open_page: "Callable[..., Page]",
) -> None:
    page = open_page(dark=True)
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(paper)
    switch = page.get_by_role("button", name="Theme")
    switch.click()
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    assert page.evaluate(paper) == light
    assert switch.get_attribute("title") == "Theme: light"
    switch.click()
    assert page.evaluate(paper) == dark


def test_a_key_is_asked_for_once_and_kept_in_the_tab(page: "Page", problems: list[str]) -> None:
    error = {"error": {"message": "a key is needed", "type": "invalid_request_error"}}

    def guard(route: "Route") -> None:
        if route.request.headers.get("authorization") == "Bearer secret":
            route.continue_()
        else:
            route.fulfill(status=401, content_type="application/json", body=json.dumps(error))

    page.route("**/v1/**", guard)
    page.route("**/api/**", guard)
    page.reload()
    dialog = page.get_by_role("dialog", name="This server wants a key")
    dialog.get_by_label("Key", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_text("The server refused that key.").wait_for()
    page.get_by_label("Key", exact=True).fill("secret")
    page.keyboard.press("Enter")
    assert "Write" in shown_tabs(page)
    page.reload()
    assert "Write" in shown_tabs(page)
    assert not dialog.is_visible()
    assert all("401" in each for each in problems)
    problems.clear()


def test_a_server_that_is_gone_is_a_sentence_and_the_text_stays(
    page: "Page", problems: list[str]
) -> None:
    page.get_by_label("Suggest while I type").uncheck()
    area = page.get_by_role("textbox", name="Your text")
    area.fill("The fox")
    page.route("**/v1/completions", lambda route: route.abort())
    page.get_by_role("button", name="Continue").click()
    alert = page.get_by_role("alert")
    alert.get_by_text("The server does not answer.").wait_for()
    assert area.input_value() == "The fox"
    alert.get_by_role("button", name="Close").click()
    assert alert.inner_text() == ""
    page.unroute("**/v1/completions")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_function("() => document.querySelector('.area').value.length > 50")
    assert all("ERR_FAILED" in each for each in problems)
    problems.clear()


def test_a_busy_server_says_when_to_try_again(page: "Page", problems: list[str]) -> None:
    page.get_by_label("Suggest while I type").uncheck()
    page.get_by_role("textbox", name="Your text").fill("The fox")
    page.route(
        "**/v1/completions",
        lambda route: route.fulfill(
            status=429, headers={"Retry-After": "3"}, json={"error": {"message": "busy"}}
        ),
    )
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("alert").get_by_text("Try again in 3 seconds.").wait_for()
    assert all("429" in each for each in problems)
    problems.clear()
