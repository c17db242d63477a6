"""charrnn card: writes a model card."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.shared_arguments import OUTPUT, Licence, ModelArgument


def card(
    model: ModelArgument = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.md",
            help="Write the card to this file.",
            show_default="stdout",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    licence: Licence = None,
) -> None:
    """Write a model card: what the model is, how it was trained, how good it is, and its limits.

    Markdown, with the header that hubs read. It is written from what the run has recorded, and,
    where the training text is still there, from a comparison with it.
    """
    from charrnn.cli.display import TextOutput, reading, say
    from charrnn.export.card import check_licence, model_card
    from charrnn.storage.files import write_file

    if licence is None:
        licence = ask_licence()
    if licence is not None:
        check_licence(licence)
    with reading("reading and sampling ...") as progress:
        written = model_card(model, licence=licence, progress=progress)
    if output is None:
        text = TextOutput()
        text.write(written)
        text.close()
        return
    write_file(output, written.encode())
    say(f"{output}: written")
    if licence is None:
        say("it names no licence, without which nobody may use the model: give --licence ID")


def ask_licence() -> str | None:
    """Ask for the licence, once, where there is somebody to ask; return None for none."""
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    question = "licence of the model, such as mit or cc-by-4.0 (Enter: none)"
    answer: str = typer.prompt(question, default="", show_default=False, err=True)
    return answer.strip() or None
