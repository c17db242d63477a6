"""Options, input and output that `charrnn compress` and `charrnn decompress` share."""

import codecs
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from charrnn.cli import output_file
from charrnn.cli.shared_arguments import OUTPUT, complete_runs
from charrnn.errors import ConfigError

if TYPE_CHECKING:
    from charrnn.compression.input import Input

STANDARD: Final = "-"
SUFFIX: Final = ".crnn"

Overwrite = Annotated[
    bool,
    typer.Option(
        "--force",
        "-f",
        help="Replace the output file, if it is there already.",
        rich_help_panel=OUTPUT,
    ),
]
CompressionModel = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Predict with this language model as well: a run's name, a run directory or a model "
        "directory. Decompressing needs the same one.",
        autocompletion=complete_runs,
        show_default="the memory alone",
    ),
]


class Shown(NamedTuple):
    """Functions that show how much is done.

    Attributes:
        work: takes the bytes that were read.
        learning: takes how much of the training text the memory has learned, and how much there is.
    """

    work: Callable[[int], None]
    learning: Callable[[int, int], None]


def check_output(output: str, *, overwrite: bool, as_json: bool, terminal: bool) -> None:
    """Raise an error for an output that may not be written: a file that is there already, a
    terminal unless `terminal`, and what `output_file.check_output` refuses."""
    if output == STANDARD and as_json:
        raise ConfigError("--json prints on stdout too; name a file with --output")
    if output != STANDARD or not terminal:
        output_file.check_output(Path(output))
    if output != STANDARD and os.path.lexists(output) and not overwrite:
        raise ConfigError(
            f"{output} is there already; name another file with --output, or give --force"
        )


def write_output(output: str, content: Iterable[bytes]) -> None:
    """Write a file, which is there only when it is whole, or write to stdout as it comes."""
    from charrnn.cli.display import TextOutput
    from charrnn.storage.files import write_file

    if output != STANDARD:
        write_file(Path(output), content)
        return
    shown = TextOutput()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for piece in content:
        if shown.terminal:
            shown.write(decoder.decode(piece))
        else:
            shown.write_bytes(piece)
    if shown.terminal:
        shown.write(decoder.decode(b"", final=True))
    shown.close()


@contextmanager
def working_through(file: "Input", what: str) -> "Iterator[Shown]":
    """Show how much of a file is done, and the time left, on terminals."""
    from charrnn.cli.display import stages_left

    size = file.size
    with stages_left(what) as show:
        yield Shown(
            lambda done: None if size is None else show(what, done, size),
            partial(show, "remembering the training text"),
        )
