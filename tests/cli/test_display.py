"""What reaches a terminal."""

import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from charrnn.cli import display
from charrnn.cli.display import clock, duration, printable, sparkline, stages_left
from charrnn.wording import thousands


@given(st.text(st.characters()))
def test_no_control_character_reaches_a_terminal(text: str) -> None:
    shown = printable(text)
    for character in shown:
        assert character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs")
    shown.encode()  # no lone surrogates either


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b", "\\x9b"),
        ("\x00", "\\x00"),
        ("\r", "\\r"),
        ("a\nb\tc", "a\nb\tc"),
        ("\u202e", "\\u202e"),
        ("\udcff", "\\xff"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("👩‍🚀", "👩‍🚀"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_sparkline_rises_and_falls_with_its_values() -> None:
    assert sparkline([3, 2, 1]) == "█▅▁"
    assert sparkline([]) == ""
    assert sparkline([1, 1]) == "▁▁"
    assert len(sparkline(list(range(99)), 10)) == 10


def test_numbers_are_short() -> None:
    numbers = (950, 999.9, 2_449, 9_960, 12_345, 999_900, 1_500_000)
    shown = ["950", "1.0k", "2.4k", "10k", "12k", "1.0M", "1.5M"]
    assert [thousands(number) for number in numbers] == shown
    assert [duration(s) for s in (8.4, 112, 7380)] == ["8 s", "1 min 52 s", "2 h 3 min"]
    assert [clock(s) for s in (8.4, 112, 7380)] == ["0:08", "1:52", "2:03:00"]


def test_a_column_holds_still() -> None:
    from charrnn.cli.training_display import _Column, _step

    column = _Column(4)
    assert [column.align(each) for each in ("1", "12345", "1")] == ["   1", "12345", "    1"]
    assert {len(_step(step, 1200)) for step in (0, 9, 999, 1000, 1200)} == {len("step 1,000/1,200")}


def test_a_long_name_is_shortened() -> None:
    from charrnn.cli.training_display import shortened

    assert shortened("fables", 10) == "fables"
    assert shortened("a very long name", 10) == "a very lo…"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_stages_of_some_work_follow_each_other_in_one_bar(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    monkeypatch.setattr(display, "messages", lambda: console)
    with stages_left() as show:
        for stage, total in (("learning", 4), ("working", 20)):
            for done in range(total + 1):
                show(stage, done, total)
            console.print(f"{stage} ends")
    assert isinstance(console.file, io.StringIO)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    for expected in ("learning ━", "working ━", "100%"):
        assert (expected in shown) == terminal
