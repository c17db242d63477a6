"""A browser that other tests of the same process cannot harm, and that is replaced once it died."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Final

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The commands to look for, where the environment variable CHARRNN_BROWSER names none."""

ARGUMENTS: Final = (
    "--no-sandbox",  # root has none, and the page is ours
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


def find_browser() -> str | None:
    """Returns the path of a browser; None where there is none."""
    chosen = os.environ.get("CHARRNN_BROWSER")
    return next(filter(None, map(shutil.which, [chosen] if chosen else BROWSERS)), None)


class Chromium:
    """Chromium without a window. It starts when it is first asked for.

    Between its calls, Playwright leaves its event loop suspended and marked as the one that runs in
    this thread, where nobody else could then run a loop. But all calls into Playwright need the
    mark: where it is missing, the connection to the browser dies within the call. So the loop is
    marked within `in_use` alone, which is to surround all that may call Playwright: whole tests
    with their fixtures, from the first to be made to the last to be ended.
    """

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Marks Playwright's loop as running within this, and none behind it."""
        # A suspended loop runs; that of a connection which died does not, and may not be marked.
        if self._loop is not None and self._loop.is_running():
            asyncio.events._set_running_loop(self._loop)
        try:
            yield
        finally:
            asyncio.events._set_running_loop(None)

    def browser(self) -> Browser:
        """Returns the browser, a new one where it has died or never was. To be called in use."""
        if self._browser is None or not _answers(self._browser):
            self._stop()
            self._playwright = sync_playwright().start()
            self._loop = asyncio.get_running_loop()
            self._browser = self._playwright.chromium.launch(
                executable_path=find_browser(), args=ARGUMENTS
            )
        return self._browser

    def close(self) -> None:
        """Ends the browser, if there is one."""
        with self.in_use():
            self._stop()

    def _stop(self) -> None:
        if self._browser is not None:
            with contextlib.suppress(Error):  # it may be dead
                self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()
        self._browser = self._playwright = self._loop = None


def _answers(browser: Browser) -> bool:
    """Whether the browser is alive: what died since the last call is noticed by the next only."""
    try:
        browser.new_browser_cdp_session().detach()
    except Error:
        return False
    return True
