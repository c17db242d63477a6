"""A browser, a server of small models, and pages that may not complain.

Tests of the page carry the mark `browser`. Where there is no browser, they are skipped.
"""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.chromium import Chromium, find_browser
from tests.page.models import train_models
from tests.page.server import serving

TIMEOUT: Final = 30_000
"""How long to wait for something in the page, in milliseconds, on however busy a machine."""
expect.set_options(timeout=TIMEOUT)

OpenOffline = Callable[..., Page]

REPORT_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`the policy forbids ${event.effectiveDirective} ${event.blockedURI}`));
"""


CHROMIUM: Final = Chromium()
"""The browser of this process."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Lends this thread to the browser for a test that has it, and for all of its fixtures."""
    if not item.get_closest_marker("browser"):
        return (yield)
    with CHROMIUM.in_use():
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips the tests that need a browser here, so that they are summed up in a line."""
    if item.get_closest_marker("browser") and find_browser() is None:
        pytest.skip(
            "no browser: install Chromium (apt-get install chromium), or set CHARRNN_BROWSER"
        )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """What gives fixtures of a module their browser."""
    yield CHROMIUM
    CHROMIUM.close()  # here the last test may be any


@pytest.fixture
def browser(chromium: Chromium) -> Browser:
    """Chromium without a window."""
    return chromium.browser()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run of each task in `checkpoints/`, which the tests only read."""
    return train_models(tmp_path_factory)


@pytest.fixture(scope="session")
def address(served: Path) -> Iterator[str]:
    """Where `charrnn serve` listens, with all of these models; the first one writes prose."""
    with serving(served, "prose", "towns", "both", "moods", "years") as found:
        yield found


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """What goes wrong in the pages of a test: it fails if any of it is left at its end.

    Errors in the console, which are also those of the server and of the Content-Security-Policy;
    exceptions; and requests to any other server. A test that means to cause an error removes it.
    """
    found: list[str] = []
    yield found
    assert not found, "\n".join(found)


@pytest.fixture
def open_page(browser: Browser, address: str, problems: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens the page: open_page("#many", width=360, dark=True). A script runs before its own."""
    contexts = []

    def make(
        place: str = "",
        *,
        width: int = 1280,
        dark: bool = False,
        at: str = address,
        script: str | None = None,
        **more: Any,
    ) -> Page:
        context = browser.new_context(
            base_url=at,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
            **more,
        )
        contexts.append(context)
        context.set_default_timeout(TIMEOUT)
        context.add_init_script(REPORT_VIOLATIONS)
        if script is not None:
            context.add_init_script(script)
        page = context.new_page()
        watch(page, at, problems)
        page.goto(f"/{place}")
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def open_offline(browser: Browser, tmp_path: Path, problems: list[str]) -> Iterator[OpenOffline]:
    """Opens a page in one file from the disk: open_offline(content, width=360)."""
    context = browser.new_context(offline=True, reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT)
    context.add_init_script(REPORT_VIOLATIONS)

    def make(content: bytes, *, name: str = "page", width: int = 1280) -> Page:
        file = tmp_path / f"{name} & co.html"
        file.write_bytes(content)
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        watch(page, "file://", problems)
        page.goto(file.as_uri())
        page.locator("html[data-ready]").wait_for()
        return page

    yield make
    context.close()
    own = ("a request to blob:null/", "a request to file://")
    problems[:] = [each for each in problems if not each.startswith(own)]


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The page, in its first part."""
    return open_page()


def watch(page: Page, address: str, problems: list[str]) -> None:
    """Adds to `problems` what goes wrong in a page of the server at an address."""

    def check_request(url: str) -> None:
        if not url.startswith((f"{address}/", f"blob:{address}/", "data:")):
            problems.append(f"a request to {url}")

    def check_message(kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            problems.append(f"in the console: {text}")

    page.on("request", lambda request: check_request(request.url))
    page.on("console", lambda message: check_message(message.type, message.text))
    page.on("pageerror", lambda error: problems.append(f"an exception: {error}"))
