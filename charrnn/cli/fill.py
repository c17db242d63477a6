"""charrnn fill: what stood where characters are missing."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from charrnn.cli.environment import is_typed
from charrnn.cli.infill_common import FileEncoding, RestoringModel
from charrnn.cli.options import Json
from charrnn.cli.unicode_json import dumps

if TYPE_CHECKING:
    from charrnn.tasks.infill.fill import Filling


def fill(
    context: typer.Context,
    model: RestoringModel,
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|FILE|-",
            help="A text with gaps, or the file that has it; - is stdin.",
            show_default=False,
        ),
    ],
    gap: Annotated[
        str,
        typer.Option("--gap", metavar="CHAR", help="What stands for a missing character."),
    ] = "_",
    gap_length: Annotated[
        Literal["same", "any"],
        typer.Option(
            "--gap-length",
            help="same: each gap character stands for one. "
            "any: however many in a row stand for 1 to --longest.",
        ),
    ] = "same",
    longest: Annotated[
        int,
        typer.Option(
            "--longest", metavar="N", min=1, help="Characters of a gap of any length, at most."
        ),
    ] = 12,
    escapes: Annotated[
        bool,
        typer.Option(
            "--escapes",
            help="Read \\n, \\t, \\r, \\uXXXX and \\\\ in TEXT and --gap as what they mean.",
        ),
    ] = False,
    number: Annotated[
        int, typer.Option("-n", metavar="N", min=1, help="How many texts, the likeliest first.")
    ] = 1,
    encoding: FileEncoding = None,
    as_json: Json = False,
) -> None:
    """Fill the gaps of a text with what is likely to have stood there.

    The restored text goes to stdout, and nothing else does: that of a file in the file's encoding,
    every other byte as it was. Texts are divided by a line of ---, and stderr says how probable
    each is.
    """
    from charrnn.cli.display import TextOutput, say, working
    from charrnn.cli.escapes import unescaped
    from charrnn.cli.infill_common import is_file, load_restorer, read_text, warn_of_unknown
    from charrnn.errors import ConfigError
    from charrnn.tasks.infill.fill import FillConfig
    from charrnn.tasks.infill.fill import fill as restored

    config = FillConfig(
        gap=unescaped(gap) if escapes else gap,
        longest=longest if gap_length == "any" else None,
        alternatives=number,
    )
    restorer, tokenizer = load_restorer(model)
    if tokenizer.kind == "byte" and not is_typed(context, "encoding"):
        encoding = None
    file = read_text(text, tokenizer, encoding) if is_file(text) else None
    if file is not None:
        text = file.text
    elif is_typed(context, "encoding"):
        raise ConfigError("--encoding is for a file; leave it out")
    elif escapes:
        text = unescaped(text)
    warn_of_unknown(tokenizer, text.replace(config.gap, ""))
    with working("filling ...") as tell:
        fillings = restored(
            restorer,
            tokenizer,
            text,
            config,
            progress=lambda done, total: tell(f"filling {done / total:.0%}"),
        )
    if not fillings[0].gaps:
        say(f"no gaps: {config.gap!r} is not in the text; --gap names another character")
    output = TextOutput(None if file is None or as_json else file)
    if as_json:
        output.write(dumps(_record(fillings), indent=2) + "\n")
    else:
        for place, each in enumerate(fillings):
            if place:
                output.end_line()
                output.write("---\n")
            output.write(each.text)
    output.close()
    if number > 1 and fillings[0].gaps and not as_json:
        for place, each in enumerate(fillings):
            say(_described(place, each), "dim")


def _record(fillings: "Sequence[Filling]") -> dict[str, object]:
    """What --json says."""
    return {"text": fillings[0].text, "alternatives": [asdict(each) for each in fillings]}


_MOST_SHOWN: Final = 12
"""Gaps whose fill is named, of each text."""


def _described(place: int, filling: "Filling") -> str:
    """A line on one of several texts: how probable it is, and what was filled in."""
    shown = " ".join(repr(gap.filled) for gap in filling.gaps[:_MOST_SHOWN])
    more = len(filling.gaps) - _MOST_SHOWN
    return f"{place + 1}: {filling.probability:.1%} {shown}{f' and {more} more' * (more > 0)}"
