"""charrnn push: sends a model to a hub."""

from typing import Annotated

import typer

from charrnn.cli.shared_arguments import Licence, complete_runs


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
    licence: Licence = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
) -> None:
    """Send a model to a hub, with a card that says what it was trained on and how good it is.

    The model, its config, its alphabet, their checksums and the card are sent, and no text that it
    was trained on. The hub and the token are those of huggingface_hub: HF_ENDPOINT, and HF_TOKEN or
    what hf auth login has stored.
    """
    from charrnn.cli.card import ask_licence
    from charrnn.cli.display import reading, say
    from charrnn.export.card import check_licence, model_card
    from charrnn.export.hub import check_token
    from charrnn.export.hub import push as push_model
    from charrnn.export.hub_listing import check_repository
    from charrnn.storage.run_lookup import load

    name = check_repository(repository)
    if licence is not None:
        check_licence(licence)
    content = load(model)
    check_token(name)
    licence = ask_licence() if licence is None else licence
    with reading("reading and sampling ...") as progress:
        card = model_card(model, licence=licence, progress=progress)
    address = push_model(content, name, card, private=private)
    say(f"{address}: others use it with charrnn pull {name}")
    if licence is None:
        say("its card names no licence, without which nobody may use the model: give --licence ID")
