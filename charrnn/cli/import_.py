"""charrnn import: takes a model from a zip into checkpoints/."""

from pathlib import Path
from typing import Annotated

import typer


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.zip", help="A zip that charrnn export --zip has written."),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Give the model this name in checkpoints/.",
            show_default="the name of the file",
        ),
    ] = None,
) -> None:
    """Take a model from a zip into checkpoints/, where all commands find it by name.

    The file may come from anyone: nothing in it is run, and nothing is written unless it is a
    model and nothing else.
    """
    from charrnn.export.archive import import_model

    say_added(import_model(file, name))


def say_added(directory: Path) -> None:
    """Say which model was put into checkpoints/, and what can be done with it."""
    import shlex

    from charrnn.cli.display import say, say_command
    from charrnn.storage.model_directory import read_config
    from charrnn.training.task import task_definition

    config, provenance = read_config(directory)
    say(f"{directory}: a model of {provenance.corpus} to {config.task}", "bold")
    say("now try:")
    for usage in task_definition(config.task).usage[:1]:
        say_command(f"charrnn {usage.format(run=shlex.quote(directory.name))}")
