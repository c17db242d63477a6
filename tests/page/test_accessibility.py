"""Everyone can use the page: axe, keyboards, narrow screens and both themes."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.page.accessibility import check_accessibility, check_width

pytestmark = pytest.mark.browser

NARROW, WIDE = 360, 1440


def show_write(page: Page) -> None:
    page.wait_for_selector("textarea")


def show_many(page: Page) -> None:
    page.get_by_role("button", name="Write the list").click()
    page.wait_for_selector(".many-toggle")
    page.locator(".many-toggle").first.click()


def show_fill(page: Page) -> None:
    page.get_by_role("textbox", name="Text").fill("The f_x met the h__.")
    page.wait_for_selector(".gap")
    page.locator(".gap").first.click()
    page.wait_for_selector(".share")


def show_proofread(page: Page) -> None:
    page.get_by_label("Threshold").fill("4")
    page.get_by_role("textbox", name="Text").fill("The fox met teh hen. The hen met the fox.")
    page.wait_for_selector(".mistake")


def show_predict(page: Page) -> None:
    page.get_by_role("textbox", name="Text").fill("aeiou")
    page.wait_for_selector(".class")


def show_predictions(page: Page) -> None:
    page.get_by_role("textbox", name="Text").fill("aeiou\nbcdfg\n☃")
    page.get_by_label("Each line").check()
    page.wait_for_selector(".predictions")


def show_watch(page: Page) -> None:
    page.wait_for_selector(".plot")


def show_inside(page: Page) -> None:
    page.get_by_role("button", name="Explain", exact=True).click()
    page.wait_for_selector(".inside-block > span")


VIEWS = {
    "write": ("prose", show_write),
    "many": ("towns", show_many),
    "fill": ("both", show_fill),
    "proofread": ("both", show_proofread),
    "predict": ("moods", show_predict),
    "predictions": ("moods", show_predictions),
    "inside": ("prose", show_inside),
    "watch": ("prose", show_watch),
}


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_in_either_theme_and_nothing_is_too_wide(
    view: str, open_page: Callable[..., Page]
) -> None:
    model, show = VIEWS[view]
    page = open_page(f"#{'predict' if view == 'predictions' else view}", width=WIDE)
    page.get_by_label("Model").select_option(model)
    show(page)
    check_width(page)
    for scheme, width in (("light", WIDE), ("dark", NARROW)):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 800})
        check_accessibility(page)
        check_width(page)


def test_the_tabs_are_walked_by_arrow_keys_and_everything_by_tab(page: Page) -> None:
    """Every tab stop is visible and has a name, and Tab leaves the page in the end."""
    page.get_by_label("Model").select_option("towns")
    page.get_by_role("tab", name="Write").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-many"
    assert page.evaluate("location.hash") == "#many"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate(
            """() => {
                const each = document.activeElement;
                if (each === document.body) return null;
                const box = each.getBoundingClientRect();
                if (box.width === 0 || box.height === 0) throw new Error(each.outerHTML);
                if (getComputedStyle(each).outlineStyle === "none" && each.tagName !== "MAIN") {
                    throw new Error(`no focus is seen on ${each.outerHTML}`);
                }
                return each.ariaLabel || each.labels?.[0]?.innerText || each.innerText || each.id;
            }"""
        )
        if name is None:
            break
        assert name
        seen.append(name.strip())
    else:
        raise AssertionError(f"Tab never leaves the page: {seen}")
    for name in ("Model", "How many", "Beginning", "Pattern", "Write the list", "Temperature"):
        assert name in seen


@pytest.mark.parametrize("dark", [False, True])
def test_the_theme_can_be_switched_against_the_system(
    dark: bool, open_page: Callable[..., Page]
) -> None:
    page = open_page(dark=dark)
    seen = set()
    for _ in range(3):
        seen.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        page.get_by_role("button", name="Theme").click()
    assert len(seen) == 2
