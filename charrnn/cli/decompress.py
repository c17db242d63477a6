"""charrnn decompress: restores a file that charrnn compress has compressed."""

import contextlib
from typing import Annotated

import typer

from charrnn.cli.compression_common import (
    STANDARD,
    SUFFIX,
    CompressionModel,
    Overwrite,
    check_output,
    working_through,
    write_output,
)
from charrnn.cli.shared_arguments import OUTPUT, Json
from charrnn.cli.unicode_json import dumps
from charrnn.errors import ConfigError


def decompress(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE.crnn|-", help="The archive; - is stdin.", show_default=False),
    ],
    model: CompressionModel = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the content to this file; - is stdout.",
            show_default="the archive's name without .crnn",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Restore a file from its archive.

    An archive that was made with a model needs the same one, and its training text, unless it was
    made with --no-training-text.
    """
    from charrnn.cli.display import reading, say
    from charrnn.compression.archive import ArchiveReader
    from charrnn.compression.files import Sizes
    from charrnn.compression.files import decompress as decompress_archive
    from charrnn.compression.input import Input
    from charrnn.compression.predictor import read_known

    output = _default_output(file) if output is None else output
    check_output(output, overwrite=overwrite, as_json=as_json, terminal=True)

    with contextlib.closing(Input.at(file)) as opened:
        archive = ArchiveReader(opened, opened.name)
        with reading("reading ...") as progress:
            known = read_known(
                model, training_text=archive.header.text is not None, progress=progress
            )
        sizes = Sizes()
        with working_through(opened, "decompressing") as show:
            content = decompress_archive(
                archive, known, sizes=sizes, progress=show.work, learning=show.learning
            )
            write_output(output, content)
    if as_json:
        print(dumps({"file": output, **sizes.to_json()}, indent=2))
    elif output != STANDARD:
        say(f"{output}: {sizes.content:,} bytes")


def _default_output(file: str) -> str:
    """Return where the content of an archive goes, unless that is said."""
    if file == STANDARD:
        return STANDARD
    if (
        file.endswith(SUFFIX)
        and not file.endswith((f"/{SUFFIX}", f"\\{SUFFIX}"))
        and file != SUFFIX
    ):
        return file.removesuffix(SUFFIX)
    raise ConfigError(f"{file}: its name does not end with {SUFFIX}; name the output with --output")
