"""The REPL's session: its commands, and the manuscript that they work on."""

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from itertools import chain
from math import log
from pathlib import Path
from typing import Final, NamedTuple

from charrnn.cli import repl_adaptation
from charrnn.cli.display import TextOutput, key_value_table, messages, printable, say, warn
from charrnn.cli.prompts import known_characters
from charrnn.cli.repl_input import is_command, regular_file, unescaped
from charrnn.cli.repl_learning import Learning
from charrnn.cli.repl_model import open_sampler
from charrnn.cli.repl_settings import changed, option_help, option_kinds, shown
from charrnn.cli.repl_terminal import CONTEXT, last_line, read_to_end, show_context, stoppable
from charrnn.cli.surprise_colours import surprise
from charrnn.data.text_file import UTF_8, read_bytes_file, read_text_file
from charrnn.errors import CharRNNError, ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.ineffective_settings import ineffective_settings
from charrnn.generation.sampler import Sampler
from charrnn.interactive.ghost_text import GhostText
from charrnn.interactive.manuscript import Manuscript
from charrnn.interactive.suggestions import UNITS
from charrnn.storage.files import write_file

TAIL: Final = 2_000
"""Characters at the end of the text that `/surprise` shows without `all`."""

SUGGESTIONS: Final = 9
MOST_SUGGESTIONS: Final = 20
"""The suggestions that `/pick` shows by default, one for each digit key, and the most."""


class Command(NamedTuple):
    """A command: its method, the synopsis of its argument, and its line in the help."""

    run: "Callable[[Session, str], None]"
    argument: str
    help: str


class Session:
    """A manuscript, the model that continues it, and the sampling settings.

    Args:
        sampler: the sampler of the model.
        config: the sampling settings.
        choose: shows a menu of texts and their probabilities; returns the index of one, or None.
        name: the name of the model's run.
        directory: the model's directory, which may say where its training text is.
        adapt, memory: whether the model learns from what is typed, and whether a memory does.
    """

    def __init__(
        self,
        sampler: Sampler,
        config: SamplingConfig,
        choose: "Callable[[str, list[tuple[str, float]]], int | None]",
        *,
        name: str = "",
        directory: Path | None = None,
        adapt: bool = False,
        memory: bool = False,
    ) -> None:
        self.sampler, self.config, self.name = sampler, config, name
        self.learning = Learning(sampler, directory, adapt=adapt, memory=memory)
        self.manuscript = Manuscript(sampler, lines=config.lines)
        self.file: Path | None = None  # the file last loaded or saved
        self._choose = choose
        self._left = False

    def handle(self, line: str) -> bool:
        """Run a command, or add a line of text and continue it. Returns whether to leave."""
        try:
            if is_command(line):
                self._command(line)
            else:
                self._typed(unescaped(line))
        except KeyboardInterrupt:
            say("stopped", "dim")
        except BrokenPipeError:
            raise
        except OSError as error:
            warn(f"{error.filename or 'file'}: {error.strerror or error}")
        except CharRNNError as error:
            warn(str(error))
        return self._left

    def lookahead(self) -> GhostText:
        """Return the ghost text that continues the next line while it is typed."""
        if self.config.lines:
            return Manuscript(self.sampler, lines=True).lookahead()
        return self.manuscript.lookahead()

    @property
    def begun(self) -> bool:
        """Whether the next line continues an existing text."""
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
        context = self.manuscript.tail(repl_adaptation.CONTEXT)
        self.learning.learn_before(context, typed, lines=self.config.lines)
        self.manuscript.write(typed)
        self._remember(context, typed)
        self._write_on(before, typed, pieces)

    def _remember(self, before: str, typed: str) -> None:
        """Let the memory learn text that was written, if it is on."""
        self.learning.learn_after(before, typed, lines=self.config.lines)
        self.manuscript.refresh()

    def _write_on(self, before: str, typed: str, pieces: Generator[str, None, None]) -> None:
        """Write a continuation to stdout while it is generated, until Ctrl-C."""
        output = TextOutput()
        context = output.terminal and show_context(before)
        if typed:
            output.write(typed)
        written = bool(typed)
        try:
            with stoppable() as stopped:
                for piece in pieces:
                    output.write(piece)
                    written = written or bool(piece)
                    if stopped():
                        output.note_echo()  # the terminal has echoed ^C
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
            warn(f"{name}: no such command; use /set{line.replace('/', ' ', 1)}")
        else:
            warn(f"{name}: no such command; /help lists the commands")

    def _more(self, _: str) -> None:
        self._typed("")

    def _again(self, _: str) -> None:
        manuscript = self.manuscript
        if not manuscript.segments():
            warn("there is no continuation to replace yet")
            return
        pieces = manuscript.again(self.config)
        last = manuscript.segments()[-1:]
        typed = last[0].text if last and not last[0].made else ""
        before = manuscript.tail(len(typed) + CONTEXT + 1).removesuffix(typed)
        if len(typed) > TAIL:
            before, typed = typed[-CONTEXT - 1 :], ""
        self._write_on(before, typed, pieces)

    def _undo(self, _: str) -> None:
        if not self.manuscript.undo():
            warn("there is no continuation to remove")
        elif not len(self.manuscript):
            say("the text is empty again", "dim")
        else:
            show_context(self.manuscript.tail(CONTEXT + 1))
            say("")

    def _new(self, _: str) -> None:
        self._renew()
        self.file = None
        say("a new text", "dim")

    def _pick(self, argument: str) -> None:
        unit, count = "word", SUGGESTIONS
        for word in argument.split():
            if word.isdecimal():
                count = int(word)
                if not 1 <= count <= MOST_SUGGESTIONS:
                    raise ConfigError(f"{word} suggestions: choose from 1 to {MOST_SUGGESTIONS}")
            else:
                units = [each for each in UNITS if each.startswith(word.lower())]
                if not units:
                    raise ConfigError(f"{word}: choose one of {', '.join(UNITS)}")
                unit = units[0]
        before, taken = self.manuscript.tail(CONTEXT + 1), ""
        while True:
            found = self.manuscript.suggestions(unit, count)
            if self.config.lines:  # the newline ends the text and is no part of it
                found = [each._replace(text=each.text.rstrip("\r\n")) for each in found]
            place = self._choose(last_line(self.manuscript.tail(CONTEXT + 1)), list(found))
            if place is None:
                break
            self.manuscript.take(found[place].text)
            taken += found[place].text
            if self.config.lines and unit == "line":
                break
        if taken:
            self._write_on(before, taken, (piece for piece in ""))

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
        for text in surprise(bits, messages()):
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
        say(text if value.strip() else f"{text}: {option_help()[name]}", "dim")

    def _warn_of_ineffective(self, before: SamplingConfig | None = None) -> None:
        """Warn of options without effect: the model can never write what they name.

        Options that had no effect `before` either are left out.
        """
        tokenizer = self.sampler.model.tokenizer
        known = ineffective_settings(before, tokenizer) if before is not None else []
        for setting in ineffective_settings(self.config, tokenizer):
            if setting not in known:
                warn(setting.message)

    def _show(self, _: str) -> None:
        length = f"{len(self.manuscript):,} characters"
        if made := sum(len(each.text) for each in self.manuscript.segments() if each.made):
            length += f", {made:,} of them written by the model"
        if self.file is not None:
            length += f"; {self.file}"
        rows = [
            ("model", self.name),
            ("text", length),
            *self.learning.descriptions.items(),
            *((name, shown(self.config, name)) for name in option_kinds()),
        ]
        messages().print(key_value_table(rows))

    def _learn(self, argument: str, *, name: str) -> None:
        engine = self.sampler.engine
        if argument:
            typed = [each.text for each in self.manuscript.segments() if not each.made]
            self.learning.change(name, argument, typed, lines=self.config.lines)
        if self.sampler.engine is not engine:
            self.manuscript.reread()  # its states are those of the previous engine
        say(f"{name} {self.learning.descriptions[name]}", "dim")

    def _save(self, argument: str, *, replace_others: bool = False) -> None:
        if not argument and self.file is None:
            raise ConfigError("name a file: /save FILE")
        path = regular_file(argument or str(self.file))
        if path.exists() and path != self.file and not replace_others:
            raise ConfigError(f"{path}: the file exists; /save! {argument} replaces it")
        write_file(path, self.manuscript.text.encode("utf-8", "surrogateescape"))
        self.file = path
        say(f"{len(self.manuscript):,} characters in {path}", "dim")

    def _load(self, argument: str) -> None:
        if not argument:
            raise ConfigError("name a file: /load FILE")
        path = regular_file(argument)
        read = read_bytes_file if self.sampler.model.tokenizer.kind == "byte" else read_text_file
        file = read(str(path))
        whole = file.text
        text = known_characters(self.sampler.model.tokenizer, whole, strict=False)
        manuscript = Manuscript(self.sampler, lines=self.config.lines)
        if not read_to_end(manuscript.reading(text), len(text), path.name):
            return
        self.manuscript = manuscript
        self._remember("", text)
        # /save writes UTF-8, so it must not replace a file whose text is not here in full.
        is_whole = text == whole and not file.mark and file.encoding == UTF_8
        self.file = path if is_whole else None
        say(f"{len(manuscript):,} characters from {path}", "dim")
        self._show_end()

    def _model(self, argument: str) -> None:
        if not argument:
            say(self.name, "dim")
            return
        sampler, name, directory = open_sampler(argument, self.sampler.engine_name)
        lines = sampler.model.provenance.lines
        old = self.learning
        learning = Learning(sampler, directory, adapt=old.adaptation.on, memory=old.memory.on)
        manuscript = Manuscript(sampler, lines=lines)
        whole = self.manuscript.text
        text = known_characters(sampler.model.tokenizer, whole, strict=False)
        known = sampler.model.tokenizer.without_unknown
        steps = chain.from_iterable(
            manuscript.reading(known(segment.text), made=segment.made)
            for segment in self.manuscript.segments()
        )
        if not read_to_end(steps, len(text), "the text"):
            return
        manuscript.next_index = self.manuscript.next_index
        self.sampler, self.name, self.manuscript = sampler, name, manuscript
        self.learning = learning
        self.config = replace(self.config, lines=lines)
        for segment in manuscript.segments():
            if not segment.made:
                self._remember("", segment.text)
        self._warn_of_ineffective()
        if text != whole:
            self.file = None
        say(f"the model is now {name}", "dim")
        self._show_end()

    def _show_end(self) -> None:
        if show_context(self.manuscript.tail(CONTEXT + 1)):
            say("")

    def _help(self, _: str) -> None:
        say(help_text())

    def _quit(self, _: str) -> None:
        self._left = True


_save_over = partial(Session._save, replace_others=True)

COMMANDS: Final = {
    "/more": Command(Session._more, "", "continue from the end, as an empty line does"),
    "/again": Command(Session._again, "", "replace the last continuation by another"),
    "/undo": Command(Session._undo, "", "remove the last continuation"),
    "/pick": Command(Session._pick, "[UNIT] [N]", "choose the next character, word or line"),
    "/new": Command(Session._new, "", "begin a new text"),
    "/surprise": Command(Session._surprise, "[all]", "colour the text by how surprising it is"),
    "/adapt": Command(
        partial(Session._learn, name="adapt"),
        "on|off|forget",
        "learn from what you type, stop learning, or forget it",
    ),
    "/memory": Command(
        partial(Session._learn, name="memory"),
        "on|off|forget",
        "expect again what you type, or not, or forget it",
    ),
    "/set": Command(Session._set, "NAME VALUE", "change an option; off turns it off"),
    "/show": Command(Session._show, "", "show all options, and how long the text is"),
    "/save": Command(Session._save, "FILE", "write the text to a file"),
    "/save!": Command(_save_over, "FILE", "write the text, and replace an existing file"),
    "/load": Command(Session._load, "FILE", "continue the text of a file"),
    "/model": Command(Session._model, "NAME", "continue with another model"),
    "/help": Command(Session._help, "", "show this list"),
    "/quit": Command(Session._quit, "", "leave"),
}


def help_text() -> str:
    """Return the text of `/help`."""
    rows = [(f"{name} {command.argument}", command.help) for name, command in COMMANDS.items()]
    rows.append(("//TEXT", "type a text that begins with /"))
    return "\n".join(
        [
            "What you type is added to the text, and the model writes on; Ctrl-C stops it.",
            "Right arrow or Tab accepts the dim text. Alt-Enter begins a new line.",
            "Ctrl-R searches the history, Ctrl-D leaves.",
            *(f"{left:<21} {right}" for left, right in rows),
        ]
    )
