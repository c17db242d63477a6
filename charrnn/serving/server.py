"""serve: runs the server until a signal ends it, around uvicorn.

On the first SIGINT or SIGTERM it stops listening, ends the texts that are being written (each
stream gets a last event that says so), and ends within a second; on the next one, at once.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any, Final

import uvicorn

from charrnn.errors import CharRNNWarning
from charrnn.serving.app import make_app
from charrnn.serving.options import ServingConfig
from charrnn.serving.protocols import protocol_class
from charrnn.serving.served_models import ServedModels
from charrnn.serving.service import Service

KEEP_ALIVE_SECONDS: Final = 30
"""How long a connection is kept without a request."""

CLOSING_SECONDS: Final = 0.8
"""How long texts and responses have to end once a signal has come."""

_SWITCH_SECONDS: Final = 0.001
"""How long a thread of Python runs while others wait. Python's 5 ms would let those that write wait
after each call of C until the requests pause, and requests wait for Python that writes."""

MOST_CONNECTIONS: Final = 2000

_OTHER_FILES: Final = 64
"""Files that the process needs besides its connections."""

_BOUNCE_SECONDS: Final = 0.1
"""A second signal within this time repeats the first: a shell may pass on the terminal's."""


def serve(
    models: ServedModels,
    config: ServingConfig,
    listener: socket.socket,
    *,
    say: Callable[[str], None],
    started: Callable[[], None] = lambda: None,
) -> int:
    """Serve models until a signal ends it; return the number of the signal.

    Args:
        models: the models.
        config: the settings.
        listener: the socket, which listens already.
        say: shows a line to the person who has started the server.
        started: called when requests are answered.
    """

    def report(error: BaseException) -> None:
        if config.verbose:
            say("".join(traceback.format_exception(error)).rstrip())
        else:
            say(f"{type(error).__name__}: {error}; --verbose shows where"[:1000])

    sys.setswitchinterval(_SWITCH_SECONDS)
    service = Service(models, config)
    app = make_app(service, log=say if config.verbose else None, report=report)
    settings = uvicorn.Config(
        app,
        http=protocol_class(_most_connections()),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    _silence(report)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CharRNNWarning)  # responses have them
        return asyncio.run(_Server(settings, service, report).run(listener, started))


class _Server(uvicorn.Server):
    """uvicorn's server, which a signal ends soon and which sleeps while it has nothing to do."""

    def __init__(
        self, settings: uvicorn.Config, service: Service, report: Callable[[BaseException], None]
    ) -> None:
        super().__init__(settings)
        self._service, self._report = service, report
        self._signal: int | None = None
        self._signalled = 0.0

    async def run(self, listener: socket.socket, started: Callable[[], None]) -> int:  # type: ignore[override]
        """Serve until a signal comes; return its number."""
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        self._loop.set_exception_handler(self._handle_exception)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._handle_signal, number)
        started()
        await self._serve(sockets=[listener])
        assert self._signal is not None
        return self._signal

    def _handle_signal(self, number: int) -> None:
        now = time.monotonic()
        if self._signal is None:
            self._signal, self._signalled = number, now
            self.should_exit = True
            self._ending.set()
        elif now - self._signalled > _BOUNCE_SECONDS:
            os._exit(128 + number)

    def _handle_exception(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError(context.get("message", ""))
        if not isinstance(error, ConnectionError | asyncio.CancelledError):
            self._report(error)

    async def main_loop(self) -> None:
        """Wait for a signal, and meanwhile keep the date of responses right."""
        while not self._ending.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all texts, so that their responses end, then all connections."""
        for server in self.servers:
            server.close()
        for each in sockets or ():
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        self._service.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_SECONDS):
                while self.server_state.tasks or self.server_state.connections:
                    await asyncio.sleep(0.01)
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def _most_connections() -> int:
    """Return how many connections the limit on open files allows, which is raised if possible."""
    try:
        import resource
    except ImportError:
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    unlimited = soft == resource.RLIM_INFINITY
    return MOST_CONNECTIONS if unlimited else max(min(soft - _OTHER_FILES, MOST_CONNECTIONS), 1)


class _Reporter(logging.Handler):
    """Reports the errors that uvicorn logs, and nothing else."""

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        super().__init__(logging.ERROR)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Report the error of a record, but not those that end a connection."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception) and not isinstance(error, ConnectionError):
            self._report(error)


def _silence(report: Callable[[BaseException], None]) -> None:
    """Let no library print by itself."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], False
        logger.addHandler(_Reporter(report) if name == "uvicorn.error" else logging.NullHandler())
