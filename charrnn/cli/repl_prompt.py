"""The REPL's prompt (keys, completion, history, ghost text) and its menu of suggestions."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from prompt_toolkit import Application, PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.auto_suggest import Suggestion
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import Condition, emacs_mode, has_focus, vi_insert_mode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, Layout, Window
from prompt_toolkit.output import Output
from prompt_toolkit.output.defaults import create_output
from prompt_toolkit.output.plain_text import PlainTextOutput
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth, is_dumb_terminal

from charrnn.cli.display import printable, say, warn
from charrnn.cli.repl_ghost import Ghost
from charrnn.cli.repl_input import is_command, unescaped
from charrnn.cli.repl_learning import CHOICES
from charrnn.cli.repl_session import COMMANDS, Session
from charrnn.cli.repl_settings import option_choices, option_help
from charrnn.interactive.suggestions import UNITS
from charrnn.storage.run_lookup import run_names

ESCAPE_SECONDS: Final = 0.05
"""Seconds after Esc within which a key is part of an escape sequence, as arrows and Alt send."""

STYLE: Final = Style.from_dict({"auto-suggestion": "fg:ansidefault dim", "chosen": "reverse"})

_VISIBLE: Final = {"\n": "⏎", "\t": "⇥"}


class Prompt:
    """A prompt that reads the lines a person types.

    Args:
        session: the session whose text the lines continue.
        history: the file of the history; None keeps it in memory only.
        vi: whether to use the key bindings of vi instead of emacs.
        ghost: whether to show ghost text.
    """

    def __init__(self, session: Session, history: Path | None, *, vi: bool, ghost: bool) -> None:
        self._session = session
        self._ghost = Ghost() if ghost else None
        self._prompt: PromptSession[str] = PromptSession(
            "> ",
            history=_history(history),
            completer=CommandCompleter(),
            complete_while_typing=False,
            enable_history_search=True,
            enable_open_in_editor=False,
            multiline=True,
            prompt_continuation="  ",
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            key_bindings=self._bindings(),
            style=STYLE,
            output=_terminal(),
        )
        self._prompt.app.ttimeoutlen = ESCAPE_SECONDS
        if vi:
            self._prompt.app.timeoutlen = ESCAPE_SECONDS
        self._buffer.on_text_changed += self._show_ghost

    def read(self) -> str:
        """Return the next line. Raises KeyboardInterrupt at Ctrl-C, EOFError at Ctrl-D."""
        if self._ghost is None:
            return self._prompt.prompt()
        self._ghost.begin(self._session.lookahead())
        try:
            return self._prompt.prompt(pre_run=partial(self._show_ghost, self._buffer))
        finally:
            self._ghost.cancel()

    @property
    def _buffer(self) -> Buffer:
        return self._prompt.default_buffer

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER)

        @Condition
        def ghost_shown() -> bool:
            suggestion = self._buffer.suggestion
            return bool(
                suggestion and suggestion.text and self._buffer.document.is_cursor_at_the_end
            )

        @bindings.add("enter", filter=typing)
        def submit(event: KeyPressEvent) -> None:
            event.current_buffer.validate_and_handle()

        @bindings.add("escape", "enter", filter=typing & (emacs_mode | vi_insert_mode))
        def begin_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @bindings.add("tab", filter=typing & ghost_shown)
        def accept(event: KeyPressEvent) -> None:
            suggestion = event.current_buffer.suggestion
            if suggestion:
                event.current_buffer.insert_text(suggestion.text)

        return bindings

    def _show_ghost(self, buffer: Buffer) -> None:
        """Show the ghost text after what is typed, now or as soon as it is known."""
        if self._ghost is None:
            return
        line = buffer.text
        if is_command(line) or not (line or self._session.begun):
            self._ghost.cancel()
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the prompt is being set up or has ended
            return

        def deliver(text: str) -> None:
            with contextlib.suppress(RuntimeError):  # the line was entered meanwhile
                loop.call_soon_threadsafe(show, text)

        def show(text: str) -> None:
            if buffer.text == line:
                buffer.suggestion = Suggestion(text) if text else None
                self._prompt.app.invalidate()

        known = self._ghost.ask(unescaped(line), deliver)
        if known is not None:
            show(known)


class CommandCompleter(Completer):
    """A completer of commands and of their arguments."""

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield the completions of the line before the cursor."""
        line = document.text_before_cursor
        if not is_command(line) or "\n" in line:
            return
        name, space, argument = line.partition(" ")
        if not space:
            yield from _completions(name, {each: COMMANDS[each].help for each in COMMANDS})
        elif name in ("/save", "/save!", "/load"):
            rest = Document(argument, len(argument))
            yield from PathCompleter(expanduser=True).get_completions(rest, complete_event)
        elif name == "/model":
            yield from _completions(argument, dict.fromkeys(run_names(), ""))
        elif name == "/pick":
            yield from _completions(argument.split(" ")[-1], dict.fromkeys(UNITS, ""))
        elif name == "/surprise":
            yield from _completions(argument, {"all": "not only the end"})
        elif name in ("/adapt", "/memory"):
            yield from _completions(argument, CHOICES[name[1:]])
        elif name == "/set":
            option, value_follows, value = argument.partition(" ")
            if value_follows:
                choices = option_choices(option.replace("_", "-"))
                yield from _completions(value, dict.fromkeys(choices, ""))
            else:
                yield from _completions(option.replace("_", "-"), option_help(), then=" ")


def _completions(begun: str, choices: dict[str, str], then: str = "") -> Iterable[Completion]:
    for choice, meaning in choices.items():
        if choice.startswith(begun):
            yield Completion(choice + then, -len(begun), display=choice, display_meta=meaning)


def choose(header: str, suggestions: list[tuple[str, float]]) -> int | None:
    """Show a menu of suggestions below a line. Returns the index of the chosen one, or None."""
    show = _typed_choice if is_dumb_terminal() else _menu_choice
    return show(header, suggestions)


def _typed_choice(header: str, suggestions: list[tuple[str, float]]) -> int | None:
    """Show the menu where the cursor cannot be moved: the user types a number."""
    say(header)
    for place, (text, probability) in enumerate(suggestions):
        say(f"{place + 1:2} {probability:6.1%}  {_visible(text)}")
    session: PromptSession[str] = PromptSession("number, or nothing: ")
    try:
        answer = session.prompt().strip()
    except (EOFError, KeyboardInterrupt):
        return None
    if answer.isdecimal() and 1 <= int(answer) <= len(suggestions):
        return int(answer) - 1
    return None


def _menu_choice(header: str, suggestions: list[tuple[str, float]]) -> int | None:
    """Show the menu where the cursor can be moved."""
    chosen = 0
    bindings = KeyBindings()

    def rows() -> StyleAndTextTuples:
        width = application.output.get_size().columns - 1
        parts: StyleAndTextTuples = [
            ("class:auto-suggestion", f"{_cut(printable(header), width)}\n")
        ]
        for place, (text, probability) in enumerate(suggestions):
            digit = str(place + 1) if place < 9 else " "
            row = _cut(f"{digit} {probability:6.1%}  {_visible(text)}", width)
            parts.append(("class:chosen" if place == chosen else "", row))
            parts.append(("", "\n" if place + 1 < len(suggestions) else ""))
        return parts

    def move(event: KeyPressEvent, step: int) -> None:
        nonlocal chosen
        chosen = (chosen + step) % len(suggestions)

    for key in ("up", "left", "k", "c-p"):
        bindings.add(key)(partial(move, step=-1))
    for key in ("down", "right", "j", "c-n", "tab"):
        bindings.add(key)(partial(move, step=1))

    @bindings.add("enter")
    def take(event: KeyPressEvent) -> None:
        event.app.exit(result=chosen)

    for place in range(min(len(suggestions), 9)):

        @bindings.add(str(place + 1))
        def take_digit(event: KeyPressEvent, place: int = place) -> None:
            event.app.exit(result=place)

    @bindings.add("escape", eager=True)
    @bindings.add("c-c")
    @bindings.add("c-d")
    @bindings.add("q")
    def leave(event: KeyPressEvent) -> None:
        event.app.exit(result=None)

    control = FormattedTextControl(rows, focusable=True, show_cursor=False)
    application: Application[int | None] = Application(
        Layout(Window(control, height=len(suggestions) + 1, dont_extend_height=True)),
        key_bindings=bindings,
        style=STYLE,
        erase_when_done=True,
        output=_terminal(),
    )
    application.ttimeoutlen = ESCAPE_SECONDS
    return application.run()


def _visible(text: str) -> str:
    """Return a suggestion on one line, with marks for characters that would be invisible."""
    begin = len(text) - len(text.lstrip(" "))
    end = len(text.rstrip(" "))
    marked = "␣" * begin + text[begin:end] + "␣" * (len(text) - max(begin, end))
    return printable("".join(_VISIBLE.get(each, each) for each in marked))


def _cut(text: str, width: int) -> str:
    """Return the text, cut to a width in terminal cells."""
    if get_cwidth(text) <= width:
        return text
    while text and get_cwidth(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _terminal() -> Output | None:
    """Return stdout, or stderr when stdout is a file, as prompt_toolkit's output.

    None where the cursor cannot be moved; `plain_where_dumb` has set the output there.
    """
    return None if is_dumb_terminal() else create_output(always_prefer_tty=True)


@contextlib.contextmanager
def plain_where_dumb() -> Iterator[None]:
    """Print prompts as plain text where the cursor cannot be moved."""
    if not os.environ.get("TERM"):
        os.environ["TERM"] = "dumb"  # for prompt_toolkit, which expects much of an unknown terminal
    if not is_dumb_terminal():
        yield
        return
    stream = sys.stdout if sys.stdout.isatty() else sys.stderr
    with create_app_session(output=PlainTextOutput(stream)):
        yield


class _SafeHistory(FileHistory):
    """A history file that ignores errors of writing."""

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            super().store_string(string.encode("utf-8", "replace").decode())


def _history(path: Path | None) -> History:
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError as error:
        warn(f"{path}: {error.strerror}; the history of what you type is not saved")
        return InMemoryHistory()
    return _SafeHistory(str(path))
