"""charrnn pull: fetches a model from a hub."""

from typing import Annotated

import typer


def pull(
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="The repository of a model at the hub.")
    ],
    name: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Keep the model under this name in checkpoints/.",
            show_default="the repository's NAME",
        ),
    ] = None,
    revision: Annotated[
        str, typer.Option(metavar="R", help="Fetch this branch, tag or commit.")
    ] = "main",
) -> None:
    """Fetch a model from a hub into checkpoints/, and check it.

    Only files of a model are fetched, and nothing of it is ever run. The hub and the token are
    those of huggingface_hub: HF_ENDPOINT, and HF_TOKEN or what hf auth login has stored.
    """
    from charrnn.cli.import_ import say_added
    from charrnn.export.hub import pull as pull_model

    say_added(pull_model(repository, name=name, revision=revision))
