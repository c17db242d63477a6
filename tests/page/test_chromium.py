"""The browser of the tests shares its thread with anybody, and is replaced when it has died."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page

from tests.page.chromium import Chromium

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_of_the_module(chromium: Chromium) -> Iterator[Page]:
    """Made before, and ended after, all that a test has of its own."""
    page = chromium.browser().new_page()
    page.evaluate("window.answer = 41")
    yield page
    page.close()


async def count() -> int:
    await asyncio.sleep(0)
    return 1


def shows_pages(browser: Browser) -> bool:
    page = browser.new_page()
    page.goto("data:text/html,<title>here</title>")
    title = page.title()
    page.close()
    return title == "here"


@pytest.mark.parametrize("time", range(2))
def test_a_page_outlasts_its_test(time: int, page_of_the_module: Page) -> None:
    """Of two tests in a module, the second one found the connection to the browser closed."""
    assert page_of_the_module.evaluate("window.answer += 1") == 42 + time


def in_a_thread(work: Callable[[Chromium], None]) -> None:
    """Gives work a browser and a thread of its own: here the loop of the other tests is marked."""

    def run() -> None:
        chromium = Chromium()
        try:
            work(chromium)
        finally:
            chromium.close()
        assert asyncio.run(count()) == 1

    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()


def test_loops_run_behind_it() -> None:
    """In use, closed or not yet started, it leaves no loop that counts as running."""

    def work(chromium: Chromium) -> None:
        for _ in range(2):
            with chromium.in_use():
                assert shows_pages(chromium.browser())
            assert asyncio.run(count()) == 1
        chromium.close()
        assert asyncio.run(count()) == 1

    in_a_thread(work)


@pytest.mark.parametrize("victim", ["browser", "driver"])
def test_one_that_died_is_replaced(victim: str) -> None:
    def work(chromium: Chromium) -> None:
        with chromium.in_use():
            first = chromium.browser()
            assert chromium.browser() is first
            kill(victim, first)
        assert asyncio.run(count()) == 1
        with chromium.in_use():
            assert chromium.browser() is not first
            assert shows_pages(chromium.browser())

    in_a_thread(work)


def kill(victim: str, browser: Browser) -> None:
    """Ends the process of a browser, or the one of Playwright that has started it."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    (process,) = (each["id"] for each in processes if each["type"] == "browser")
    if victim == "driver":
        process = int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(process)]))
        assert process != os.getpid()
    os.kill(process, signal.SIGKILL)
