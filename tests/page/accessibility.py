"""Checks that a page can be used by everyone."""

from typing import Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""The rules of axe that are checked: the levels A and AA of WCAG 2.2, and good practice."""


def check_accessibility(page: Page) -> None:
    """Asserts that axe finds nothing to complain about in what a page shows now."""
    options = {"runOnly": list(RULES), "resultTypes": ["violations"]}
    found = Axe().run(page, options=options)
    assert found.violations_count == 0, found.generate_report()


def check_for_everyone(page: Page) -> None:
    """Asserts that nothing is wrong with what a page shows in the light on a wide screen, and in
    the dark on a narrow one."""
    for dark, width in ((False, 1280), (True, 375)):
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.set_viewport_size({"width": width, "height": 800})
        check_accessibility(page)
        check_width(page)


def check_width(page: Page) -> None:
    """Asserts that a page does not need to be scrolled sideways."""
    wide: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    if wide > 0:
        names: list[str] = page.evaluate(
            """() => [...document.querySelectorAll("body *")]
                .filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5)
                .map((each) => `${each.tagName}.${each.className}#${each.id}`)"""
        )
        raise AssertionError(f"{wide} pixels too wide: {', '.join(names[:8])}")
