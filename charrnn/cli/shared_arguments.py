"""Arguments and options that several commands share and no configuration declares."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import typer

from charrnn.data.read_options import TEXT
from charrnn.option_declaration import Relations

OUTPUT: Final = "Output"
"""The panel of `--help` for options about the output."""


def complete_runs(incomplete: str) -> list[str]:
    """Return the names of runs and of lists of models with this prefix, for shell completion."""
    from charrnn.storage.run_lookup import model_names

    return _beginning_with(incomplete, model_names())


def complete_measured_runs(incomplete: str) -> list[str]:
    """Return the names of runs with measurements and this prefix, for shell completion."""
    from charrnn.storage.run_listing import measured_runs

    return _beginning_with(incomplete, [run.name for run in measured_runs()])


def complete_corpora(incomplete: str) -> list[str]:
    """Return the names of corpora with this prefix, for shell completion."""
    from charrnn.data.sources import PYTHON_DOCS, corpus_names

    return _beginning_with(incomplete, [*corpus_names(), PYTHON_DOCS])


def _beginning_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A run's name, a run directory or a model directory.",
        autocompletion=complete_runs,
        show_default="the newest run",
    ),
]
Corpora = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CORPUS",
        help="Files, folders, names in corpora/, - (stdin), python-docs (Python's help()) or "
        "hf:owner/name:split:column. Several are joined.",
        autocompletion=complete_corpora,
        show_default="python-docs",
    ),
]
TokenizerKind = Annotated[
    Literal["char", "byte"] | None,
    typer.Option(
        help="Model Unicode characters, or the bytes of any file.",
        show_default="char",
        rich_help_panel=TEXT,
    ),
    Relations(decided_by=("source", "start_from")),
]
MinCount = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Replace characters seen fewer than N times by U+FFFD.",
        rich_help_panel=TEXT,
    ),
    Relations(decided_by=("source",)),
]
Licence = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Name the licence of the model as hubs do, such as mit or cc-by-4.0.",
        show_default="asked for on a terminal",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
