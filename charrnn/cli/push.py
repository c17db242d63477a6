"""charrnn push: sends a model to a hub."""

from typing import Annotated

import typer

from charrnn.cli.shared_arguments import complete_runs


def push(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A run's name, a run directory or a model directory.",
            autocompletion=complete_runs,
        ),
    ],
    repository: Annotated[
        str,
        typer.Argument(
            metavar="OWNER/NAME", help="The repository at the hub; it is made where it is missing."
        ),
    ],
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence",
            "--license",
            metavar="ID",
            help="Say under which licence others may use the model, such as cc-by-4.0.",
            show_default="none is granted",
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
) -> None:
    """Send a model to a hub, with a card that says what it was trained on and how good it is.

    The model, its config, its alphabet, their checksums and the card are sent, and no text that it
    was trained on. The hub and the token are those of huggingface_hub: HF_ENDPOINT, and HF_TOKEN or
    what hf auth login has stored.
    """
    from charrnn.cli.display import say
    from charrnn.export.hub import push as push_model
    from charrnn.export.hub_listing import check_repository
    from charrnn.storage.run_lookup import load

    name = check_repository(repository)
    content = load(model)
    address = push_model(content, name, "# A model of charrnn\n", private=private)
    say(f"{address}: others use it with charrnn pull {name}")
