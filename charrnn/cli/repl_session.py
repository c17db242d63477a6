"""What a REPL does: the commands, and the manuscript they work on."""

import signal
import sys
from bisect import bisect
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from math import isnan, log
from pathlib import Path
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from charrnn.cli.display import TextOutput, key_value_table, messages, printable, say, warn
from charrnn.cli.prompts import known_characters
from charrnn.cli.repl_adaptation import CONTEXT as ADAPTATION_CONTEXT
from charrnn.cli.repl_adaptation import Adaptation
from charrnn.cli.repl_settings import HELP, changed, option_kinds, shown
from charrnn.data.text_file import UTF_8, read_bytes_file, read_text_file
from charrnn.errors import CharRNNError, ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.ineffective_settings import ineffective_settings
from charrnn.generation.sampler import Sampler, load_sampler
from charrnn.interactive.lookahead import Lookahead
from charrnn.interactive.manuscript import Manuscript
from charrnn.interactive.suggestions import UNITS
from charrnn.storage.files import write_file

LONG: Final = 5_000
"""Characters; while more are read, a person is told how far it is."""

TAIL: Final = 2_000
"""Characters that `/surprise` shows, unless all are asked for."""

CONTEXT: Final = 60
"""Characters of the line before it that stand, dim, before a continuation."""

PICKS: Final = 9
"""How many picks are offered when nothing else is said: as many as there are digits."""

MOST_PICKS: Final = 20

ADAPTING: Final = {
    "on": "learn from what you type",
    "off": "write as it was trained",
    "forget": "what was learned",
}
"""What may follow `/adapt`, and what it means."""

LIMITS: Final = (1.0, 3.0, 5.0, 8.0)
"""Bits at which the colours of `/surprise` change."""

COLOURS: Final = ("dim", "", "yellow", "red", "bold red")
ATTRIBUTES: Final = ("dim", "", "underline", "bold", "bold reverse")
"""The same without colours."""


class Command(NamedTuple):
    """A command: what does it, what may follow its name, and what it does."""

    run: "Callable[[Session, str], None]"
    argument: str
    help: str


class Session:
    """A manuscript, the model that writes on with it, and how it samples.

    Args:
        sampler: the model.
        config: how to sample.
        choose: shows picks in a menu below a line of text; gives the place of the one chosen, or
            None.
        adapt: learn from what is typed.
    """

    def __init__(
        self,
        sampler: Sampler,
        config: SamplingConfig,
        choose: "Callable[[str, list[tuple[str, float]]], int | None]",
        *,
        adapt: bool = False,
    ) -> None:
        self.sampler, self.config = sampler, config
        self.adaptation = Adaptation(sampler, on=adapt)
        self.manuscript = Manuscript(sampler, lines=config.lines)
        self.file: Path | None = None  # whose text the manuscript was, or became
        self._choose = choose
        self._left = False

    def handle(self, line: str) -> bool:
        """Does what a line asks for; whether it asks to leave."""
        try:
            if is_command(line):
                self._command(line)
            else:
                self._typed(unescaped(line))
        except KeyboardInterrupt:
            say("stopped", "dim")
        except BrokenPipeError:
            raise
        except (CharRNNError, OSError) as error:
            warn(_message(error))
        return self._left

    def lookahead(self) -> Lookahead:
        """What looks ahead from where the next line that is typed goes."""
        if self.config.lines:
            return Manuscript(self.sampler, lines=True).lookahead()
        return self.manuscript.lookahead()

    @property
    def begun(self) -> bool:
        """Whether what is typed next has something before it."""
        return not self.config.lines and len(self.manuscript) > 0

    # What is typed

    def _typed(self, line: str) -> None:
        typed = known_characters(self.sampler.model.tokenizer, line, strict=False)
        if line and not typed:
            return
        ended = self.manuscript.stop_reason not in (None, "length")
        if self.config.lines and (typed or ended):
            self._renew(keep_index=not typed)
        before = self.manuscript.tail(CONTEXT + 1)
        pieces = self.manuscript.continuation(self.config)
        self.adaptation.learn(
            self.manuscript.tail(ADAPTATION_CONTEXT), typed, lines=self.config.lines
        )
        self.manuscript.write(typed)
        self._write_on(before, typed, pieces)

    def _write_on(self, before: str, typed: str, pieces: Generator[str, None, None]) -> None:
        """Writes a continuation to stdout as it comes, until Ctrl-C."""
        output = TextOutput()
        context = output.terminal and _show_context(before)
        if typed:
            output.write(typed)
        written = bool(typed)
        try:
            with _stoppable() as stopped:
                for piece in pieces:
                    output.write(piece)
                    written = written or bool(piece)
                    if stopped():
                        break
        finally:
            pieces.close()
            if context and not written:
                say("")
            output.end_line()
            output.close()

    def _renew(self, *, keep_index: bool = False) -> None:
        index = self.manuscript.next_index
        self.manuscript = Manuscript(self.sampler, lines=self.config.lines)
        if keep_index:
            self.manuscript.next_index = index

    # Commands

    def _command(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        command = COMMANDS.get(name)
        if command is not None:
            command.run(self, argument.strip())
        elif name.removeprefix("/") in option_kinds():
            warn(f"{name}: no such command; /set{line.replace('/', ' ', 1)} sets it")
        else:
            warn(f"{name}: no such command; /help lists them")

    def _more(self, _: str) -> None:
        self._typed("")

    def _again(self, _: str) -> None:
        manuscript = self.manuscript
        if not manuscript.segments():
            warn("there is nothing to do again yet")
            return
        pieces = manuscript.again(self.config)
        typed = ""
        stretches = manuscript.segments()
        if stretches:
            typed = stretches[-1].text if not stretches[-1].made else ""
        before = manuscript.tail(len(typed) + CONTEXT + 1).removesuffix(typed)
        if len(typed) > TAIL:
            before, typed = typed[-CONTEXT - 1 :], ""
        self._write_on(before, typed, pieces)

    def _undo(self, _: str) -> None:
        if not self.manuscript.undo():
            warn("there is no continuation to take back")
        elif not len(self.manuscript):
            say("the text is empty again", "dim")
        else:
            _show_context(self.manuscript.tail(CONTEXT + 1))
            say("")

    def _new(self, _: str) -> None:
        self._renew()
        self.file = None
        say("a new text", "dim")

    def _pick(self, argument: str) -> None:
        unit, count = "word", PICKS
        for word in argument.split():
            if word.isdecimal():
                count = int(word)
                if not 1 <= count <= MOST_PICKS:
                    raise ConfigError(f"{word} picks: choose from 1 to {MOST_PICKS}")
            else:
                found = [each for each in UNITS if each.startswith(word.lower())]
                if not found:
                    raise ConfigError(f"{word}: choose one of {', '.join(UNITS)}")
                unit = found[0]
        before, taken = self.manuscript.tail(CONTEXT + 1), ""
        while True:
            picks = self.manuscript.suggestions(unit, count)
            if self.config.lines:  # there, a newline is the end, and no part of the text
                picks = [pick._replace(text=pick.text.rstrip("\r\n")) for pick in picks]
            place = self._choose(_last_line(self.manuscript.tail(CONTEXT + 1)), list(picks))
            if place is None:
                break
            self.manuscript.take(picks[place].text)
            taken += picks[place].text
            if self.config.lines and unit == "line":
                break
        if taken:
            self._write_on(before, taken, _nothing())

    def _surprise(self, argument: str) -> None:
        if argument not in ("", "all"):
            raise ConfigError(f"/surprise {argument}: write /surprise or /surprise all")
        if not len(self.manuscript):
            warn("there is no text yet")
            return
        bits = [
            (printable(character), nats / log(2))
            for character, nats in self.manuscript.surprisals(None if argument else TAIL)
        ]
        if len(bits) < len(self.manuscript):
            bits.insert(0, ("…", 0.0))
        for text in surprise(bits):
            messages().print(text, soft_wrap=True)

    def _set(self, argument: str) -> None:
        if not argument:
            self._show("")
            return
        name, _, value = argument.partition(" ")
        if value.strip():
            before, self.config = self.config, changed(self.config, name, value)
            self._warn_of_ineffective(before)
            if self.config.lines != self.manuscript.lines and not len(self.manuscript):
                self._renew(keep_index=True)
        name = name.replace("_", "-").lower()
        text = f"{name} {shown(self.config, name)}"
        say(text if value.strip() or name not in HELP else f"{text}: {HELP[name]}", "dim")

    def _warn_of_ineffective(self, before: SamplingConfig | None = None) -> None:
        """Says what of the options has no effect, as the model can never write it, and had some
        before."""
        tokenizer = self.sampler.model.tokenizer
        known = ineffective_settings(before, tokenizer) if before is not None else []
        for setting in ineffective_settings(self.config, tokenizer):
            if setting not in known:
                warn(setting.message)

    def _show(self, _: str) -> None:
        stretches = self.manuscript.segments()
        made = [stretch.text for stretch in stretches if stretch.made]
        length = f"{len(self.manuscript):,} characters"
        if made:
            length += f", {sum(map(len, made)):,} of them made"
        if self.file is not None:
            length += f"; {self.file}"
        rows = [
            ("model", self.sampler.model.provenance.corpus),
            ("text", length),
            ("adapt", self._adapting()),
        ]
        rows += [(name, shown(self.config, name)) for name in option_kinds()]
        messages().print(key_value_table(rows))

    def _adapt(self, argument: str) -> None:
        if argument and argument not in ADAPTING:
            raise ConfigError(f"/adapt {argument}: choose one of {', '.join(ADAPTING)}")
        engine = self.sampler.engine
        if argument == "forget":
            self.adaptation.forget()
        elif argument:
            self.adaptation.switch(argument == "on")
        if self.sampler.engine is not engine:
            self.manuscript.reread()  # or the next character would still come from what read it
        say(f"adapt {self._adapting()}", "dim")

    def _adapting(self) -> str:
        learned = self.adaptation.learned
        return f"{'on' if self.adaptation.on else 'off'}, {learned:,} characters learned"

    def _save(self, argument: str) -> None:
        self._write_file(argument, replace_others=False)

    def _save_over(self, argument: str) -> None:
        self._write_file(argument, replace_others=True)

    def _write_file(self, argument: str, *, replace_others: bool) -> None:
        path = _path(argument) if argument else self.file
        if path is None:
            raise ConfigError("name a file: /save FILE")
        path = path.resolve()
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: not a regular file")
        if path.exists() and path != self.file and not replace_others:
            raise ConfigError(f"{path}: it exists; /save! {argument} replaces it")
        write_file(path, self.manuscript.text.encode("utf-8", "surrogateescape"))
        self.file = path
        say(f"{len(self.manuscript):,} characters in {path}", "dim")

    def _load(self, argument: str) -> None:
        if not argument:
            raise ConfigError("name a file: /load FILE")
        path = _path(argument).resolve()
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: not a regular file")
        read = read_bytes_file if self.sampler.model.tokenizer.kind == "byte" else read_text_file
        file = read(str(path))
        whole = file.text
        text = known_characters(self.sampler.model.tokenizer, whole, strict=False)
        manuscript = Manuscript(self.sampler, lines=self.config.lines)
        if not _read(manuscript.reading(text), len(text), path.name):
            return
        self.manuscript = manuscript
        # What was left out is still in the file, and is not to be lost by a /save, which writes
        # UTF-8.
        is_whole = text == whole and not file.mark and file.encoding == UTF_8
        self.file = path if is_whole else None
        say(f"{len(manuscript):,} characters from {path}", "dim")
        self._show_end()

    def _model(self, argument: str) -> None:
        if not argument:
            say(self.sampler.model.provenance.corpus, "dim")
            return
        sampler = load_sampler(argument)
        lines = sampler.model.provenance.lines
        manuscript = Manuscript(sampler, lines=lines)
        whole = self.manuscript.text
        text = known_characters(sampler.model.tokenizer, whole, strict=False)
        steps = (
            step
            for stretch in self.manuscript.segments()
            for step in manuscript.reading(
                sampler.model.tokenizer.without_unknown(stretch.text), made=stretch.made
            )
        )
        if not _read(steps, len(text), "the text"):
            return
        manuscript.next_index = self.manuscript.next_index
        self.sampler, self.manuscript = sampler, manuscript
        self.adaptation = Adaptation(sampler, on=self.adaptation.on)
        self.config = replace(self.config, lines=lines)
        self._warn_of_ineffective()
        if text != whole:
            self.file = None
        say(f"{sampler.model.provenance.corpus} writes now", "dim")
        self._show_end()

    def _show_end(self) -> None:
        if _show_context(self.manuscript.tail(CONTEXT + 1)):
            say("")

    def _help(self, _: str) -> None:
        say(help_text())

    def _quit(self, _: str) -> None:
        self._left = True


COMMANDS: Final = {
    "/more": Command(Session._more, "", "go on from the end, as an empty line does"),
    "/again": Command(Session._again, "", "another continuation instead of the last"),
    "/undo": Command(Session._undo, "", "take the last continuation back"),
    "/pick": Command(Session._pick, "[UNIT] [N]", "choose what comes: character, word or line"),
    "/new": Command(Session._new, "", "begin another text"),
    "/surprise": Command(Session._surprise, "[all]", "colour the text by how surprising it is"),
    "/adapt": Command(Session._adapt, "on|off", "learn from what you type, or not; or: forget"),
    "/set": Command(Session._set, "NAME VALUE", "change an option; off turns it off"),
    "/show": Command(Session._show, "", "all options, and how long the text is"),
    "/save": Command(Session._save, "FILE", "write the text to a file"),
    "/save!": Command(Session._save_over, "FILE", "the same, over another text"),
    "/load": Command(Session._load, "FILE", "go on with the text of a file"),
    "/model": Command(Session._model, "NAME", "go on with another model"),
    "/help": Command(Session._help, "", "this"),
    "/quit": Command(Session._quit, "", "leave"),
}


def help_text() -> str:
    """What `/help` says."""
    rows = [(f"{name} {command.argument}", command.help) for name, command in COMMANDS.items()]
    rows.append(("//TEXT", "a text that begins with /"))
    return "\n".join(
        [
            "What you type is added to the text, and the model writes on; Ctrl-C stops it.",
            "Right arrow or Tab takes what is shown dim. Alt-Enter begins a new line, Ctrl-R",
            "searches what was typed before, Ctrl-D leaves.",
            *(f"{left:<19} {right}" for left, right in rows),
        ]
    )


def is_command(line: str) -> bool:
    """Whether a line is a command, not text."""
    return line.startswith("/") and not line.startswith("//")


def unescaped(line: str) -> str:
    """The text that a line means."""
    return line.removeprefix("/") if line.startswith("//") else line


def surprise(bits: list[tuple[str, float]]) -> Iterator[Text]:
    """Characters in the colours of the bits that they cost, and what the colours mean.

    Where there are no colours, other marks; where there are no marks either, digits below.
    """
    console = messages()
    if console.color_system is None:
        yield from _digits(bits, console.width)
        styles = ("",) * len(COLOURS)
    else:
        styles = ATTRIBUTES if console.no_color else COLOURS
        text = Text()
        for character, cost in bits:
            text.append(character, styles[_level(cost)])
        yield text
    names = [
        f"under {LIMITS[0]:g}",
        *(f"{low:g}-{high:g}" for low, high in pairwise(LIMITS)),
        f"over {LIMITS[-1]:g}",
    ]
    legend = Text()
    legend.append("bits: ", "dim" if any(styles) else "")
    for level, name in enumerate(names):
        legend.append(name if any(styles) else f"{level} {name}", styles[level])
        legend.append("  ")
    yield legend


def _digits(bits: list[tuple[str, float]], width: int) -> Iterator[Text]:
    line, below = "", ""
    for character, cost in bits:
        if character == "\n" or cell_len(line) + cell_len(character) > width:
            yield Text(f"{line}\n{below}")
            line, below = "", ""
        if character != "\n":
            line += " " if character == "\t" else character
            below += str(_level(cost)).ljust(cell_len(character))[: cell_len(character)]
    yield Text(f"{line}\n{below}")


def _level(cost: float) -> int:
    return 1 if isnan(cost) else bisect(LIMITS, cost)


def _last_line(tail: str) -> str:
    """The last line of a text's tail, cut to CONTEXT characters."""
    line = tail.rsplit("\n", 1)[-1]
    return line if len(line) <= CONTEXT else f"…{line[1 - CONTEXT :]}"


def _show_context(tail: str) -> bool:
    """Shows, dim, the line that is to be gone on with; whether there is one. The line stays
    open."""
    line = _last_line(tail)
    if not line or not sys.stderr.isatty():
        return False
    messages().print(Text(printable(line), "dim"), end="", soft_wrap=True)
    return True


def _path(argument: str) -> Path:
    try:
        return Path(argument).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{argument}: there is no such home folder; name it in full") from error


def _message(error: CharRNNError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'file'}: {error.strerror or error}"
    return str(error)


def _nothing() -> Generator[str, None, None]:
    yield from ()


def _read(steps: Iterable[int], total: int, name: str) -> bool:
    """Reads a text to its end, unless Ctrl-C stops it; whether it was read."""
    note = messages().status(Text(f"reading {printable(name)}", "dim"))
    if total > LONG:
        note.start()
    try:
        with _stoppable() as stopped:
            done = 0
            for done, _ in enumerate(steps):
                if done % 16 == 0 and total > LONG:
                    share = min(done * 64 / total, 1.0)
                    note.update(Text(f"reading {printable(name)}: {share:.0%}", "dim"))
                if stopped():
                    break
            else:
                return True
    finally:
        note.stop()
    say("stopped; all is as it was", "dim")
    return False


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Notes the first Ctrl-C instead of raising it anywhere; a second one raises as ever."""
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGINT, before)
