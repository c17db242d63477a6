"""Write: an editor where person and model take turns."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import charrnn
from tests.page.accessibility import check_accessibility, check_width

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Request

pytestmark = pytest.mark.browser

BEGINNING = "The fox met the h"


@pytest.fixture
def write(open_page: "Callable[..., Page]") -> "Page":
    return open_page("#write")


def text_area(page: "Page") -> "Locator":
    return page.get_by_role("textbox", name="Your text")


def text_of(page: "Page") -> str:
    return text_area(page).input_value()


def type_text(page: "Page", text: str) -> None:
    text_area(page).focus()
    page.keyboard.press("ControlOrMeta+End")
    page.keyboard.type(text)


def press(page: "Page", name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def wait_until_written(page: "Page", more_than: int) -> str:
    """Waits until the model has written, and returns the whole text."""
    page.wait_for_function(
        """least => document.querySelector(".area").value.length > least
            && !document.querySelector(".writing")""",
        arg=more_than,
    )
    return text_of(page)


def ghost(page: "Page", unlike: str = "") -> str:
    """The ghost text, once there is one."""
    found = page.wait_for_function(
        """unlike => {
            const text = document.querySelector(".ghost")?.textContent;
            return text && text !== unlike && text;
        }""",
        arg=unlike,
    )
    return str(found.json_value())


def authors(page: "Page") -> str:
    """The text of the mirror, with what the model wrote in brackets."""
    found = page.evaluate(
        """() => [...document.querySelectorAll(".line")].map((line) => [...line.childNodes]
            .filter((each) => !each.classList?.contains("ghost") && !each.matches?.(".pen"))
            .map((each) => each.classList?.contains("by-model") ? `[${each.textContent}]`
                : each.textContent).join("")).join("\\n")"""
    )
    return str(found).replace("][", "")


def authors_in_a_line(page: "Page") -> str:
    """The same without line breaks, which carry no mark of who wrote them."""
    return authors(page).replace("\n", "").replace("][", "")


def requests_to(page: "Page", path: str) -> list[dict[str, Any]]:
    """Collects the bodies of requests from now on."""
    bodies: list[dict[str, Any]] = []

    def collect(request: "Request") -> None:
        if request.url.endswith(path):
            bodies.append(request.post_data_json or {})

    page.on("request", collect)
    return bodies


def test_a_beginning_is_one_click_and_the_model_goes_on(write: "Page") -> None:
    beginning = write.locator(".beginning").first
    words = beginning.inner_text()
    beginning.click()
    text = wait_until_written(write, 150)
    assert text.startswith(words)
    assert not beginning.is_visible()
    write.get_by_text(f"{len(text)} characters, 100 % by the model").wait_for()


def test_there_is_no_button_without_a_suggestion(write: "Page") -> None:
    """Until the first suggestion came, there was one with nothing on it, and without a name."""
    write.route("**/v1/completions", lambda route: None)  # there is never an answer
    write.reload()
    text_area(write).wait_for()
    assert write.locator(".take").is_hidden()


def test_the_model_writes_at_the_cursor_and_its_text_can_be_told_apart(write: "Page") -> None:
    type_text(write, "The fox met\nwas it?")
    for _ in range(len("\nwas it?")):
        write.keyboard.press("ArrowLeft")
    press(write, "Continue")
    text = wait_until_written(write, 30)
    assert text.startswith("The fox met") and text.endswith("\nwas it?")
    written = text.removeprefix("The fox met").removesuffix("\nwas it?")
    flat = written.replace("\n", "")
    assert authors_in_a_line(write) == f"The fox met[{flat}]was it?"
    line = write.evaluate(
        "getComputedStyle(document.querySelector('.line .by-model')).textDecorationStyle"
    )
    assert line == "dotted"  # not by color alone


def test_the_same_seed_writes_the_same_as_charrnn_sample(write: "Page", served: Path) -> None:
    type_text(write, BEGINNING)
    write.get_by_label("Seed", exact=True).fill("7")
    press(write, "Continue")
    text = wait_until_written(write, 100)
    expected = charrnn.sample(
        served / "checkpoints" / "prose", BEGINNING, seed=7, temperature=0.8, length=200
    )
    assert text == BEGINNING + expected
    press(write, "Copy the seed")
    assert write.evaluate("navigator.clipboard.readText()") == "7"
    press(write, "Undo")
    assert text_of(write) == BEGINNING
    press(write, "Continue")
    assert wait_until_written(write, 100) == text
    press(write, "Another")  # the next text of the same seed
    write.wait_for_function(
        "() => document.querySelector('.last-seed').innerText.includes('text 1')"
    )
    assert wait_until_written(write, 100) != text
    press(write, "New text")
    write.get_by_label("Seed", exact=True).fill("")
    type_text(write, "Was")
    press(write, "Continue")
    text = wait_until_written(write, 100)
    press(write, "Reuse")
    assert re.fullmatch(r"\d+", write.get_by_label("Seed", exact=True).input_value())
    press(write, "Undo")
    press(write, "Continue")
    assert wait_until_written(write, 100) == text


def test_tab_takes_a_word_of_the_ghost_text_and_never_traps_the_keyboard(write: "Page") -> None:
    type_text(write, BEGINNING)
    foretold = ghost(write)
    word = re.match(r"\s*\S*", foretold)
    assert word is not None
    write.keyboard.press("Tab")
    assert text_of(write) == BEGINNING + word[0]
    assert authors(write) == f"{BEGINNING}[{word[0]}]"
    assert text_area(write).evaluate("each => each === document.activeElement")
    assert ghost(write).startswith(foretold.removeprefix(word[0]))
    write.keyboard.press("Escape")
    assert write.locator(".ghost").count() == 0
    write.keyboard.press("Tab")
    assert not text_area(write).evaluate("each => each === document.activeElement")
    assert text_of(write) == BEGINNING + word[0]
    write.keyboard.press("Shift+Tab")
    assert text_area(write).evaluate("each => each === document.activeElement")


def test_tab_takes_as_much_as_was_chosen_and_what_is_typed_as_foretold_stays(
    write: "Page",
) -> None:
    write.get_by_label("Tab takes").select_option("line")
    type_text(write, BEGINNING)
    foretold = ghost(write)
    write.keyboard.press("Tab")
    assert text_of(write) == BEGINNING + foretold
    write.get_by_label("Tab takes").select_option("character")
    type_text(write, " T")
    before, foretold = text_of(write), ghost(write)
    write.keyboard.press("Tab")
    assert text_of(write) == before + foretold[0]
    press(write, "New text")
    type_text(write, BEGINNING)
    foretold = ghost(write)
    write.keyboard.type(foretold[:2])
    assert write.locator(".ghost").inner_text() == foretold[2:]
    write.keyboard.type("#")
    assert write.locator(".ghost").count() == 0


def test_choices_are_taken_with_the_keyboard(write: "Page") -> None:
    type_text(write, "The fox met the ")
    for unit in ("Words", "Characters", "Lines", "Longer"):
        press(write, unit)
        text_area(write).focus()
        before = text_of(write)
        write.keyboard.press("Alt+ArrowDown")
        focused = write.locator(".choice-list [role=option]:focus")
        focused.wait_for()
        write.keyboard.press("ArrowRight")
        name = focused.get_attribute("aria-label") or ""
        label = r", [<\d. ]+ % a character$" if unit == "Longer" else r", [<\d. ]+ %$"
        assert re.search(label, name), name
        write.keyboard.press("Enter")
        added = text_of(write).removeprefix(before).replace(" ", "").replace("\n", "⏎")
        names = ("space", "newline")
        assert name.replace(" ", "").startswith((added, *names) if added in ("", "⏎") else added)
        assert text_of(write) != before
        write.keyboard.press("Escape")
        assert text_area(write).evaluate("each => each === document.activeElement")
    assert authors(write).startswith("The fox met the [")


def test_sliders_and_seed_are_in_the_request_and_are_kept(write: "Page") -> None:
    sent = requests_to(write, "/v1/completions")
    slider = write.get_by_role("slider", name="Temperature")
    slider.focus()
    for _ in range(4):
        write.keyboard.press("ArrowLeft")
    write.get_by_text("More settings").click()
    write.get_by_role("slider", name="Min p").fill("0.1")
    write.get_by_role("slider", name="Length").fill("30")
    write.get_by_label("Seed", exact=True).fill("3")
    type_text(write, "The hen")
    press(write, "Continue")
    wait_until_written(write, 10)
    asked = next(each for each in sent if each["prompt"] and each["temperature"] > 0)
    assert (asked["temperature"], asked["min_p"], asked["max_tokens"]) == (0.6, 0.1, 30)
    assert (asked["seed"], asked["index"], asked["prompt"]) == (3, 0, "The hen")
    assert not {"top_p", "top_k", "typical"} & asked.keys()  # those are off
    write.reload()
    assert write.get_by_role("slider", name="Temperature").input_value() == "0.6"


def test_undo_and_redo_go_over_the_steps_of_both(write: "Page") -> None:
    type_text(write, "A fox")
    press(write, "Continue")
    written = wait_until_written(write, 50)
    type_text(write, " END")
    write.keyboard.press("ControlOrMeta+z")
    assert text_of(write) == written
    write.keyboard.press("ControlOrMeta+z")  # all that the model wrote is one step
    assert text_of(write) == "A fox"
    assert authors(write) == "A fox"
    write.keyboard.press("ControlOrMeta+Shift+z")
    write.keyboard.press("ControlOrMeta+y")
    assert text_of(write) == f"{written} END"
    flat = written.removeprefix("A fox").replace("\n", "")
    assert authors_in_a_line(write) == f"A fox[{flat}] END"
    for _ in range(3):
        press(write, "Undo")
    assert text_of(write) == ""
    assert write.get_by_role("button", name="Undo").is_disabled()


def test_writing_can_be_stopped_and_typing_stops_it(write: "Page") -> None:
    write.emulate_media(reduced_motion="no-preference")
    write.get_by_role("slider", name="Length").fill("1000")
    type_text(write, "The hen")
    write.keyboard.press("ControlOrMeta+Enter")
    write.get_by_role("button", name="Stop").wait_for()
    write.keyboard.press("Escape")
    stopped = wait_until_written(write, 6)
    assert len(stopped) < 1000
    write.keyboard.press("ControlOrMeta+Enter")
    write.get_by_role("button", name="Stop").wait_for()
    write.keyboard.type("#")
    text = wait_until_written(write, len(stopped))
    assert "#" in text and len(text) < 1000 + len(stopped)


def test_surprise_is_shown_and_read_by_pointer_and_keyboard(write: "Page") -> None:
    type_text(write, "The fox met the qqq")
    press(write, "Surprise")
    line = write.locator(".line").first
    line.locator("[class*=surprise-]").first.wait_for()
    # "q" is not in the corpus: it has no value, and is marked as unknown.
    assert line.locator(".unknown").inner_text() == "qqq"
    assert "surprise" not in (line.locator(".unknown").get_attribute("class") or "")
    type_text(write, "")
    for _ in "qqq":
        write.keyboard.press("Backspace")
    write.keyboard.type("ooo")
    write.wait_for_function(
        """text => [...document.querySelectorAll('.line [class*=surprise-]')]
            .map((each) => each.textContent).join('') === text""",
        arg="The fox met the ooo",
    )
    write.keyboard.press("Home")
    place = write.locator(".place")
    write.wait_for_function("() => document.querySelector('.place').textContent.startsWith('“T”')")
    assert re.search(r"“T”: [\d.]+ bits, .*likeliest · yours", place.inner_text())
    levels = write.evaluate(
        """[...document.querySelectorAll('.line [class*=surprise-]')].map((each) =>
            [each.textContent, Number(each.className.match(/surprise-(\\d+)/)[1])])"""
    )
    assert "".join(text for text, _ in levels) == "The fox met the ooo"
    assert max(level for _, level in levels) > 3 > min(level for _, level in levels)
    heights = write.evaluate(
        """[0, 10].map((level) => getComputedStyle(
            document.querySelector(`.swatch.surprise-${level}`)).backgroundImage)"""
    )
    assert "0%" in heights[0] and "100%" in heights[1]  # a bar, not color alone


def test_the_five_likeliest_characters_can_be_put_in_a_place(write: "Page") -> None:
    type_text(write, "The fox met the oen")
    write.keyboard.press("ArrowLeft")
    write.keyboard.press("ArrowLeft")
    write.keyboard.press("ArrowLeft")
    write.keyboard.press("Alt+ArrowUp")
    box = write.get_by_role("dialog", name="The likeliest characters here")
    options = box.get_by_role("option")
    write.locator(".likeliest [role=option]:focus").wait_for()
    assert options.count() == 5
    names = [each.get_attribute("aria-label") or "" for each in options.all()]
    values = [float(re.findall(r"([\d.]+) %", each)[0]) for each in names]
    assert values == sorted(values, reverse=True)
    chosen = options.nth(1).locator(".option-text").inner_text()
    chosen = {"space": " ", "new line": "\n"}.get(chosen, chosen)
    write.keyboard.press("2")
    assert text_of(write) == f"The fox met the {chosen}en"
    assert authors(write) == f"The fox met the [{chosen}]en" or chosen == "\n"
    assert not box.is_visible()
    press(write, "Surprise")
    write.locator("[class*=surprise-]").first.wait_for()
    box_of_text = write.locator(".line").first.bounding_box()
    assert box_of_text is not None
    write.mouse.click(box_of_text["x"] + 6, box_of_text["y"] + 15)
    box.wait_for()
    assert box.locator(".likeliest-facts").inner_text().startswith("“T” · ")
    write.keyboard.press("Escape")
    assert not box.is_visible()


def test_unknown_characters_are_named_and_not_sent(write: "Page") -> None:
    sent = requests_to(write, "/v1/completions")
    type_text(write, "The ☃ fox")
    write.get_by_text("The model has never seen “☃” and reads the text without it.").wait_for()
    assert write.locator(".line .unknown").inner_text() == "☃"
    press(write, "Continue")
    wait_until_written(write, 50)
    assert sent and not any("☃" in each["prompt"] for each in sent)


def test_the_draft_outlasts_a_reload(write: "Page") -> None:
    type_text(write, "The hen ")
    press(write, "Continue")
    text, who = wait_until_written(write, 50), authors(write)
    write.reload()
    assert text_of(write) == text
    assert authors(write) == who
    press(write, "New text")
    assert text_of(write) == ""
    press(write, "Undo")
    assert text_of(write) == text


def test_the_text_is_saved_as_text_and_as_html_that_needs_nothing_else(
    write: "Page", browser: "Browser", tmp_path: Path
) -> None:
    evil = "<img src=x onerror=alert(1)> & \"'\n"
    type_text(write, evil)
    press(write, "Continue")
    text = wait_until_written(write, 100)
    with write.expect_download() as saved:
        press(write, "Save as text")
    saved.value.save_as(tmp_path / "text.txt")
    assert (tmp_path / "text.txt").read_text(encoding="utf-8") == text
    press(write, "Surprise")
    write.locator("[class*=surprise-]").first.wait_for()
    with write.expect_download() as saved:
        press(write, "Save as HTML")
    saved.value.save_as(tmp_path / "text.html")
    html = (tmp_path / "text.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|a|iframe)\b|url\(|@import|https?:", html)
    reader = browser.new_page(java_script_enabled=False)
    reader.goto((tmp_path / "text.html").as_uri())
    assert reader.locator("main").text_content() == text
    assert evil + "".join(reader.locator("main ins").all_text_contents()) == text
    assert reader.locator("main span[title$=bits]").count() > 3
    reader.close()


def test_pasting_and_cutting_leave_text_and_mirror_alike(write: "Page") -> None:
    long = "The fox met the hen.\n" * 2000
    write.evaluate("text => navigator.clipboard.writeText(text)", long)
    text_area(write).focus()
    write.keyboard.press("ControlOrMeta+v")
    write.keyboard.press("ControlOrMeta+Home")
    write.keyboard.press("Shift+ArrowDown")
    write.keyboard.press("ControlOrMeta+x")
    write.keyboard.type("AB")
    write.keyboard.press("ControlOrMeta+End")
    write.keyboard.type("C")
    expected = "AB" + long.removeprefix("The fox met the hen.\n") + "C"
    assert text_of(write) == expected
    assert authors(write) == expected
    took = write.evaluate(
        """async () => {
            const began = performance.now();
            for (let i = 0; i < 10; i++) document.execCommand("insertText", false, "x");
            document.body.getBoundingClientRect();
            return (performance.now() - began) / 10;
        }"""
    )
    assert took < 250, f"{took} ms for a character at 42,000 characters"


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1440, False)])
def test_it_fits_and_everybody_can_use_it(
    open_page: "Callable[..., Page]", width: int, dark: bool
) -> None:
    write = open_page("#write", width=width, dark=dark)
    write.locator(".beginning").first.wait_for()
    check_width(write)
    type_text(write, "The fox met")
    ghost(write)
    press(write, "Continue")
    wait_until_written(write, 100)
    press(write, "Surprise")
    write.locator("[class*=surprise-]").first.wait_for()
    text_area(write).focus()
    write.keyboard.press("Alt+ArrowUp")
    write.locator(".likeliest [role=option]:focus").wait_for()
    for each in write.locator("details").all():
        each.evaluate("each => { each.open = true; }")
    check_width(write)
    check_accessibility(write)
    write.keyboard.press("Escape")  # closes what is likeliest
    write.keyboard.press("Escape")  # hides the ghost text, which may need another line
    heights = write.evaluate(
        """() => {
            const area = document.querySelector(".area");
            const lines = [...document.querySelectorAll(".line")];
            const shown = lines.at(-1).getBoundingClientRect().bottom
                - lines[0].getBoundingClientRect().top;
            const padding = parseFloat(getComputedStyle(area).paddingTop);
            area.style.setProperty("height", "0");
            const heights = [Math.round(area.scrollHeight - 2 * padding), Math.round(shown)];
            area.style.removeProperty("height");
            return heights;
        }"""
    )
    assert heights[0] == heights[1]  # the text area breaks lines where its mirror does


def test_an_input_method_composes_as_in_any_text_area(write: "Page") -> None:
    type_text(write, "The ")
    ghost(write)
    keyboard = write.context.new_cdp_session(write)
    for text in ("f", "fo", "fox"):
        keyboard.send(
            "Input.imeSetComposition",
            {"text": text, "selectionStart": len(text), "selectionEnd": len(text)},
        )
        assert text_of(write) == authors(write) == f"The {text}"
        assert write.locator(".ghost").count() == 0
    keyboard.send("Input.insertText", {"text": "fox"})
    assert text_of(write) == authors(write) == "The fox"
    ghost(write)
    write.keyboard.press("ControlOrMeta+z")
    assert text_of(write) == "The "


def test_all_of_it_works_without_a_pointer(write: "Page") -> None:
    type_text(write, "The fox")
    write.keyboard.press("ControlOrMeta+Enter")
    text = wait_until_written(write, 50)
    write.keyboard.press("Escape")
    reached: list[str] = []
    for _ in range(40):
        write.keyboard.press("Tab")
        reached.append(
            write.evaluate(
                """() => { const each = document.activeElement;
                    return each.ariaLabel || each.labels?.[0]?.textContent || each.textContent; }"""
            )
        )
    for name in (
        "Continue",
        "Another",
        "Undo",
        "Surprise",
        "Words",
        "Temperature",
        "Seed",
        "Suggest while I type",
        "Tab takes",
        "Save as text",
        "Save as HTML",
    ):
        assert name in reached, (name, reached)
    assert text_of(write) == text


def test_the_interface_is_there_for_scripts(write: "Page") -> None:
    found = write.evaluate(
        """async () => {
            await document.documentElement.dataset.ready;
            const { charrnn } = window;
            const pieces = [];
            const options = { length: 20, seed: 5, number: 2, logprobs: true };
            const whole = await charrnn.complete("The", options);
            await charrnn.complete("The", { ...options, onText: (t, k) => pieces.push([k, t]) });
            const { characters } = await charrnn.score("The fox", { alternatives: 3 });
            const words = await charrnn.suggest("The fox met ", { unit: "word", count: 4 });
            return JSON.stringify({ whole, pieces, characters, words });
        }"""
    )
    result = json.loads(found)
    texts = result["whole"]["texts"]
    assert result["whole"]["seed"] == 5 and [each["index"] for each in texts] == [0, 1]
    for k, each in enumerate(texts):
        assert "".join(text for place, text in result["pieces"] if place == k) == each["text"]
        assert each["log_probability"] < 0
        assert "".join(one["text"] for one in each["characters"]) == each["text"]
    assert [each["text"] for each in result["characters"]] == list("The fox")
    assert all(len(each["alternatives"]) == 3 for each in result["characters"])
    assert len(result["words"]) == 4
