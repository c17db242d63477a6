"""charrnn compress: compresses a text or any other file without loss."""

import contextlib
from typing import TYPE_CHECKING, Annotated

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
from charrnn.cli.options_from_fields import takes_options
from charrnn.cli.shared_arguments import OUTPUT, Json
from charrnn.cli.unicode_json import dumps
from charrnn.option_declaration import Relations

if TYPE_CHECKING:
    from charrnn.compression.files import Sizes


@takes_options
def compress(
    *,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-", help="The file to compress; - is stdin.", show_default=False
        ),
    ],
    model: CompressionModel = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.crnn",
            help="Write the archive to this file; - is stdout.",
            show_default="FILE.crnn",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    without_training_text: Annotated[
        bool,
        typer.Option(
            "--no-training-text",
            help="Compress without the training text of the model, which helps where it can be "
            "read; decompressing then needs the model alone.",
        ),
        Relations(needs=("model",)),
    ] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compress a text, or any other file, without loss.

    Each character is predicted from those before it: by what followed the same characters earlier
    in the file and, with --model, by a language model and its training text. The better a text is
    predicted, the smaller its archive. charrnn decompress restores the file.
    """
    from charrnn.cli.display import reading, say
    from charrnn.compression.files import Sizes
    from charrnn.compression.files import compress as compress_pieces
    from charrnn.compression.input import Input
    from charrnn.compression.verbs import find_for_compressing

    if output is None:
        output = STANDARD if file == STANDARD else file + SUFFIX
    check_output(output, overwrite=overwrite, as_json=as_json, terminal=False)
    with contextlib.closing(Input.at(file)) as opened:
        with reading("reading ...") as progress:
            known = find_for_compressing(
                model, training_text=not without_training_text, progress=progress
            )
        sizes = Sizes()
        with working_through(opened, "compressing") as show:
            archive = compress_pieces(
                opened.pieces(), known, sizes=sizes, progress=show.work, learning=show.learning
            )
            write_output(output, archive)
    if as_json:
        header = known.header
        record = {
            "archive": output,
            "model": None if header.model is None else header.model.hex(),
            "training_text": header.text is not None,
            **sizes.to_json(),
        }
        print(dumps(record, indent=2))
        return
    say(("" if output == STANDARD else f"{output}: ") + _summary(sizes))


def _summary(sizes: "Sizes") -> str:
    """Describe the sizes of an archive."""
    if not sizes.content:
        return f"0 bytes to {sizes.archive:,}"
    bits = 8 * sizes.archive / sizes.characters
    return (
        f"{sizes.content:,} bytes to {sizes.archive:,} "
        f"({sizes.archive / sizes.content:.1%}), {bits:.3f} bits per character"
    )
