"""Options and input that `charrnn fill` and `charrnn proofread` share."""

import os
import stat
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.environment import is_typed
from charrnn.cli.shared_arguments import complete_runs

if TYPE_CHECKING:
    from charrnn.data.text_file import TextFile
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.storage.model_directory import Model

InfillModel = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A run's name, a run directory or a model directory, trained with --bidirectional.",
        autocompletion=complete_runs,
        show_default=False,
    ),
]

FileEncoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        help="Decode the file from this encoding.",
        show_default="by its byte-order mark, else utf-8",
    ),
]


def load_model(name: str) -> "Model":
    """Load a model. Raises ModelError, also if it was not trained with --bidirectional."""
    from charrnn.storage.run_lookup import load

    model = load(name)
    model.require("restore")
    return model


def is_file(name: str) -> bool:
    """Return whether an argument is a file (or a pipe, or - for stdin), not the text itself.

    Raises CorpusError for an argument that looks like the name of a file that does not exist.
    """
    from charrnn.errors import CorpusError

    if name == "-":
        return True
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        if name.endswith(".txt") and not any(map(str.isspace, name)):
            raise CorpusError(f"{name}: no such file") from None
        return False
    return stat.S_ISREG(mode) or stat.S_ISFIFO(mode)


def read_text(
    context: typer.Context, name: str, tokenizer: "Tokenizer", encoding: str | None
) -> "TextFile":
    """Read a file, or stdin (-), as characters or bytes, depending on the model's tokenizer.

    Raises CorpusError, ConfigError.
    """
    from charrnn.cli.display import say
    from charrnn.data.text_file import UTF_8, read_bytes_file, read_text_file
    from charrnn.errors import ConfigError

    if tokenizer.kind == "byte":
        if is_typed(context, "encoding"):  # one from the environment is meant for other models
            raise ConfigError("a byte model reads bytes, not an encoding; leave out --encoding")
        return read_bytes_file(name)
    file = read_text_file(name, encoding)
    if encoding is None and file.encoding != UTF_8:
        say(f"{file.name}: read as {file.encoding}, by its byte-order mark", "dim")
    return file


def warn_of_unknown(tokenizer: "Tokenizer", text: str) -> None:
    """Warn of characters that the model has never seen."""
    from charrnn.cli.display import warn
    from charrnn.data.tokenizer import unknown_error

    if unknown := tokenizer.unknown(text):
        shown = unknown_error(tokenizer, unknown, text).shown
        warn(f"the model has never seen {shown}: left as they are, and read as unknown")
