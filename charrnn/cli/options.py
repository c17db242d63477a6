"""Arguments and options that several commands share, each written once."""

from collections.abc import Iterable
from typing import Annotated

import typer

TEXT = "The text"
"""The panel of `--help` for options about how text is read."""


def complete_runs(incomplete: str) -> list[str]:
    """The names of runs that begin so, for shell completion."""
    from charrnn.storage.run import run_names

    return _beginning_with(incomplete, run_names())


def complete_corpora(incomplete: str) -> list[str]:
    """The names of corpora that begin so, for shell completion."""
    from charrnn.data.sources import PYTHON_DOCS, corpus_names

    return _beginning_with(incomplete, [*corpus_names(), PYTHON_DOCS])


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
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        "--top-k", metavar="N", min=1, help="Choose among the K likeliest characters only."
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p", metavar="X", help="Choose among the likeliest characters that together reach P."
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
    str, typer.Option("--encoding", help="Of plain files, .csv and .jsonl.", rich_help_panel=TEXT)
]
Glob = Annotated[
    str, typer.Option("--glob", help="Which files of a folder are text.", rich_help_panel=TEXT)
]
Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        help="Which column of a table or data set holds the text.",
        rich_help_panel=TEXT,
    ),
]
