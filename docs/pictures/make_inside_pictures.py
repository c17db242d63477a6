"""Pictures of the page of `charrnn explain --html`, for docs/inside.md: `make page-pictures`, in
about two minutes.

    python docs/pictures/make_inside_pictures.py [--to docs/pictures] [--model DIRECTORY]

Each is what Chromium shows of the page of a real model of the fables, which is trained here as
docs/inside.md says. Needs what make_page_pictures.py needs, whose pictures these are like.
"""

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from make_page_pictures import save_shot, started_browser, window
from playwright.sync_api import Browser, Page

TRAINING: Final = ("fables", "--epochs", "30", "--checkpoint-every", "20", "--keep", "40")
"""What docs/inside.md trains with."""

WIDTH: Final = 1060
"""The width of the window, in CSS pixels."""


@dataclass(frozen=True)
class Picture:
    """A picture to make.

    Attributes:
        section: the section's title.
        prepare: does what a person does before.
        height: that of the window, in CSS pixels.
    """

    section: str
    prepare: Callable[[Page], None]
    height: int = 760


def look_at_a_letter(page: Page) -> None:
    """Selects the letter after `there was `."""
    _select_after(page, "there was ")


def choose_concept(page: Page) -> None:
    """Draws the unit that is active between two sentences."""
    page.get_by_role("button", name=re.compile("^between two sentences")).click()


def nothing(_: Page) -> None:
    """Changes nothing."""


def _select_after(page: Page, words: str) -> None:
    """Goes to the character after these words, with the slider below the text."""
    text = "".join(
        page.locator(".inside-block").evaluate_all("(all) => all.map((e) => e.textContent)")
    )
    place = text.index(words) + len(words)
    slider = page.get_by_label("Place in the text")
    slider.evaluate(
        "(node, place) => { node.value = place; node.dispatchEvent(new Event('input')); }", place
    )


PICTURES: Final = (
    Picture("Surprise", look_at_a_letter),
    Picture("Cells", choose_concept, 900),
    Picture("Memory", nothing),
    Picture("Copying", nothing),
    Picture("Learning", nothing),
)


def make_page(model: str, directory: Path) -> str:
    """Makes the page of a model, and returns its address."""
    page = directory / "fables.html"
    _charrnn("explain", model, "--html", str(page))
    return page.resolve().as_uri()


def _charrnn(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "charrnn", *arguments], check=True)


def take(browser: Browser, address: str, picture: Picture, to: Path) -> None:
    """Takes a picture in both themes."""
    for theme in ("light", "dark"):
        with window(browser, WIDTH, picture.height, theme) as page:
            page.goto(address)
            page.get_by_role("tab", name=picture.section, exact=True).click()
            picture.prepare(page)
            save_shot(page, to / f"inside-{picture.section.lower()}-{theme}.png")


def main() -> None:
    """Makes all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).resolve().parent
    parser.add_argument("--to", type=Path, default=here, help="The folder for the pictures.")
    parser.add_argument("--model", help="A model of the fables that is there already.")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = arguments.model
        if model is None:
            model = str(directory / "fables")
            _charrnn("train", *TRAINING, "--out", model, "--quiet")
        address = make_page(model, directory)
        browser = stack.enter_context(started_browser())
        for picture in PICTURES:
            take(browser, address, picture, arguments.to)


if __name__ == "__main__":
    main()
