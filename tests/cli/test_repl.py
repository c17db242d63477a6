"""The REPL on a real pseudo-terminal, its screen read as a person would; and without one."""

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Queue

import numpy as np
import pexpect
import pyte
import pytest
from rich.console import Console
from typer.testing import CliRunner

from charrnn.cli.app import app
from charrnn.cli.repl import history_path
from charrnn.cli.repl_adaptation import Adaptation
from charrnn.cli.repl_ghost import Ghost
from charrnn.cli.repl_session import Session, help_text
from charrnn.cli.repl_settings import changed, option_help, option_kinds, shown
from charrnn.cli.surprise_colours import LIMITS, surprise
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.interactive.manuscript import Manuscript
from charrnn.option_declaration import options_of
from charrnn.storage.run_lookup import load
from tests.cli.conftest import Charrnn, lose_training_text

SECONDS = 20
CONFIG = SamplingConfig(length=15, seed=1)
ARGUMENTS = ("small", "--length", "15", "--seed", "1")
UP, DOWN, RIGHT, ESCAPE, CTRL_C, CTRL_D, CTRL_R = "\x1b[A", "\x1b[B", "\x1b[C", *"\x1b\x03\x04\x12"


def small_sampler() -> Sampler:
    return Sampler(load("small"))


class Screen(pyte.Screen):
    """A screen on which dim text is italic, for pyte has no dim."""

    def select_graphic_rendition(self, *attributes: int, **more: bool) -> None:
        if 2 in attributes:
            attributes = tuple(3 if each == 2 else each for each in attributes)
        if 22 in attributes:
            attributes = (*attributes, 23)
        super().select_graphic_rendition(*attributes, **more)


class Terminal:
    """A REPL, the keys sent to it and the screen it draws."""

    def __init__(self, arguments: tuple[str, ...], columns: int, rows: int, **settings: str):
        kept = ("PATH", "HOME", "LANG", "PYTHONPATH")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {
            "TERM": "xterm-256color",
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "OMP_NUM_THREADS": "1",
            "XDG_STATE_HOME": str(Path("state").absolute()),
        }
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", "charrnn", "repl", *arguments],
            env={**environment, **settings},
            dimensions=(rows, columns),
        )
        self.process.delaybeforesend = None
        self.screen = Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.until(self.ready)

    def until(self, seen: Callable[[], object]) -> None:
        """Reads what is drawn until something is seen."""
        end = time.monotonic() + SECONDS
        while not seen():
            assert time.monotonic() < end, "\n".join(self.lines)
            try:
                drawn = self.process.read_nonblocking(65536, 0.05)
            except (pexpect.TIMEOUT, pexpect.EOF):
                continue
            self.raw += drawn
            self._stream.feed(drawn)

    def settle(self, seconds: float = 0.15) -> None:
        """Reads what is drawn for a moment, where nothing in particular is to come."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def line(self) -> str:
        """The line that the cursor is in."""
        return self.lines[self.screen.cursor.y]

    @property
    def typed(self) -> str:
        """What is left of the cursor, after the prompt."""
        cursor = self.screen.cursor
        return str(self.screen.display[cursor.y][2 : cursor.x])

    @property
    def ghost(self) -> str:
        """The dim text right of the cursor."""
        cursor = self.screen.cursor
        row = self.screen.buffer[cursor.y]
        cells = [row[x] for x in range(cursor.x, self.screen.columns)]
        end = next((x for x, cell in enumerate(cells) if not cell.italics), len(cells))
        return "".join(cell.data for cell in cells[:end])

    def has_typed(self, text: str) -> bool:
        """Whether this is what is left of the cursor."""
        return self.typed == text

    def ready(self) -> bool:
        """Whether an empty prompt waits for what is typed."""
        return self.screen.cursor.x == 2 and self.screen.display[self.screen.cursor.y][0] == ">"

    def send(self, keys: str) -> None:
        self.process.send(keys)

    def type(self, keys: str) -> None:
        """Types without Enter."""
        self.send(keys)
        self.until(lambda: self.typed.endswith(keys[-40:]))

    def enter(self, line: str) -> None:
        """Types a line and Enter, and waits for the next prompt."""
        if line:
            self.type(line)
        drawn = len(self.raw)
        self.send("\r")
        self.until(lambda: b"\n" in self.raw[drawn:] and self.ready())

    def answer(self, line: str) -> str:
        """What is on the screen after a line that was entered."""
        self.enter(line)
        rows = self.lines[: self.screen.cursor.y]
        begin = max(y for y, row in enumerate(rows) if row.startswith(f"> {line}"))
        return "\n".join(rows[begin + 1 :])

    def saved(self) -> str:
        """The text as it is now."""
        self.enter("/save! now.txt")
        return Path("now.txt").read_bytes().decode()

    def leave(self) -> int:
        self.send(CTRL_D)
        self.until(lambda: not self.process.isalive())
        self.process.close()
        return int(self.process.exitstatus)


Start = Callable[..., Terminal]


def on_screen(text: str) -> str:
    """How a screen shows it: without the white space at the ends of lines."""
    return "\n".join(line.rstrip() for line in text.split("\n"))


@pytest.fixture
def start(here: Path) -> Iterator[Start]:
    started = []

    def begin(*more: str, columns: int = 80, rows: int = 24, **settings: str) -> Terminal:
        terminal = Terminal((*ARGUMENTS, *more), columns, rows, **settings)
        started.append(terminal)
        return terminal

    yield begin
    for terminal in started:
        # pexpect alone gives a killed process a tenth of a second, which may be too little.
        with contextlib.suppress(pexpect.ExceptionPexpect):  # it has ended
            terminal.process.kill(signal.SIGKILL)
            terminal.process.wait()
        terminal.process.close(force=True)


@pytest.fixture
def manuscript(here: Path) -> Manuscript:
    """Written by the same model, with which the tests foretell what the terminal shows."""
    return Manuscript(small_sampler())


def made(manuscript: Manuscript, *, again: bool = False) -> str:
    return "".join(manuscript.again(CONFIG) if again else manuscript.continuation(CONFIG))


def squeezed(text: str) -> str:
    """Without white space: lines may be folded anywhere."""
    return "".join(text.split())


# Writing


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_a_text_is_written_in_turns(
    columns: int, rows: int, start: Start, manuscript: Manuscript
) -> None:
    terminal = start(columns=columns, rows=rows)

    manuscript.write("The fox")
    expected = made(manuscript)
    assert on_screen(f"The fox{expected}") in terminal.answer("The fox")

    more = made(manuscript)
    assert terminal.answer("/more").endswith(f"The fox{expected}{more}".split("\n")[-1].strip())
    assert terminal.saved() == manuscript.text

    another = made(manuscript, again=True)
    assert another != more
    terminal.enter("/again")
    assert terminal.saved() == f"The fox{expected}{another}"

    manuscript.write(" at  the")
    made(manuscript)
    terminal.enter(" at  the")
    assert terminal.saved() == manuscript.text

    made(manuscript)
    terminal.enter("")  # goes on as /more does
    assert terminal.saved() == manuscript.text

    manuscript.undo()
    assert manuscript.tail(20).split("\n")[-1].strip() in terminal.answer("/undo")
    assert terminal.saved() == manuscript.text
    for _ in range(3):
        terminal.enter("/undo")
    assert terminal.saved() == "The fox"
    assert "no continuation" in terminal.answer("/undo")
    terminal.enter("/again")
    assert terminal.saved().startswith("The fox") and len(terminal.saved()) == 22

    terminal.enter("/new")
    assert terminal.saved() == ""
    assert "no continuation to replace" in terminal.answer("/again")
    terminal.enter("//x")
    assert terminal.saved().startswith("/x") is False  # the model knows neither / nor x ...
    assert terminal.leave() == 0


def test_lines_are_beginnings_of_their_own(start: Start) -> None:
    terminal = start()
    terminal.enter("/set lines on")
    terminal.enter("/set length 3000")
    sampler = small_sampler()
    config = SamplingConfig(length=3000, seed=1, lines=True)
    for beginning in ("The", "hen"):
        terminal.enter(beginning)
        assert terminal.saved() == beginning + sampler.sample(beginning, config)
    terminal.enter("/again")
    assert terminal.saved() == "hen" + sampler.sample("hen", config, index=1)
    terminal.enter("")
    assert terminal.saved() == sampler.sample("", config, index=2)


def test_ctrl_c_keeps_what_is_there_and_clears_what_is_typed(start: Start) -> None:
    terminal = start()
    terminal.enter("/set length 0")
    terminal.type("The hen")
    terminal.send("\r")
    began = len(terminal.raw)
    terminal.until(lambda: len(terminal.raw) > began + 3000)
    terminal.send(CTRL_C)
    terminal.until(terminal.ready)
    terminal.enter("/set length 5")
    kept = terminal.saved()
    assert kept.startswith("The hen") and len(kept) > 2000
    terminal.enter("/more")
    assert terminal.saved()[: len(kept)] == kept
    assert len(terminal.saved()) == len(kept) + 5

    terminal.type("and so")
    terminal.send(CTRL_C)
    terminal.until(terminal.ready)
    assert len(terminal.saved()) == len(kept) + 5
    assert terminal.leave() == 0


def test_a_strange_character_is_left_out_with_a_warning(start: Start) -> None:
    terminal = start("--no-ghost")
    assert "never seen 'é'" in terminal.answer("The fé fox")
    assert terminal.saved().startswith("The f fox")


# Picking


def test_continuations_are_picked_with_arrows_and_digits(
    start: Start, manuscript: Manuscript
) -> None:
    terminal = start()
    manuscript.write("The fox")
    made(manuscript)
    terminal.enter("The fox")

    def menu() -> list[str]:
        return [line for line in terminal.lines if re.match(r"[1-9 ] +\d+\.\d%  ", line)]

    def shows(unit: str, count: int) -> bool:
        found = manuscript.suggestions(unit, count)
        rows = menu()
        return len(rows) == count and all(
            f"{each.probability:6.1%}" in row and each.text.strip() in row
            for row, each in zip(rows, found, strict=True)
        )

    for unit, count in (("word", 9), ("character", 4), ("line", 3)):
        asked = f"/pick {unit[:2]} {count}" if count < 9 else "/pick"
        terminal.type(asked)
        terminal.send("\r")
        terminal.until(partial(shows, unit, count))

        before = manuscript.text
        manuscript.take(manuscript.suggestions(unit, count)[2].text)
        terminal.send("3")
        terminal.until(partial(shows, unit, count))

        manuscript.take(manuscript.suggestions(unit, count)[1].text)
        terminal.send(f"{UP}{DOWN}{DOWN}\r")
        terminal.until(partial(shows, unit, count))
        terminal.send(ESCAPE)
        terminal.until(terminal.ready)
        assert menu() == []  # it is gone
        assert manuscript.tail(10).split("\n")[-1].strip() in terminal.text
        assert terminal.saved() == manuscript.text
        assert manuscript.text.startswith(before)

    manuscript.undo()
    terminal.enter("/undo")
    assert terminal.saved() == manuscript.text
    assert "word, line" in terminal.answer("/pick sentence")
    assert "from 1 to" in terminal.answer("/pick 0")


# Options


def test_options_are_set_with_completion_and_shown(start: Start) -> None:
    terminal = start()
    terminal.type("/set temp")
    terminal.send("\t")
    terminal.until(lambda: terminal.typed == "/set temperature ")  # what follows can be typed
    terminal.type("0.7")
    terminal.enter("")
    assert "temperature 0.7" in terminal.text

    terminal.type("/set re")
    terminal.send("\t")
    terminal.until(lambda: "repetition-window" in terminal.text and "regex" in terminal.text)
    assert "less likely" in terminal.text  # what they do, beside them
    terminal.send(CTRL_C)
    terminal.until(terminal.ready)

    assert "top-k off: Choose" in terminal.answer("/set top-k")
    assert terminal.answer("/set top_k 3") == "top-k 3"
    assert terminal.answer("/set top-k off") == "top-k off"
    assert terminal.answer('/set stop "a hen" \\n') == 'stop "a hen" \\n'
    for wrong, answer in (
        ("/set temperature -3", "choose 0"),
        ("/set temperature warm", "not a number"),
        ("/set nothing 3", "no such option"),
        ("/nothing", "no such command; /help"),
        ("/temperature 3", "use /set temperature 3"),
        ("/save", "name a file"),
        ("/load", "name a file"),
        ("/load nowhere.txt", "No such file"),
        ("/load ~nobody-of-this-name/text.txt", "no such home folder"),
        ("/save ~nobody-of-this-name/text.txt", "no such home folder"),
        ("/model nowhere", "nowhere"),
        ("/surprise", "no text yet"),
        ("/surprise never", "all"),
    ):
        assert squeezed(answer) in squeezed(terminal.answer(wrong)), wrong

    terminal.enter("/show")
    rows = terminal.lines
    assert any(re.match(r"temperature +0.7$", row) for row in rows)
    for name in option_kinds():
        assert any(row.startswith(f"{name} ") for row in rows), name
    assert any(re.match(r"text +0 characters$", row) for row in rows)
    assert "/quit" in terminal.answer("/help")
    terminal.type("/quit")
    terminal.send("\r")
    terminal.until(lambda: not terminal.process.isalive())


def test_commands_runs_units_and_files_are_completed(start: Start) -> None:
    Path("story.txt").write_text("The fox")
    terminal = start()
    for begun, whole in (
        ("/aga", "/again"),
        ("/model sm", "/model small"),
        ("/pick ch", "/pick character"),
        ("/load sto", "/load story.txt"),
        ("/save sto", "/save story.txt"),
        ("/set lines of", "/set lines off"),
        ("/set top-k o", "/set top-k off"),
        ("/surprise a", "/surprise all"),
        ("/adapt fo", "/adapt forget"),
    ):
        terminal.type(begun)
        terminal.send("\t")
        terminal.until(partial(terminal.has_typed, whole))
        terminal.send(CTRL_C)
        terminal.until(terminal.ready)


def test_help_and_the_greeting_fit_80_columns() -> None:
    assert max(map(len, help_text().splitlines())) <= 80
    assert len(help_text().splitlines()) < 24


@pytest.mark.parametrize("name", option_kinds())
def test_every_option_has_help_and_takes_what_is_shown(name: str) -> None:
    assert option_help()[name].endswith(".")
    config = SamplingConfig()
    values = {"int": "3", "float": "0.5", "str": "ab", "tuple": 'x "y z" "\\n"', "bool": "on"}
    kind, _ = option_kinds()[name]
    other = changed(config, name, values[kind.__name__])
    assert other != config
    assert changed(config, name, shown(other, name)) == other
    assert changed(other, name, shown(config, name)) == config


def test_options_are_those_of_the_configuration() -> None:
    assert list(option_kinds()) == [name.replace("_", "-") for name in options_of(SamplingConfig)]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("length", "0", None),
        ("length", "off", None),
        ("length", "12", 12),
        ("TOP_K", "5", 5),
        ("top-k", "off", None),
        ("temperature", "0", 0.0),
        ("lines", "off", False),
        ("stop", "off", ()),
        ("stop", '"off"', ("off",)),
        ("stop", 'END "the end" \\n\\n', ("END", "the end", "\n\n")),
        ("ban", "'\"", "'\""),
        ("ban", '" x"', " x"),
        ("ban", '"off"', "off"),
        ("only", "ab c", "ab c"),
        ("only", "\\u00e9\\t", "é\t"),
        ("regex", "(a|b)+\\\\d", "(a|b)+\\d"),
    ],
)
def test_values_are_read_as_they_are_meant(name: str, value: str, expected: object) -> None:
    config = changed(SamplingConfig(), name, value)
    assert getattr(config, name.lower().replace("-", "_")) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top-k", "2.5"),
        ("lines", "maybe"),
        ("stop", '"open'),
        ("seed", "off"),
        ("top-p", "7"),
        ("ban", "\\d"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError):
        changed(SamplingConfig(), name, value)


# Files and models


def test_texts_are_saved_loaded_and_never_lost(start: Start) -> None:
    terminal = start(rows=40)
    terminal.enter("The fox")
    other = Path("other.txt")
    other.write_bytes("Was it\na hén?".encode())
    assert "/save! other.txt" in terminal.answer("/save other.txt")
    assert other.read_bytes() == "Was it\na hén?".encode()

    assert "22 characters" in terminal.answer("/save mine.txt")
    mine = Path("mine.txt").read_text()
    assert mine.startswith("The fox") and len(mine) == 22
    terminal.enter("/more")
    terminal.enter("/save mine.txt")  # it is this session's own
    terminal.enter("/more")
    terminal.enter("/save")
    assert len(Path("mine.txt").read_text()) == 52
    assert "mine.txt" in terminal.answer("/show")

    assert "never seen 'é'" in terminal.answer("/load other.txt")
    assert "/save! other.txt" in terminal.answer("/save other.txt")  # or the é would be lost
    assert terminal.saved() == "Was it\na hn?"
    assert "no continuation" in terminal.answer("/undo")
    terminal.enter("/load mine.txt")
    terminal.enter("/more")
    terminal.enter("/save")
    assert len(Path("mine.txt").read_text()) == 67

    os.mkfifo("pipe")
    Path("folder").mkdir()
    for name in ("pipe", "folder", "/dev/null"):
        for command in ("/load", "/save", "/save!"):
            answer = squeezed(terminal.answer(f"{command} {name}"))
            assert "notaregularfile" in answer


def test_a_long_text_is_loaded_and_can_be_interrupted(start: Start) -> None:
    text = "The fox met the hen.\n" * 20_000
    Path("long.txt").write_text(text)
    terminal = start()
    terminal.enter("The fox")
    before = terminal.saved()
    terminal.type("/load long.txt")
    terminal.send("\r")
    terminal.until(lambda: re.search(r"reading long.txt: \d+%", terminal.text))
    terminal.send(CTRL_C)
    terminal.until(terminal.ready)
    assert "nothing has changed" in terminal.text
    assert terminal.saved() == before


def test_another_model_goes_on_with_the_text(start: Start, here: Path) -> None:
    shutil.copytree(here / "checkpoints" / "small", here / "checkpoints" / "other", symlinks=True)
    terminal = start()
    terminal.enter("The fox")
    before = terminal.saved()
    assert "the model is now other" in terminal.answer("/model other")
    assert terminal.saved() == before
    terminal.enter("/undo")  # it still knows what was typed
    assert terminal.saved() == "The fox"


# Adapting


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_learns_from_what_is_typed_and_from_nothing_else(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it wrote itself it would only grow surer of."""
    before = contents(here / "checkpoints")
    session = Session(small_sampler(), CONFIG, lambda header, suggestions: 0, adapt=True)
    sampler = small_sampler()
    trained = sampler.engine.advance([[1, 2, 3]], None)[0]
    adaptation, manuscript = Adaptation(sampler, on=True), Manuscript(sampler)

    def answer(line: str) -> str:
        session.handle(line)
        return capsys.readouterr().err

    assert "adapt on, 0 characters learned" in answer("/adapt")
    lines = ("Was it a hen? It was it! Was it a fox?", " It was it! Was it a")
    for line in lines:
        adaptation.learn(manuscript.tail(500), line, lines=False)
        manuscript.write(line)
        made(manuscript)
        answer(line)
        assert session.manuscript.text == manuscript.text
    made(manuscript)
    answer("/more")
    made(manuscript, again=True)
    answer("/again")
    assert session.manuscript.text == manuscript.text
    manuscript.undo()
    answer("/undo")
    assert session.manuscript.text == manuscript.text
    assert session.manuscript.suggestions("word", 3) == manuscript.suggestions("word", 3)

    learned = sum(map(len, lines))
    for how, expected in (
        ("off", f"off, {learned}"),
        ("on", f"on, {learned}"),
        ("forget", "on, 0"),
    ):
        assert f"adapt {expected} characters learned" in answer(f"/adapt {how}")
        logits = session.sampler.engine.advance([[1, 2, 3]], None)[0]
        assert np.array_equal(logits, trained) == (how != "on")
    # What is written next comes from a text that the trained model has read.
    untouched = Manuscript(small_sampler())
    untouched.write(session.manuscript.text)
    assert np.allclose(session.manuscript.probabilities(), untouched.probabilities(), atol=1e-6)
    assert "choose one of on, off, forget" in answer("/adapt now")
    assert contents(here / "checkpoints") == before


def test_what_was_typed_is_expected_again_at_once_and_changes_no_file(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(here / "checkpoints")
    name = "Waxhat ate "
    session = Session(
        small_sampler(),
        CONFIG,
        lambda *_: 0,
        directory=here / "checkpoints/small/best",
        memory=True,
    )
    plain = Session(small_sampler(), CONFIG, lambda *_: 0)

    def answer(line: str) -> str:
        session.handle(line)
        return capsys.readouterr().err

    def cost(one: Session) -> float:
        """The bits of the name, were it typed next."""
        manuscript = Manuscript(one.sampler)
        manuscript.write(f"\n{name}")
        return sum(nats for _, nats in manuscript.surprisals(len(name)))

    unknown = cost(session)
    for _ in range(3):
        answer(name)
        plain.handle(name)
    typed = 3 * len(name)
    assert cost(session) < unknown - 3 and cost(session) < cost(plain) - 3
    made = [each.made for each in session.manuscript.segments()]
    assert made == 3 * [False, True], "what the model wrote is not remembered"
    assert f"memory on, {typed} typed characters remembered" in answer("/memory")
    assert f"memory off, {typed}" in answer("/memory off")
    assert cost(session) == pytest.approx(cost(plain))
    assert f"memory on, {typed}" in answer("/memory on")
    assert cost(session) < unknown - 3
    assert "memory on, 0" in answer("/memory forget")
    assert cost(session) == pytest.approx(unknown)
    assert "choose one of on, off, forget" in answer("/memory perhaps")
    assert contents(here / "checkpoints") == before


def test_a_memory_that_is_switched_on_later_learns_what_was_typed_before(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    directory = here / "checkpoints" / "small" / "best"
    for early in (True, False):
        session = Session(small_sampler(), CONFIG, lambda *_: 0, directory=directory, memory=early)
        session.handle("/set length 1")
        session.handle("The fox sat it. The fox sat it. ")
        if not early:
            session.handle("/memory on")
            assert "memory on, 32 typed" in capsys.readouterr().err
        manuscript = Manuscript(session.sampler)
        manuscript.write("The fox s")
        found.append(manuscript.probabilities())
    np.testing.assert_array_equal(found[0], found[1])


def test_the_memory_learns_a_text_that_is_loaded_and_moves_to_another_model(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(here / "checkpoints" / "small", here / "checkpoints" / "other", symlinks=True)
    directory = here / "checkpoints" / "small" / "best"
    session = Session(small_sampler(), CONFIG, lambda *_: 0, directory=directory, memory=True)
    (here / "letter.txt").write_text("Waxhat ate it. " * 50)
    session.handle("/load letter.txt")
    for line in ("/memory", "/model other", "/memory"):
        session.handle(line)
        if line == "/memory":
            assert "memory on, 750 typed" in capsys.readouterr().err
    assert session.manuscript.greedy(9).startswith("Waxhat")


def test_a_memory_without_the_training_text_says_that_it_begins_empty(
    run: Charrnn, here: Path
) -> None:
    lose_training_text(here)
    result = run("repl", *ARGUMENTS, "--memory", stdin="The fox\n")
    assert result.stdout.startswith("The fox") and result.exit_code == 0
    assert result.stderr.startswith("warning: the memory begins empty, without the training text")


def test_it_remembers_in_a_terminal_and_offers_it_at_once(start: Start) -> None:
    terminal = start("--memory")
    terminal.enter("Waxhat ate. Waxhat ate. Waxhat ate.")
    assert "memory on, 35 typed" in terminal.answer("/memory")
    terminal.type("Waxh")
    terminal.until(lambda: "Waxhat ate" in terminal.line)


def test_it_learns_in_a_terminal_where_that_is_asked_for(start: Start) -> None:
    terminal = start("--adapt")
    terminal.enter("It was it! It was it!")
    assert "adapt on, 21 characters learned" in terminal.answer("/adapt")


def test_each_line_is_learned_from_where_lines_are_texts(here: Path) -> None:
    session = Session(small_sampler(), CONFIG, lambda header, suggestions: 0, adapt=True)
    for line in ("/set lines on", "The fox", "", "The hen"):
        session.handle(line)
    assert session.learning.adaptation.learned == 14
    adaptation = Adaptation(sampler := small_sampler(), on=True)
    for line in ("The fox", "The hen"):
        adaptation.learn("", line, lines=True)
    config = replace(CONFIG, lines=True)
    assert session.manuscript.text == "The hen" + sampler.sample("The hen", config)


def test_another_model_begins_with_nothing_learned(here: Path) -> None:
    shutil.copytree(here / "checkpoints" / "small", here / "checkpoints" / "other", symlinks=True)
    session = Session(small_sampler(), CONFIG, lambda header, suggestions: 0, adapt=True)
    session.handle("It was it! It was it!")
    session.handle("/model other")
    assert (session.learning.adaptation.on, session.learning.adaptation.learned) == (True, 0)
    session.handle("/new")
    session.handle("")
    assert session.manuscript.text == made(Manuscript(small_sampler()))


def test_options_that_have_no_effect_are_said_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(line: str) -> str:
        session.handle(line)
        return " ".join(capsys.readouterr().err.split())

    session = Session(small_sampler(), CONFIG, lambda header, suggestions: 0)
    assert "stop '§': the model has never seen '§'" in told("/set stop §")
    assert "never seen" not in told("/set ban T")
    assert "ban excludes 'T'" in told("/set stop T")
    assert "no such escape" in told(r"/set stop \d")
    assert "warning" not in told(r"/set stop \n\u0021")
    assert session.config.stop == ("\n!",)
    # Nothing could end this.
    told("/set stop §")
    told("/set length 0")
    assert "the text would never end" in told("The")
    assert session.manuscript.text == ""


def test_a_text_without_end_is_refused_where_others_come_after_it(here: Path) -> None:
    result = CliRunner().invoke(app, ["repl", "small", "--length", "0"], input="The fox\nThe hen\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give a length when stdin is a pipe" in result.stderr


# Surprise


def level(nats: float) -> int:
    return sum(nats / 0.6931471805599453 >= limit for limit in LIMITS)


@pytest.mark.parametrize("colour", [True, False], ids=["colours", "NO_COLOR"])
def test_surprise_marks_what_was_unlikely(
    colour: bool, start: Start, manuscript: Manuscript
) -> None:
    terminal = start(**({} if colour else {"NO_COLOR": "1"}))
    typed = "The fox ??fTh a hen"
    manuscript.write(typed)
    made(manuscript)
    terminal.enter(typed)
    terminal.enter("/surprise")
    row = max(y for y, line in enumerate(terminal.lines) if line.startswith(typed[:14]))
    levels = set()
    for x, (character, nats) in enumerate(manuscript.surprisals(len(manuscript))[: len(typed)]):
        cell = terminal.screen.buffer[row][x]
        assert cell.data == character
        if x and character != " ":
            look = (cell.fg, cell.bold, cell.italics, cell.underscore)
            expected = {
                0: ("default", False, True, False),
                1: ("default", False, False, False),
                2: ("brown", False, False, False),
                3: ("red", False, False, False),
                4: ("red", True, False, False),
            }
            without = {
                **expected,
                2: ("default", False, False, True),
                3: ("default", True, False, False),
                4: ("default", True, False, False),
            }
            assert look == (expected if colour else without)[level(nats)], (x, character)
            levels.add(level(nats))
    assert len(levels) >= 3
    assert any(line.startswith("bits: under 1  1-3  3-5  5-8  over 8") for line in terminal.lines)
    if not colour:
        assert not re.search(rb"\x1b\[[0-9;]*(3[0-7]|38;[25];[0-9;]*|9[0-7])m", terminal.raw)


def test_without_any_marks_surprise_is_in_digits() -> None:
    plain = Console(width=5, color_system=None)
    bits = [
        ("a", 0.5),
        ("b", 1.0),
        ("\n", 0.0),
        ("語", 9.0),
        ("c", 7.9),
        ("d", 3.0),
        ("e", 0),
        ("f", 0),
    ]
    *rows, legend = (text.plain for text in surprise(bits, plain))
    assert rows == ["ab\n01", "語cde\n4 320", "f\n0"]
    assert legend.split() == [
        "bits:",
        "0",
        "under",
        "1",
        "1",
        "1-3",
        "2",
        "3-5",
        "3",
        "5-8",
        "4",
        "over",
        "8",
    ]


def test_brackets_in_a_text_are_no_markup(start: Start, here: Path) -> None:
    bits = [(each, 4.0) for each in "[red]x[/red]"]
    assert next(surprise(bits, Console())).plain.startswith("[red]x[/red]")


# Keys


def test_ghost_text_is_dim_and_can_be_accepted(start: Start, manuscript: Manuscript) -> None:
    terminal = start()
    assert terminal.ghost.strip() == ""  # before there is any text

    def continued(typed: str) -> str:
        *_, text = ("", *manuscript.lookahead().continuations(typed, 24))
        return text

    terminal.type("The f")
    expected = continued("The f")
    assert len(expected) > 3
    terminal.until(lambda: terminal.ghost == expected)
    terminal.send(RIGHT)
    terminal.until(lambda: terminal.typed == f"The f{expected}")
    typed = f"The f{expected}"
    terminal.until(lambda: terminal.ghost == continued(typed))
    terminal.send("\t")
    typed += continued(typed)
    terminal.until(lambda: terminal.typed == typed)
    terminal.enter("")
    assert terminal.saved().startswith(typed)

    manuscript.write(typed)
    made(manuscript)
    assert terminal.saved() == manuscript.text
    terminal.until(lambda: terminal.ghost == continued(""))  # how the text goes on
    terminal.type("/mor")
    terminal.settle()
    assert terminal.ghost.strip() == ""
    terminal.send(CTRL_C)
    terminal.until(terminal.ready)
    terminal.type("Was")
    terminal.until(lambda: terminal.ghost == continued("Was"))
    terminal.send("\x7f")
    terminal.until(lambda: terminal.typed == "Wa" and terminal.ghost == continued("Wa"))


class Foretold:
    """A lookahead that knows one text, and says when it is asked."""

    def __init__(self, text: str) -> None:
        self.text = text

    def continuations(self, typed: str, count: int) -> Iterator[str]:
        yield self.text[len(typed) :][:count]


def test_a_ghost_stays_while_it_is_typed_and_goes_with_its_place() -> None:
    ghost, texts = Ghost(), Queue[str]()
    ghost.begin(Foretold("The fox"))  # type: ignore[arg-type]
    assert ghost.ask("T", texts.put) is None
    assert texts.get(timeout=SECONDS) == "he fox"
    assert ghost.ask("T", texts.put) == "he fox"
    assert ghost.ask("Th", texts.put) == "e fox"  # at once, as it was predicted
    assert ghost.ask("Tx", texts.put) is None
    assert texts.get(timeout=SECONDS) == "e fox"  # the newest, and no other
    assert texts.empty()
    ghost.begin(Foretold("To be"))  # type: ignore[arg-type]
    assert ghost.ask("T", texts.put) is None
    assert texts.get(timeout=SECONDS) == "o be"


def test_there_is_no_ghost_unless_it_is_wanted(start: Start) -> None:
    terminal = start("--no-ghost")
    terminal.type("The f")
    terminal.settle(0.4)
    assert terminal.ghost.strip() == ""
    terminal.send("\t")
    terminal.settle()
    assert terminal.typed == "The f"


def test_several_lines_can_be_typed_and_pasted(start: Start) -> None:
    terminal = start("--no-ghost")
    terminal.type("The fox")
    terminal.send(f"{ESCAPE}\r")
    terminal.until(lambda: terminal.screen.cursor.x == 2 and terminal.line == "")
    terminal.type("met")
    terminal.send("\x1b[200~ the\nhen\x1b[201~")
    terminal.until(lambda: terminal.typed == "hen")
    terminal.send("\r")
    terminal.until(terminal.ready)
    assert terminal.saved().startswith("The fox\nmet the\nhen")


def test_what_was_typed_is_found_again(start: Start, here: Path) -> None:
    terminal = start("--no-ghost")
    for line in ("The fox", "Was it", "The hen"):
        terminal.enter(line)
    terminal.type("Wa")
    terminal.send(UP)
    terminal.until(lambda: terminal.line == "> Was it")
    terminal.send(CTRL_C)
    terminal.until(terminal.ready)
    terminal.send(CTRL_R)
    terminal.until(lambda: "search" in terminal.text)
    terminal.send("fox")
    terminal.until(lambda: "backward: fox" in terminal.text)
    terminal.send("\r")
    terminal.until(lambda: terminal.line == "> The fox")
    terminal.send(CTRL_C)
    terminal.until(terminal.ready)
    assert terminal.leave() == 0

    history = here / "state" / "charrnn" / "history"
    assert "The fox" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    later = start("--no-ghost")
    later.send(UP)
    later.until(lambda: later.line == "> The hen")


def test_without_a_home_folder_nothing_is_remembered(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a user that the system does not know, in a container, `Path.home` raised RuntimeError."""

    def nowhere(_: str) -> str:
        return "~"  # as os.path.expanduser leaves it then

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", nowhere)
    assert history_path() is None
    assert "the history of what you type is not saved" in capfd.readouterr().err
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert history_path() == Path("/state/charrnn/history")


def test_no_history_leaves_no_trace(start: Start, here: Path) -> None:
    terminal = start("--no-history")
    terminal.enter("The fox")
    assert terminal.leave() == 0
    assert not (here / "state").exists()


def test_keys_can_be_those_of_vi(start: Start) -> None:
    terminal = start("--vi", "--no-ghost")
    terminal.type("The hex")
    terminal.send(ESCAPE)
    terminal.settle(0.3)
    terminal.send("xan")
    terminal.until(lambda: terminal.line == "> The hen")
    terminal.send(f"{ESCAPE}")
    terminal.settle(0.3)
    terminal.send("ofox")  # a line below
    terminal.until(lambda: terminal.typed == "fox")
    terminal.send(f"{ESCAPE}\r")  # Alt-Enter, another
    terminal.until(lambda: terminal.screen.cursor.x == 2 and terminal.line == "")
    terminal.send("\r")
    terminal.until(terminal.ready)
    assert terminal.saved().startswith("The hen\nfox\n")


# Elsewhere


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_it_works_in_tmux(here: Path) -> None:
    def tmux(*arguments: str) -> str:
        command = ["tmux", "-S", str(here / "socket"), "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def until(text: str) -> str:
        end = time.monotonic() + SECONDS
        while text not in (seen := tmux("capture-pane", "-p")):
            assert time.monotonic() < end, seen
            time.sleep(0.05)
        return seen

    command = f"{sys.executable} -m charrnn repl {' '.join(ARGUMENTS)} --no-history"
    tmux("new-session", "-d", "-x", "80", "-y", "24", command)
    try:
        until("/help")
        tmux("send-keys", "The fox", "Enter")
        until("\nThe fox")
        tmux("send-keys", "/pick 3", "Enter")
        until("\n3 ")
        tmux("send-keys", "Down", "Enter")
        time.sleep(0.2)
        tmux("send-keys", "Escape")
        time.sleep(0.2)
        tmux("send-keys", "/save it.txt", "Enter")
        seen = until(" characters in")  # the path may stand on the next line
        assert "\n3 " not in seen
        assert len(Path("it.txt").read_text()) > 22
    finally:
        tmux("kill-server")


def test_through_a_pipe_each_line_is_completed_and_nothing_is_a_command(here: Path) -> None:
    command = [sys.executable, "-m", "charrnn", "repl", *ARGUMENTS]
    result = subprocess.run(command, input=b"The fox\n/ow\n\nhen", capture_output=True, check=True)
    sampler = small_sampler()
    beginnings = ("The fox", "ow", "", "hen")  # the model has never seen a /
    texts = [each + sampler.sample(each, CONFIG) for each in beginnings]
    assert result.stdout.decode() == "".join(f"{each}\n".replace("\n\n", "\n") for each in texts)
    assert b"never seen '/'" in result.stderr


def test_through_a_pipe_it_learns_from_each_line_before_it_goes_on(here: Path) -> None:
    command = [sys.executable, "-m", "charrnn", "repl", *ARGUMENTS, "--adapt"]
    lines = ("It was it! It was it!", "It was it! It")
    result = subprocess.run(
        command, input="\n".join(lines).encode(), capture_output=True, check=True
    )
    sampler = small_sampler()
    adaptation = Adaptation(sampler, on=True)
    texts = []
    for line in lines:
        adaptation.learn("", line, lines=False)
        texts.append(line + sampler.sample(line, CONFIG))
    assert result.stdout.decode() == "".join(f"{each}\n".replace("\n\n", "\n") for each in texts)


def test_only_the_text_goes_into_a_file(here: Path, manuscript: Manuscript) -> None:
    command = f"{sys.executable} -m charrnn repl {' '.join(ARGUMENTS)} >out.txt"
    child = pexpect.spawn(
        "/bin/sh",
        ["-c", command],
        env={
            **os.environ,
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "TERM": "xterm",
            "XDG_STATE_HOME": "state",
        },
        encoding="utf-8",
        timeout=SECONDS,
    )
    child.expect("/help")
    child.expect(">")
    child.send("The fox\r")
    child.expect("fox")
    child.expect("\n")
    child.expect(">")
    child.send("/show\r")
    child.expect("temperature")
    child.expect(">")
    child.expect("25h")  # the prompt is there
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    manuscript.write("The fox")
    assert Path("out.txt").read_text().rstrip("\n") == f"The fox{made(manuscript)}".rstrip("\n")


def test_a_text_in_another_encoding_is_known_by_its_mark_or_refused(
    here: Path, start: Start
) -> None:
    (here / "wide.txt").write_text("The hen", encoding="utf-16")
    (here / "latin.txt").write_bytes(b"The h\xe9n")
    terminal = start()
    assert "7 characters from" in terminal.answer("/load wide.txt")
    assert "name a file" in terminal.answer("/save"), "what is written is UTF-8"
    assert "byte 5 is not valid utf-8" in terminal.answer("/load latin.txt").replace("\n", "")


@pytest.mark.parametrize("term", ["dumb", ""])
def test_where_the_cursor_cannot_be_moved_nothing_tries_to(
    start: Start, manuscript: Manuscript, term: str
) -> None:
    terminal = start(TERM=term)
    terminal.enter("The fox")
    manuscript.write("The fox")
    made(manuscript)
    terminal.send("/pick\r")
    terminal.until(lambda: "number, or nothing:" in terminal.line)
    terminal.settle()
    terminal.send("2\r")
    manuscript.take(manuscript.suggestions("word", 9)[1].text)
    terminal.until(lambda: terminal.text.count("number, or nothing:") == 2)
    terminal.settle()
    terminal.send("\r")
    terminal.until(terminal.ready)
    assert terminal.saved() == manuscript.text
    assert b"\x1b" not in terminal.raw
