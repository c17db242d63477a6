"""Pictures of the page of `charrnn serve`, for README.md and docs/: `make page-pictures`, in about
five minutes.

    python docs/pictures/make_page_pictures.py [--to docs/pictures] [--steps 600]

Each picture is what Chromium shows of a real server with real models: they are trained here, with
fixed seeds and a fixed number of steps, and the texts are written with fixed seeds. Each part is
shown light and dark, and some parts as wide as a telephone, too. Needs the extras `dev`, `serve`
and `benchmarks` (Pillow comes with it), and Chromium (in CHARRNN_BROWSER, if it has another name).
"""

import argparse
import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent.parent
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--no-first-run")

WIDE: Final = 1180
NARROW: Final = (390, 844)
"""The width of a window on a desk and the size of one on a telephone, in CSS pixels."""

SCALE: Final = 1.5
"""The pixels of a picture for each of those."""

COLORS: Final = 256

LARGEST_BYTES: Final = 150_000
"""The most that a picture may have."""

NEVER: Final = 30_000
"""Milliseconds after which something is taken not to happen."""


@dataclass(frozen=True)
class Picture:
    """A picture to make.

    Attributes:
        name: of its files, before the theme.
        part: of the page.
        model: that is chosen.
        prepare: does what a person does before.
        height: that of the window on a desk, in CSS pixels.
        phone: whether it is shown as wide as a telephone, too.
        is_file: whether it is of the page in one file that `charrnn export --html` makes.
    """

    name: str
    part: str
    model: str
    prepare: Callable[[Page], None]
    height: int = 700
    phone: bool = False
    is_file: bool = False


# What a person does


def write(page: Page) -> None:
    """Begins a text, and lets the model go on; the surprising characters are shown."""
    area = page.get_by_role("textbox", name="Your text")
    area.press_sequentially("The old badger ")
    _set(page, "Temperature", "0.5")
    _set(page, "Seed", "4")
    page.get_by_role("button", name="Continue", exact=True).click()
    page.locator(".writing").wait_for(state="detached")
    page.get_by_role("button", name="Surprise", exact=True).click()
    page.locator("[class*=surprise-]").first.wait_for()
    area.press("ControlOrMeta+End")
    area.press_sequentially("\nThe fox ")
    page.locator(".ghost").wait_for()


def list_names(page: Page) -> None:
    """Has names of towns written, and looks into one of them."""
    page.get_by_label("How many").fill("16")
    _set(page, "Seed", "11")
    page.get_by_role("button", name="Write the list").click()
    page.get_by_role("button", name="Write more").wait_for()
    page.locator(".many-toggle").nth(4).click()


def fill_gaps(page: Page) -> None:
    """Types a text with gaps, and opens one of them."""
    text = "The old b_dger said to the c__w: “There is no w_ter in the r_ver.”"
    page.get_by_role("textbox", name="Text").fill(text)
    page.locator(".gap[title*='%']").first.wait_for()
    page.locator(".gap").nth(1).click()
    page.locator(".share").first.wait_for()


def proofread(page: Page) -> None:
    """Types a text with typing errors."""
    text = (
        "One day teh fox came to the river and said to the badger: I am very hungry.\n"
        "The old badger waas not. The crow laughed at htem both, and flew off wiht the cheese."
    )
    page.get_by_role("textbox", name="Text").fill(text)
    page.locator(".mistake").first.wait_for()


def predict(page: Page) -> None:
    """Types names of towns, one a line."""
    page.get_by_label("Each line").check()
    page.get_by_role("textbox", name="Text").fill(
        "Villa Quinares\nBrimbøfjord\nKrastenvar\nNuhakimoa\nNether Wickham"
    )
    page.locator(".predictions").wait_for()


def watch(page: Page) -> None:
    """Looks at one of the trainings."""
    page.locator(".run-row", has_text="fables").click()
    page.locator(".plot polyline").first.wait_for()


def _set(page: Page, name: str, value: str) -> None:
    """Sets a field, which may be among the settings, and those folded up."""
    part = page.locator("[role=tabpanel]:not([hidden])")
    field, summary = (
        part.get_by_label(name, exact=True),
        part.locator("summary", has_text="Settings"),
    )
    folded = not field.is_visible()
    if folded:
        summary.first.click()
    field.fill(value)
    if folded:
        summary.first.click()


PICTURES: Final = (
    Picture("page-write", "write", "fables", write, 860, phone=True),
    Picture("page-many", "many", "towns", list_names, 940, phone=True),
    Picture("page-fill", "fill", "both", fill_gaps, 660),
    Picture("page-proofread", "proofread", "both", proofread, 860),
    Picture("page-predict", "predict", "regions", predict, 500),
    Picture("page-watch", "watch", "fables", watch, 1160, phone=True),
    Picture("page-file", "many", "towns", list_names, 860, is_file=True),
)


# Models and a server


def train_models(directory: Path, steps: int) -> None:
    """Trains what is shown, into `checkpoints/` in a directory."""
    (directory / "corpora").symlink_to(ROOT / "corpora")
    names = _run(directory, sys.executable, "corpora/towns.py", "--regions")
    (directory / "towns.csv").write_bytes(names)
    labelled = ("towns.csv", "--text", "name", "--label", "region", "--steps", str(steps // 4))
    for name, *options in (
        ("towns", "towns", "--lines", "--steps", str(steps)),
        ("both", "fables", "--bidirectional", "--steps", str(steps)),
        ("regions", *labelled),
        ("fables", "fables", "--steps", str(steps), "--evaluate-every", str(max(steps // 12, 1))),
    ):
        print(f"training {name} ...", flush=True)
        _charrnn(directory, "train", *options, "--name", name, "--seed", "1", "--quiet")


def export_page(directory: Path, model: str) -> str:
    """Makes the page of a model in one file, and returns its address."""
    beginnings = [each for name in ("Upper ", "Villa ", "Krasno") for each in ("--prompt", name)]
    options = ("--title", "Invented towns", "--length", "40", *beginnings)
    _charrnn(directory, "export", model, "--html", f"{model}.html", *options)
    return (directory / f"{model}.html").resolve().as_uri()


def _charrnn(directory: Path, *arguments: str) -> None:
    _run(directory, sys.executable, "-m", "charrnn", *arguments)


def _run(directory: Path, *command: str) -> bytes:
    return subprocess.run(command, cwd=directory, capture_output=True, check=True).stdout


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Serves the models of a directory, and yields where."""
    names = sorted({picture.model for picture in PICTURES})
    command = [sys.executable, "-m", "charrnn", "serve", "--port", "0", *names]
    process = subprocess.Popen(command, cwd=directory, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = ""
        while (line := process.stderr.readline()) and not (
            found := re.search("http://[^/]*", line)
        ):
            said += line
        if not line:
            raise RuntimeError(said)
        assert found is not None
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


# The pictures


@contextlib.contextmanager
def started_browser() -> Iterator[Browser]:
    """Starts the browser. Exits where there is none."""
    chosen = os.environ.get("CHARRNN_BROWSER")
    executable = next(filter(None, map(shutil.which, [chosen] if chosen else BROWSERS)), None)
    if executable is None:
        sys.exit("there is no browser; install Chromium, or name it in CHARRNN_BROWSER")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@contextlib.contextmanager
def window(browser: Browser, width: int, height: int, theme: str) -> Iterator[Page]:
    """Opens an empty window in a theme, light or dark."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        device_scale_factor=SCALE,
        reduced_motion="reduce",
        locale="en-GB",
    )
    context.set_default_timeout(NEVER)
    yield context.new_page()
    context.close()


def save_shot(page: Page, path: Path) -> None:
    """Saves what a window shows from the top of the page on. Exits where the file is too large."""
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.wait_for_load_state("networkidle")
    shot = page.screenshot(caret="hide", animations="disabled")
    with Image.open(io.BytesIO(shot)) as image:  # as few colors as a page has, it is small
        few = image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes", flush=True)
    if size > LARGEST_BYTES:
        sys.exit(f"{path} has more than {LARGEST_BYTES:,} bytes")


def take(browser: Browser, address: str, picture: Picture, to: Path) -> None:
    """Takes a picture in all its forms.

    Args:
        address: where the server listens, or that of the page in one file.
    """
    for phone in (False, True) if picture.phone else (False,):
        width, height = NARROW if phone else (WIDE, picture.height)
        for theme in ("light", "dark"):
            with window(browser, width, height, theme) as page:
                page.goto(f"{address}{'' if picture.is_file else '/'}#{picture.part}")
                if not picture.is_file:
                    page.get_by_label("Model").select_option(picture.model)
                page.get_by_role("tab", name=re.compile(picture.part, re.IGNORECASE)).click()
                picture.prepare(page)
                save_shot(page, to / f"{picture.name}{'-phone' if phone else ''}-{theme}.png")


def main() -> None:
    """Makes all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).resolve().parent
    parser.add_argument("--to", type=Path, default=here, help="The folder for the pictures.")
    parser.add_argument("--steps", type=int, default=600, help="How long to train each model.")
    parser.add_argument("--models", type=Path, help="A folder that has the models already.")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = arguments.models
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            train_models(directory, arguments.steps)
        address = stack.enter_context(serving(directory))
        browser = stack.enter_context(started_browser())
        for picture in PICTURES:
            at = export_page(directory, picture.model) if picture.is_file else address
            take(browser, at, picture, arguments.to)


if __name__ == "__main__":
    main()
