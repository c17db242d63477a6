"""charrnn repl: type a beginning, the model writes on."""

import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.options import Length, ModelArgument, Seed, Temperature, TopK, TopP

if TYPE_CHECKING:
    from charrnn.generation.sampler import Sampler, SamplingConfig

HELP = """\
Type the beginning of a text, and the model writes on; Ctrl-C stops it, Ctrl-D leaves.
/again                 another continuation of the same beginning
/temperature [NUMBER]  show or set: below 1 safer, above 1 wilder, 0 greedy
/length [NUMBER]       show or set how many characters to make; 0 is without end
/seed [NUMBER]         show or set the seed: the same seed, the same text
/help                  this
/quit                  leave
//TEXT                 a beginning that starts with /"""


def repl(
    model: ModelArgument = None,
    length: Length = 300,
    temperature: Temperature = 0.8,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Seed = None,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Do not remember what is typed.")
    ] = False,
) -> None:
    """Complete text interactively; line by line when stdin is no terminal."""
    from charrnn.cli.display import say
    from charrnn.generation.sampler import SamplingConfig, load_sampler

    sampler = load_sampler(model)
    config = SamplingConfig(
        length=length or None,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        lines=sampler.model.provenance.lines,
        seed=secrets.randbelow(2**32) if seed is None else seed,
    )
    session = Session(sampler, config)
    if not sys.stdin.isatty():
        for line in sys.stdin.buffer:
            session.complete(line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
        return
    name = sampler.model.provenance.corpus
    say(f"{name}: type a beginning and press Enter; /help shows more", "dim")
    read = _reader(None if no_history else history_path())
    while True:
        try:
            line = read()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if session.handle(line):
            return


class Session:
    """What a REPL remembers from one line to the next: how to sample, and the last beginning."""

    def __init__(self, sampler: "Sampler", config: "SamplingConfig") -> None:
        self.sampler, self.config = sampler, config
        self.prompt: str | None = None
        self.index = 0

    def handle(self, line: str) -> bool:
        """Does what a line asks for; whether it asks to leave."""
        from charrnn.cli.display import say, warn

        if not line.startswith("/") or line.startswith("//"):
            if line:
                self.complete(line.removeprefix("/") if line.startswith("//") else line)
            return False
        command, _, argument = line.partition(" ")
        match command:
            case "/quit" | "/exit":
                return True
            case "/help":
                say(HELP)
            case "/again" if self.prompt is None:
                warn("there is nothing to do again yet")
            case "/again":
                assert self.prompt is not None
                self._write(self.prompt, self.index + 1)
            case "/temperature" | "/length" | "/seed":
                self._set(command.removeprefix("/"), argument.strip())
            case _:
                warn(f"{command}: no such command; /help lists them")
        return False

    def complete(self, prompt: str) -> None:
        """Writes a beginning and the first continuation of it."""
        from charrnn.cli.sample import known_characters

        self._write(known_characters(self.sampler.model.tokenizer, prompt, strict=False), 0)

    def _write(self, prompt: str, index: int) -> None:
        from charrnn.cli.display import TextOutput

        self.prompt, self.index = prompt, index
        output = TextOutput()
        output.write(prompt)
        try:
            for text in self.sampler.stream(prompt, self.config, index=index):
                output.write(text)
        except KeyboardInterrupt:
            if not output.terminal:
                raise
        output.end_line()
        output.close()

    def _set(self, name: str, value: str) -> None:
        from charrnn.cli.display import say, warn
        from charrnn.errors import ConfigError

        if value:
            try:
                number: Any = float(value) if name == "temperature" else int(value)
                # A length of 0 is without end.
                setting: dict[str, Any] = {
                    name: None if name == "length" and number == 0 else number
                }
                self.config = replace(self.config, **setting)
            except ConfigError as error:
                warn(str(error))
            except ValueError:
                warn(f"{value!r} is not a number")
        say(f"{name} {getattr(self.config, name) or 0}", "dim")


def history_path() -> Path:
    """Where what is typed is remembered: XDG's folder for state, readable by its owner alone."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "charrnn" / "history"


def _reader(history: Path | None) -> "Callable[[], str]":
    """What reads a line from the terminal, with editing and history."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    from charrnn.cli.display import warn

    remembered: History = InMemoryHistory()
    if history is not None:
        try:
            history.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(history, os.O_CREAT | os.O_WRONLY, 0o600))
            history.chmod(0o600)
            remembered = FileHistory(str(history))
        except OSError as error:
            warn(f"{history}: {error.strerror}; nothing is remembered")
    commands = ["/again", "/temperature", "/length", "/seed", "/help", "/quit"]
    session: PromptSession[str] = PromptSession(
        "> ",
        history=remembered,
        completer=WordCompleter(commands, sentence=True),
        complete_while_typing=False,
        enable_open_in_editor=False,
    )
    return session.prompt
