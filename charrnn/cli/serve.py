"""charrnn serve: answers requests over HTTP, with a completions API and a page."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options_from_fields import takes_options
from charrnn.cli.shared_arguments import complete_runs
from charrnn.generation.config import EngineConfig
from charrnn.serving.options import ServingConfig

if TYPE_CHECKING:
    import socket


@takes_options
def serve(
    *,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Runs' names, run directories or model directories. The first answers requests "
            "that name no model.",
            autocompletion=complete_runs,
            show_default="the newest run",
        ),
    ] = None,
    config: ServingConfig,
    running: EngineConfig,
) -> None:
    """Serve models over HTTP: OpenAI's completions API, and a page to write with them.

    Clients of OpenAI's API take the address that is printed, with /v1, as base URL. Only this
    machine can reach the server unless --host says otherwise, and it needs no network. Ctrl-C ends
    it.
    """
    from charrnn.cli.display import say
    from charrnn.errors import CharRNNError
    from charrnn.serving.listening import open_socket
    from charrnn.serving.served_models import read_models

    try:
        from charrnn.serving.server import serve as serve_models
    except ImportError as error:
        raise CharRNNError(
            f'charrnn serve needs more packages: pip install "charrnn-lm[serve]" ({error})'
        ) from error

    served = read_models(models or [], running.engine)
    listener = open_socket(config)
    say(f"serving {', '.join(f'{each.name} (to {each.task})' for each in served)}")
    say(_address(config, listener))
    number = serve_models(served, config, listener, say=lambda line: say(line, "dim"))
    sys.exit(128 + number)


def _address(config: ServingConfig, listener: "socket.socket") -> str:
    """Describe where the server listens, and for whom."""
    from charrnn.serving.listening import url_of

    url = url_of(listener)
    whom = "" if config.is_local else ", and from other machines under this one's name"
    key = "" if config.api_key is None else "; the key is needed"
    return f"open {url}/ in a browser{whom}; base URL of the API: {url}/v1{key}; Ctrl-C ends it"
