"""What charrnn fill and charrnn proofread have in common."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import complete_runs

if TYPE_CHECKING:
    from charrnn.data.tokenizer import Tokenizer
    from charrnn.generation.restoring import PlaceReader

RestoringModel = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A run's name, a run directory or a model directory, trained with --bidirectional.",
        autocompletion=complete_runs,
        show_default=False,
    ),
]


def load_restorer(name: str) -> "tuple[PlaceReader, Tokenizer]":
    """The model of that name, ready to restore, and its alphabet. Raises ModelError."""
    from charrnn.generation.engines.restoring_engine import RestoringEngine
    from charrnn.storage.run import load

    model = load(name)
    return RestoringEngine.of(model), model.tokenizer


def read_text(name: str) -> str:
    """The text of a file, or of stdin (-), every byte of it: what is no UTF-8 are lone surrogates.

    Raises CorpusError.
    """
    from charrnn.errors import CorpusError

    if name == "-":
        content = sys.stdin.buffer.read() if sys.stdin is not None else b""
    else:
        try:
            content = Path(name).read_bytes()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise CorpusError(f"{name}: {reason}; name a text file, or - for stdin") from error
    return content.decode("utf-8", "surrogateescape")


def is_file(name: str) -> bool:
    """Whether there is a file of that name, or -."""
    return name == "-" or os.path.isfile(name)


def warn_of_unknown(tokenizer: "Tokenizer", text: str) -> None:
    """Says which characters the model has never seen, where there are any."""
    from charrnn.cli.display import warn
    from charrnn.data.tokenizer import unknown_error

    if unknown := tokenizer.unknown(text):
        shown = unknown_error(tokenizer, unknown, text).shown
        warn(f"the model has never seen {shown}: left as they are, and read as unknown")
