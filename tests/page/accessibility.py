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
