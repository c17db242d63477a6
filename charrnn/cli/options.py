"""Arguments and options that several commands share, each written once."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import typer

from charrnn.cli.environment import is_typed

TEXT: Final = "The text"
"""The panel of `--help` for options about how text is read."""

NEXT: Final = "What may come next, in this order"
"""The panel of `--help` for filters."""


def complete_runs(incomplete: str) -> list[str]:
    """The names of runs that begin so, for shell completion."""
    from charrnn.storage.run_lookup import run_names

    return _beginning_with(incomplete, run_names())


def complete_corpora(incomplete: str) -> list[str]:
    """The names of corpora that begin so, for shell completion."""
    from charrnn.data.sources import PYTHON_DOCS, corpus_names

    return _beginning_with(incomplete, [*corpus_names(), PYTHON_DOCS])


def refuse_unused(
    context: typer.Context,
    names: Sequence[str],
    *,
    unused: Iterable[str] = (),
    tokenizer: str | None = None,
) -> None:
    """Raises ConfigError where an option on how to read a text was typed that makes no difference.

    Those of the environment may be meant for other texts.

    Args:
        names: of the texts that are read; none where none is.
        unused: options that make no difference here, whatever is read.
        tokenizer: the kind that reads them; one of bytes needs no encoding of a plain file.
    """
    from charrnn.data.sources import HUGGING_FACE, options_used
    from charrnn.errors import ConfigError

    used = options_used(names) - {*unused}
    fetched = any(name.startswith(HUGGING_FACE) for name in names)
    if tokenizer == "byte" and context.params["column"] is None and not fetched:
        used -= {"encoding"}
    if tokenizer != "byte":  # all bytes are known beforehand, rare ones too
        used |= {"min_count"}
    for option in ("encoding", "glob", "column", "label", "delimiter", "min_count"):
        if option not in used and is_typed(context, option):
            what = f"to how {', '.join(names)} is read" if names else "here, where no text is read"
            raise ConfigError(
                f"--{option.replace('_', '-')} makes no difference {what}; leave it out"
            )


def _beginning_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]",
        help="A run's name, a run directory or a model directory.",
        autocompletion=complete_runs,
        show_default="the newest run",
    ),
]
Length = Annotated[
    int,
    typer.Option(
        "--length", "-l", metavar="N", min=0, help="Characters to make; 0 is without end."
    ),
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        "-t",
        metavar="X",
        min=0.0,
        help="Below 1 safer, above 1 wilder; 0 is greedy.",
        rich_help_panel=NEXT,
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        "--top-k",
        metavar="N",
        min=1,
        help="Choose among the N likeliest characters only.",
        rich_help_panel=NEXT,
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p",
        metavar="X",
        help="Choose among the likeliest that together reach this probability.",
        rich_help_panel=NEXT,
    ),
]
MinP = Annotated[
    float | None,
    typer.Option(
        "--min-p",
        metavar="X",
        help="Choose among those at least X times as likely as the likeliest.",
        rich_help_panel=NEXT,
    ),
]
Typical = Annotated[
    float | None,
    typer.Option(
        "--typical",
        metavar="X",
        help="Choose among the most typical that together reach this probability.",
        rich_help_panel=NEXT,
    ),
]
RepetitionPenalty = Annotated[
    float | None,
    typer.Option(
        "--repetition-penalty",
        metavar="X",
        help="Above 1: characters that came recently become less likely.",
        rich_help_panel=NEXT,
    ),
]
RepetitionWindow = Annotated[
    int,
    typer.Option(
        "--repetition-window",
        metavar="N",
        min=1,
        help="How many characters back is recently.",
        rich_help_panel=NEXT,
    ),
]
NoRepeatNgram = Annotated[
    int | None,
    typer.Option(
        "--no-repeat-ngram",
        metavar="N",
        min=1,
        help="No N characters in a row come twice.",
        rich_help_panel=NEXT,
    ),
]
Ban = Annotated[
    str | None,
    typer.Option(
        "--ban", metavar="CHARS", help="Characters that never come.", rich_help_panel=NEXT
    ),
]
Only = Annotated[
    str | None,
    typer.Option(
        "--only", metavar="CHARS", help="The only characters that may come.", rich_help_panel=NEXT
    ),
]
Escapes = Annotated[
    bool,
    typer.Option(
        "--escapes",
        help="Read \\n, \\t, \\r, \\uXXXX and \\\\ in --prompt, --stop, --ban and --only as "
        "what they mean.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", min=0, help="Of the random choices: the same seed, the same text."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Encoding = Annotated[
    str,
    typer.Option(
        "--encoding", help="Of plain files, and of tables that are text.", rich_help_panel=TEXT
    ),
]
Glob = Annotated[
    str, typer.Option("--glob", help="Which files of a folder are text.", rich_help_panel=TEXT)
]
Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        "--text",
        help="Which column of a table or data set holds the text.",
        rich_help_panel=TEXT,
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHAR",
        help="What divides the cells of a .csv or .tsv; \\t is a tab.",
        show_default="a comma, or a tab",
        rich_help_panel=TEXT,
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        "--label",
        help="Which column holds what is to be told of each text, a class or a number; "
        "`folder`: the "
        "folders in a folder are classes.",
        rich_help_panel=TEXT,
    ),
]
