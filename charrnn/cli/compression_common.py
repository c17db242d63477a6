"""Options, input and output that `charrnn compress` and `charrnn decompress` share."""

import codecs
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

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


def check_output(output: str, *, overwrite: bool, as_json: bool, terminal: bool) -> None:
    """Raise ConfigError for an output that may not be written: a file that is there already, or a
    terminal unless `terminal`."""
    if output != STANDARD:
        if os.path.lexists(output) and not overwrite:
            raise ConfigError(
                f"{output} is there already; name another file with --output, or give --force"
            )
        return
    if as_json:
        raise ConfigError("--json prints on stdout too; name a file with --output")
    if sys.stdout.isatty() and not terminal:
        raise ConfigError("this is not for the terminal: give --output FILE, or redirect stdout")


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
    shown.close()


@contextmanager
def working_through(file: "Input", what: str) -> "Iterator[Callable[[int], None]]":
    """Show how much of a file is done, and the time left, on terminals. Yields a function that
    takes the bytes done."""
    from charrnn.cli.display import time_left

    size = file.size
    with time_left(what) as show:
        yield lambda done: None if size is None else show(done, size)
