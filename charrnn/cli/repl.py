"""charrnn repl: type a beginning, the model writes on."""

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.sampling_defaults import decided
from charrnn.cli.shared_arguments import ModelArgument
from charrnn.generation.config import SamplingConfig

if TYPE_CHECKING:
    from charrnn.cli.repl_adaptation import Adaptation
    from charrnn.generation.sampler import Sampler


@takes_options
def repl(
    *,
    context: typer.Context,
    model: ModelArgument = None,
    sampling: Annotated[
        SamplingConfig, Fields("length", "temperature", "top_k", "top_p", "seed", length=300)
    ],
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt", help="Adapt to what you type, until you leave. The model stays as it is."
        ),
    ] = False,
    vi: Annotated[bool, typer.Option("--vi", help="Use the key bindings of vi.")] = False,
    no_ghost: Annotated[
        bool, typer.Option("--no-ghost", help="Do not show a continuation, dim, while you type.")
    ] = False,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Do not save what you type in the history.")
    ] = False,
) -> None:
    """Write together with a model; /help lists the commands.

    When stdin is no terminal, each line is completed by itself.
    """
    from charrnn.cli.repl_adaptation import Adaptation
    from charrnn.data.standard_input import standard_input_lines
    from charrnn.errors import ConfigError
    from charrnn.generation.sampler import Sampler
    from charrnn.storage.run_lookup import load

    sampler = Sampler(load(model))
    config = decided(sampling, context, trained_on_lines=sampler.model.provenance.lines)
    if sys.stdin is None or not sys.stdin.isatty():
        if config.length is None and not config.lines:
            raise ConfigError("--length 0: where stdin is no terminal, give each text a length")
        adaptation = Adaptation(sampler, on=adapt)
        for line in standard_input_lines():
            beginning = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            complete(sampler, config, beginning, adaptation)
        return
    from charrnn.cli.display import say
    from charrnn.cli.repl_prompt import Prompt, choose, plain_where_dumb
    from charrnn.cli.repl_session import Session

    session = Session(sampler, config, choose, adapt=adapt)
    with plain_where_dumb():
        gc.freeze()  # else the collector looks through all that was loaded, while a key waits
        prompt = Prompt(session, None if no_history else history_path(), vi=vi, ghost=not no_ghost)
        say(
            f"{sampler.model.provenance.corpus}: type a beginning and press Enter; /help shows "
            "more",
            "dim",
        )
        while True:
            try:
                if session.handle(prompt.read()):
                    return
            except KeyboardInterrupt:
                continue
            except EOFError:
                return


def complete(
    sampler: "Sampler", config: "SamplingConfig", line: str, adaptation: "Adaptation"
) -> None:
    """Writes a beginning and what the model makes of it, having learned from it where it adapts."""
    from charrnn.cli.display import TextOutput
    from charrnn.cli.prompts import known_characters

    beginning = known_characters(sampler.model.tokenizer, line, strict=False)
    adaptation.learn("", beginning, lines=config.lines)
    output = TextOutput()
    output.write(beginning)
    for text in sampler.stream(beginning, config):
        output.write(text)
    output.end_line()
    output.close()


def history_path() -> Path | None:
    """Where what is typed is remembered: XDG's folder for state, readable by its owner alone. None,
    with a warning, for a user without a home folder."""
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "charrnn" / "history"
    try:
        return Path.home() / ".local" / "state" / "charrnn" / "history"
    except RuntimeError:
        from charrnn.cli.display import warn

        warn("there is no home folder (HOME is not set); what is typed is not remembered")
        return None
