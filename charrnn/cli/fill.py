"""charrnn fill: fills the gaps of a text."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from charrnn.cli.environment import is_typed
from charrnn.cli.infill_common import FileEncoding, InfillModel
from charrnn.cli.options_from_fields import Fields, takes_options
from charrnn.cli.shared_arguments import Json
from charrnn.cli.unicode_json import dumps
from charrnn.tasks.infill.config import FillConfig

if TYPE_CHECKING:
    from charrnn.data.text_file import TextFile
    from charrnn.tasks.infill.fill import Filling


@takes_options
def fill(
    *,
    context: typer.Context,
    model: InfillModel,
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|FILE|-",
            help="A text with gaps, or a file; - is stdin.",
            show_default=False,
        ),
    ],
    gap_length: Annotated[
        Literal["same", "any"],
        typer.Option(
            "--gap-length",
            help="Fill each gap character with one character (same), or each run of them with 1 "
            "to --longest characters (any).",
        ),
    ] = "same",
    config: Annotated[FillConfig, Fields("gap", "longest", "alternatives", longest=12)],
    escapes: Annotated[
        bool,
        typer.Option(
            "--escapes", help="Read \\n, \\t, \\r, \\uXXXX and \\\\ in TEXT and --gap as escapes."
        ),
    ] = False,
    encoding: FileEncoding = None,
    as_json: Json = False,
) -> None:
    """Fill the gaps of a text with the most probable characters.

    Only the filled text goes to stdout. The text of a file keeps its encoding, and all bytes
    outside the gaps. Several texts are separated by a line of ---, and stderr gives the probability
    of each.
    """
    from charrnn.cli.display import say, working
    from charrnn.cli.escapes import unescaped
    from charrnn.cli.infill_common import is_file, load_model, read_text, warn_of_unknown
    from charrnn.errors import ConfigError
    from charrnn.tasks.infill.fill import fill as fill_text

    if gap_length == "same":
        config = replace(config, longest=None)
    loaded = load_model(model)
    file = read_text(context, text, loaded.tokenizer, encoding) if is_file(text) else None
    if file is not None:
        text = file.text
    elif is_typed(context, "encoding"):
        raise ConfigError("--encoding applies to a file, and this is a text; leave it out")
    elif escapes:
        text = unescaped(text)
    warn_of_unknown(loaded.tokenizer, text.replace(config.gap, ""))
    with working("filling ...") as set_status:
        fillings = fill_text(
            loaded,
            text,
            config,
            progress=lambda done, total: set_status(f"filling {done / total:.0%}"),
        )
    if not fillings[0].gaps:
        say(f"no gaps: {config.gap!r} is not in the text; --gap chooses another character")
    _print(fillings, file, as_json=as_json)
    if config.alternatives > 1 and fillings[0].gaps and not as_json:
        for index, each in enumerate(fillings):
            say(_describe(index, each), "dim")


def _print(fillings: "Sequence[Filling]", file: "TextFile | None", *, as_json: bool) -> None:
    """Print the filled texts, in the encoding of the file that they come from, or JSON."""
    from charrnn.cli.display import TextOutput

    output = TextOutput(None if as_json else file)
    if as_json:
        record = {"text": fillings[0].text, "alternatives": [asdict(each) for each in fillings]}
        output.write(dumps(record, indent=2) + "\n")
    else:
        for index, each in enumerate(fillings):
            if index:
                output.end_line()
                output.write("---\n")
            output.write(each.text)
    output.close()


_MOST_SHOWN: Final = 12
"""The largest number of gaps whose fills are listed."""


def _describe(index: int, filling: "Filling") -> str:
    """Describe one of several filled texts in a line: its probability and its fills."""
    shown = " ".join(repr(gap.filled) for gap in filling.gaps[:_MOST_SHOWN])
    more = len(filling.gaps) - _MOST_SHOWN
    return f"{index + 1}: {filling.probability:.1%} {shown}{f' and {more} more' * (more > 0)}"
