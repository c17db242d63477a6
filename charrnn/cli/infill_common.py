"""What charrnn fill and charrnn proofread have in common."""

import os
import stat
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import complete_runs

if TYPE_CHECKING:
    from charrnn.data.text_file import TextFile
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.tasks.infill.masked_model import MaskedLM

RestoringModel = Annotated[
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
        help="Of the file.",
        show_default="what its byte-order mark says, else utf-8",
    ),
]


def load_restorer(name: str) -> "tuple[MaskedLM, Tokenizer]":
    """The model of that name, ready to restore, and its alphabet. Raises ModelError."""
    from charrnn.storage.run_lookup import load
    from charrnn.tasks.infill.engine import InfillEngine

    model = load(name)
    return InfillEngine.of(model), model.tokenizer


def is_file(name: str) -> bool:
    """Whether fill reads a file of that name: one that is there, a pipe's end, or - for stdin.

    Raises CorpusError for what looks like the name of a file, which is not there.
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


def read_text(name: str, tokenizer: "Tokenizer", encoding: str | None) -> "TextFile":
    """The text of a file, or of stdin (-), as the model reads it.

    Raises CorpusError, ConfigError.
    """
    from charrnn.cli.display import say
    from charrnn.data.text_file import UTF_8, read_bytes_file, read_text_file
    from charrnn.errors import ConfigError

    if tokenizer.kind == "byte":
        if encoding is not None:
            raise ConfigError("a model of bytes reads them as they are; leave out --encoding")
        return read_bytes_file(name)
    file = read_text_file(name, encoding)
    if encoding is None and file.encoding != UTF_8:
        say(f"{file.name}: read as {file.encoding}, which its byte-order mark says", "dim")
    return file


def warn_of_unknown(tokenizer: "Tokenizer", text: str) -> None:
    """Says which characters the model has never seen, where there are any."""
    from charrnn.cli.display import warn
    from charrnn.data.tokenizer import unknown_error

    if unknown := tokenizer.unknown(text):
        shown = unknown_error(tokenizer, unknown, text).shown
        warn(f"the model has never seen {shown}: left as they are, and read as unknown")
