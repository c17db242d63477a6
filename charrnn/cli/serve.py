"""charrnn serve: answers requests over HTTP, with a completions API and a page."""

import sys
from typing import Annotated

import typer

from charrnn.cli.options_from_fields import takes_options
from charrnn.cli.shared_arguments import complete_runs
from charrnn.generation.config import EngineConfig
from charrnn.serving.options import ServingConfig


@takes_options
def serve(
    *,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Runs' names, run directories or model directories.",
            autocompletion=complete_runs,
            show_default="the newest run",
        ),
    ] = None,
    config: ServingConfig,
    running: EngineConfig,
) -> None:
    """Serve models over HTTP: OpenAI's completions API, and a page to write with them.

    Clients of OpenAI's API use http://localhost:8080/v1 as base URL. The server answers this
    machine only, unless --host says otherwise, and needs no network. Ctrl-C ends it.
    """
    from charrnn.cli.display import say
    from charrnn.errors import CharRNNError
    from charrnn.serving.options import open_socket
    from charrnn.serving.served_models import read_models

    try:
        from charrnn.serving.server import serve as serve_models
    except ImportError as error:
        raise CharRNNError(
            f'charrnn serve needs more packages: pip install "charrnn-lm[serve]" ({error})'
        ) from error

    served = read_models(models or [], running.engine)
    try:
        listener = open_socket(config)
    except OSError as error:
        reason = error.strerror or error
        raise CharRNNError(f"cannot listen on {config.host}:{config.port}: {reason}") from error
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    say(f"serving {', '.join(each.name for each in served)}")
    say(f"open http://{shown}:{port}/ in a browser; clients use http://{shown}:{port}/v1")

    number = serve_models(served, config, listener, lambda: None)
    if number is not None:
        sys.exit(128 + number)
