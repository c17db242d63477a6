"""charrnn repl: a person and a model write a text together."""

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.sampling_defaults import decided
from charrnn.cli.shared_arguments import ModelArgument
from charrnn.generation.config import EngineConfig, SamplingConfig

if TYPE_CHECKING:
    from charrnn.cli.repl_learning import Learning
    from charrnn.generation.sampler import Sampler


@takes_options
def repl(
    *,
    context: typer.Context,
    model: ModelArgument = None,
    sampling: Annotated[
        SamplingConfig, Fields("length", "temperature", "top_k", "top_p", "seed", length=300)
    ],
    running: EngineConfig,
    adapt: Annotated[
        bool,
        typer.Option("--adapt", help="Learn from what you type. The saved model does not change."),
    ] = False,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory",
            help="Expect again what you type, such as names, and what the training text repeats.",
        ),
    ] = False,
    vi: Annotated[bool, typer.Option("--vi", help="Use the key bindings of vi.")] = False,
    no_ghost: Annotated[
        bool, typer.Option("--no-ghost", help="Do not show a dim continuation while you type.")
    ] = False,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Do not save what you type in the history.")
    ] = False,
) -> None:
    """Write a text together with a model; /help lists the commands.

    If stdin is not a terminal, each of its lines is continued separately.
    """
    from charrnn.cli.repl_learning import Learning
    from charrnn.cli.repl_model import open_sampler
    from charrnn.data.standard_input import standard_input_lines
    from charrnn.errors import ConfigError

    sampler, name, directory = open_sampler(model, running.engine)
    config = decided(sampling, context, trained_on_lines=sampler.model.provenance.lines)
    if sys.stdin is None or not sys.stdin.isatty():
        if config.length is None and not config.lines:
            raise ConfigError("--length 0 needs a terminal; give a length when stdin is a pipe")
        learning = Learning(sampler, directory, adapt=adapt, memory=memory)
        for line in standard_input_lines():
            beginning = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            complete(sampler, config, beginning, learning)
        return
    from charrnn.cli.display import say
    from charrnn.cli.repl_prompt import Prompt, choose, plain_where_dumb
    from charrnn.cli.repl_session import Session

    session = Session(
        sampler, config, choose, name=name, directory=directory, adapt=adapt, memory=memory
    )
    with plain_where_dumb():
        gc.freeze()  # so that no collection of all loaded modules delays a key
        prompt = Prompt(session, None if no_history else history_path(), vi=vi, ghost=not no_ghost)
        say(f"{session.name}: type a beginning and press Enter; /help shows more", "dim")
        while True:
            try:
                if session.handle(prompt.read()):
                    return
            except KeyboardInterrupt:
                continue
            except EOFError:
                return


def complete(sampler: "Sampler", config: "SamplingConfig", line: str, learning: "Learning") -> None:
    """Print a line and its continuation; learn from the line first, as far as that is on."""
    from charrnn.cli.display import TextOutput
    from charrnn.cli.prompts import known_characters

    beginning = known_characters(sampler.model.tokenizer, line, strict=False)
    learning.learn_before("", beginning, lines=config.lines)
    learning.learn_after("", beginning, lines=config.lines)
    output = TextOutput()
    output.write(beginning)
    for text in sampler.stream(beginning, config):
        output.write(text)
    output.end_line()
    output.close()


def history_path() -> Path | None:
    """Return the path of the history file, in XDG's folder for state.

    None, after a warning, for a user without a home folder.
    """
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "charrnn" / "history"
    try:
        return Path.home() / ".local" / "state" / "charrnn" / "history"
    except RuntimeError:
        from charrnn.cli.display import warn

        warn("no home folder (HOME is not set); the history of what you type is not saved")
        return None
