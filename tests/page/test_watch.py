"""Watch: trainings, also while they train."""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from charrnn.storage.run import Run
from tests.page.accessibility import check_accessibility, check_width
from tests.page.server import serving
from tests.plots.runs import evaluation_line, lines_of_a_run, training_line, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

HOSTILE: Final = "<img src=x onerror=alert(1)>\u202e"
"""The name of a run, and its samples."""


@pytest.fixture(scope="module")
def watched(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where a server listens, and the folder of its runs, in which tests may write."""
    directory = tmp_path_factory.mktemp("watched")
    runs = directory / "checkpoints"
    runs.mkdir()
    for name in ("prose", "moods"):
        shutil.copytree(served / "checkpoints" / name, runs / name, symlinks=True)
    write_run(runs / "slow", lines_of_a_run(400))
    write_run(runs / "quick", lines_of_a_run(300, floor=1.3))
    with serving(directory, "prose") as address:
        yield address, runs


@pytest.fixture
def open_watch(
    watched: tuple[str, Path], open_page: "Callable[..., Page]"
) -> "Callable[..., Page]":
    """Opens the part Watch with a run, and waits for its curve: open_watch("slow", "quick")."""

    def make(*names: str, **settings: Any) -> "Page":
        page = open_page("#watch", at=watched[0], **settings)
        if names:
            page.locator(".run-row", has_text=names[0]).click()
            page.wait_for_selector(f".run-card h2:has-text('{names[0]}')")
        if names[1:]:
            page.get_by_label("Compare with").select_option(names[1])
            page.wait_for_selector(f".run-card.run-1 h2:has-text('{names[1]}')")
            page.wait_for_selector(".plot polyline.run-1")
        page.wait_for_selector(".plot")
        return page

    return make


def samples(page: "Page") -> list[str]:
    return page.locator(".sample").all_inner_texts()


def test_a_run_is_watched_while_it_trains(
    watched: tuple[str, Path], open_watch: "Callable[..., Page]"
) -> None:
    """It is the newest, so it is the one that is opened; its curve and samples grow."""
    run = Run.create(watched[1] / "growing")
    for line in lines_of_a_run(100):
        run.log(line)
    page = open_watch()
    row = page.locator(".run-row[aria-pressed=true]")
    assert row.locator(".run-name").inner_text() == "growing"
    assert row.locator(".live").count() == 1
    card = page.locator(".run-card")
    assert "100 of 400" in card.inner_text() and "30 s" in card.inner_text()
    assert samples(page) == ["after 100"]
    curve = page.locator(".plot polyline.evaluations")
    points = (curve.get_attribute("points") or "").split()
    assert len(points) == 2
    for step in range(110, 151, 10):
        run.log(training_line(step, 1.9))
    run.log(evaluation_line(150, 1.6, sample="much better"))
    page.wait_for_selector("text=much better")
    page.wait_for_function(
        "document.querySelector('.plot polyline.evaluations').getAttribute('points')"
        ".split(' ').length === 3"
    )
    assert "150 of 400" in card.inner_text()
    assert f"{1.6 / math.log(2):.3f}" in card.inner_text()
    run.release()
    page.wait_for_selector(".run-card:not(:has(.live))")
    shutil.rmtree(run.directory)


def test_samples_stand_under_a_slider_over_time(open_watch: "Callable[..., Page]") -> None:
    page = open_watch("slow")
    slider = page.get_by_label("Time of the training")
    assert samples(page) == ["after 400"]
    assert slider.get_attribute("aria-valuetext") == "40 s, step 400, 2.254 bits"
    slider.press("ArrowLeft")
    assert samples(page) == ["after 350"]
    slider.press("Home")
    assert samples(page) == ["qzx"]
    assert slider.get_attribute("aria-valuetext") == "0 s, step 0, before the first step"
    slider.press("ArrowRight")
    assert samples(page) == ["after 50"]
    dot, circle = page.locator(".reader-dot"), page.locator(".plot circle.dot").first
    for side in ("cx", "cy"):  # the place in the curve is that of the sample
        assert float(dot.get_attribute(side) or 0) == pytest.approx(
            float(circle.get_attribute(side) or 1), abs=0.2
        )


def test_pointing_at_the_curve_reads_its_values(open_watch: "Callable[..., Page]") -> None:
    page = open_watch("slow")
    axes = {"characters": "characters learned from", "steps": "steps"}
    for place, axis in enumerate(("seconds", "characters", "steps"), start=1):
        page.get_by_label("Over", exact=True).select_option(axis)
        title = axes.get(axis, "time spent training")
        page.wait_for_selector(f".plot text:text-is('{title}')")
        circle = page.locator(".plot circle.dot").nth(place)
        circle.scroll_into_view_if_needed()
        box = circle.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 5, box["y"] - 30)
        step = 50 * (place + 1)
        assert samples(page) == [f"after {step}"]
        bits = f"{(1.5 + 25 / step) / math.log(2):.3f}"
        assert f"step {step}, {bits} bits" in page.locator(".story-place").inner_text()


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1440, False)])
def test_two_runs_stand_side_by_side(
    width: int, dark: bool, open_watch: "Callable[..., Page]"
) -> None:
    page = open_watch("slow", "quick", width=width, dark=dark)
    assert samples(page) == ["after 400", "after 300"]
    slider = page.get_by_label("Time of the training")
    for _ in range(3):
        slider.press("ArrowLeft")
    assert samples(page) == ["after 250", "after 250"]
    assert page.locator(".reader-dot").count() == 2
    boxes = [each.bounding_box() for each in page.locator(".samples figure").all()]
    assert boxes[0] is not None and boxes[1] is not None
    beside = boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    assert beside == (width == 1440)
    page.get_by_text("The evaluations as a table").click()
    rows = page.locator("tbody tr").all_inner_texts()
    assert len(rows) == 8 + 6 and rows[0].split("\t")[:3] == ["slow", "50", "5 s"]
    check_width(page)
    check_accessibility(page)
    page.get_by_label("Compare with").select_option("nothing")
    page.wait_for_selector(".samples figure + figure", state="detached")


def test_runs_of_other_tasks_are_shown_by_their_measure(
    open_watch: "Callable[..., Page]",
) -> None:
    page = open_watch("moods")
    assert "accuracy" in page.locator(".run-card").inner_text()
    assert page.locator(".plot text", has_text="most frequent class").count() == 1
    page.get_by_label("Compare with").select_option("slow")
    page.wait_for_selector("text=These two are measured in different ways")


def test_what_comes_from_files_is_text(
    watched: tuple[str, Path], open_watch: "Callable[..., Page]"
) -> None:
    lines = [{**line, "sample": HOSTILE} for line in lines_of_a_run() if "sample" in line]
    directory = write_run(watched[1] / HOSTILE, [training_line(10), *lines])
    page = open_watch("<img src=x")
    assert samples(page) == [HOSTILE]
    assert page.locator("img, image").count() == 0
    assert "\ufffd" in page.locator(".run-card h2").inner_text()
    shutil.rmtree(directory)


def test_a_picture_with_anything_else_in_it_is_refused(browser: "Browser", address: str) -> None:
    page = browser.new_page(base_url=address)  # the policy complains about most of it as well
    page.goto("/")
    refused = page.evaluate(
        """async () => {
            const { readPicture } = await import("/page/run_curves.js");
            const svg = (inside, more = "") =>
                `<svg xmlns="http://www.w3.org/2000/svg" ${more}>${inside}</svg>`;
            const all = [
                svg("<script>1</script>"), svg("<image href='x'/>"), svg("<a/>"), "<html/>", "",
                svg("<rect onclick='1'/>"), svg("<foreignObject/>"), svg("", "onload='1'"),
                svg("<rect style='fill:red'/>"), svg("<text href='javascript:1'/>"), svg("<"),
                svg("<h:b xmlns:h='http://www.w3.org/1999/xhtml'/>"),
                svg("<use/>"), svg("<defs/>"), svg("<animate/>"),
            ];
            const isRefused = (text) => { try { readPicture(text); } catch { return true; } };
            return [all.map(isRefused), readPicture(svg("<rect/>")).outerHTML];
        }"""
    )
    assert refused[0] == [True] * 15
    assert "<rect" in refused[1]
    page.close()


FAKE_ENGINE: Final = """
window.asked = 0;
const evaluations = [0, 1, 2, 3].map((step) => ({
    step, seconds: step, validation_nats: 3 - step, validation_bits: 3 - step, sample: `at ${step}`,
}));
window.charrnn = {
    models: async () => [{id: "m", task: "generate", tokenizer: "char", characters: "ab"}],
    suggest: async () => [],
    score: async () => ({characters: []}),
    runs: async () => {
        window.asked += 1;
        if (window.broken) throw new Error("no answer");
        return window.names.map((name) => ({name, live: false, step: 3}));
    },
    run: async (name) => ({
        name, live: false, step: 3, seconds: 3, generation: 0, training: [], evaluations,
        baselines: {}, next_after: 2,
    }),
    curves: async () => '<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img"'
        + ' viewBox="0 0 9 9" data-left="0" data-right="9" data-top="0" data-bottom="9"'
        + ' data-x-low="0" data-x-high="9" data-y-low="0" data-y-high="9"><title>t</title></svg>',
};
"""


@pytest.fixture
def open_fake(
    browser: "Browser", address: str, problems: list[str]
) -> "Iterator[Callable[..., Page]]":
    """Opens Watch over an engine without a server, whose clock the test turns."""
    contexts = []

    def make(names: list[str], *, motion: str = "no-preference") -> "Page":
        context = browser.new_context(base_url=address, reduced_motion=motion)  # type: ignore[arg-type]
        contexts.append(context)
        context.add_init_script(f"window.names = {names};\n{FAKE_ENGINE}")
        page = context.new_page()
        page.clock.install()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto("/#watch")
        return page

    yield make
    for context in contexts:
        context.close()


def test_where_nothing_was_trained_it_says_how(open_fake: "Callable[..., Page]") -> None:
    page = open_fake([])
    page.wait_for_selector("text=charrnn train book.txt")
    assert not page.locator(".watch").is_visible()


def test_samples_play_by_themselves_unless_that_is_not_wanted(
    open_fake: "Callable[..., Page]",
) -> None:
    page = open_fake(["run"])
    page.wait_for_selector("text=at 0")
    play = page.locator(".card", has=page.locator(".samples")).get_by_role("button")
    assert play.inner_text() == "Pause"
    for step in (1, 2, 3):
        page.clock.run_for(1100)
        assert samples(page) == [f"at {step}"]
    assert play.inner_text() == "Play"  # at the end
    play.click()
    assert samples(page) == ["at 0"]
    play.click()
    page.clock.run_for(5000)
    assert samples(page) == ["at 0"]
    still = open_fake(["run"], motion="reduce")
    still.wait_for_selector("text=at 3")
    still.clock.run_for(3000)
    assert samples(still) == ["at 3"]


def test_nothing_is_asked_for_while_nobody_looks(open_fake: "Callable[..., Page]") -> None:
    page = open_fake(["run"])
    page.wait_for_selector(".plot")

    def asked_within(seconds: int) -> int:
        before = page.evaluate("window.asked")
        for _ in range(seconds):
            page.clock.run_for(1000)
            page.evaluate("new Promise((done) => queueMicrotask(done))")
        after: int = page.evaluate("window.asked")
        return after - int(before)

    assert 2 <= asked_within(10) <= 6
    page.get_by_role("tab", name="Write").click()
    assert asked_within(10) == 0
    page.get_by_role("tab", name="Watch").click()
    assert asked_within(10) >= 2
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    assert asked_within(10) == 0


def test_a_server_that_is_gone_is_said_once(open_fake: "Callable[..., Page]") -> None:
    page = open_fake(["run"])
    page.wait_for_selector(".plot")
    page.evaluate("window.broken = true")
    page.clock.run_for(2500)
    page.wait_for_selector(".error >> text=no answer")
    page.get_by_role("button", name="Close").click()
    page.clock.run_for(30_000)
    time.sleep(0.1)
    assert page.locator(".error").count() == 0
    page.evaluate("window.broken = false")
    page.clock.run_for(10_000)
    assert page.evaluate("window.asked") > 3
