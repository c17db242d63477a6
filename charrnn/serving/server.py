"""The server: uvicorn, with limits of its own, around the application."""

import asyncio
import signal
import socket
from collections.abc import Callable

import uvicorn

from charrnn.serving.app import make_app
from charrnn.serving.options import ServingConfig
from charrnn.serving.served_models import ServedModels


def serve(
    models: ServedModels,
    config: ServingConfig,
    listener: socket.socket,
    started: Callable[[], None],
) -> int | None:
    """Serve models until a signal ends it; return the number of the signal.

    Args:
        models: the models.
        config: the settings.
        listener: the socket, which listens already.
        started: called when requests are answered.
    """
    settings = uvicorn.Config(
        make_app(models, config),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(settings)
    ended: list[int] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()

        def end(number: int) -> None:
            ended.append(number)
            server.should_exit = True
            server.force_exit = len(ended) > 1

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end, number)
        started()
        await server._serve(sockets=[listener])

    asyncio.run(run())
    return ended[0] if ended else None
