"""The protocol of a connection: uvicorn's, with deadlines and limits for clients that are slow or
do not end.

A client has a few seconds for the head of a request, and between two. One that does not read what
it asked for is cut off, which frees its lanes.
"""

import asyncio
import contextlib
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from charrnn.serving.api_errors import SERVER_ERROR, ApiError
from charrnn.serving.guard import LARGEST_HEADERS

HEAD_SECONDS: Final = 10.0
"""The longest time for the head of a request."""

WRITE_SECONDS: Final = 30.0
"""The longest time for which a client may leave what is sent to it unread."""

LINGER_SECONDS: Final = 5.0
"""The longest time for the last bytes of a connection that is closed."""

_LARGEST_HEAD: Final = 2 * LARGEST_HEADERS

_REASONS: Final = {400: "Bad Request", 431: "Request Header Fields Too Large"}
_BUSY: Final = ApiError(
    "the server has too many connections; try again later",
    status=503,
    kind=SERVER_ERROR,
    code="too_many_connections",
    headers={"retry-after": "1"},
)


class Limits(asyncio.Protocol):
    """Deadlines and limits, for the subclasses of uvicorn's protocols.

    Attributes:
        most_connections: the number of connections from which on others are refused.
    """

    most_connections = 1000

    # what uvicorn's protocols have:
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    connections: set[Any]
    cycle: Any

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._is_lost = False

    @property
    def _awaits_head(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse a connection too many, or wait for the head of a request."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self.transport.write(_raw_response(_BUSY, "Service Unavailable"))
            self._close()
        else:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_of_head)

    def connection_lost(self, error: Exception | None) -> None:
        """Stop all timers."""
        self._is_lost = True
        for timer in (self._head_timer, self._write_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request. The head has a largest size and a deadline."""
        if self.transport.is_closing():
            return
        before, awaited = self.cycle, self._awaits_head
        if awaited:
            self._head_bytes += len(data)
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_of_head)
        super().data_received(data)
        if self.cycle is not before:
            self._head_bytes = 0
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif awaited and self._head_bytes > _LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("the head of the request is too large", 431)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Close a connection that is not kept within a few seconds, read or not."""
        super().on_response_complete()  # type: ignore[misc]
        if self.transport.is_closing():
            self._close()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection without a further request."""
        super().timeout_keep_alive_handler()  # type: ignore[misc]
        self._close()

    def send_400_response(self, message: str, status: int = 400) -> None:
        """Refuse what is not HTTP."""
        kind = ApiError(message.rstrip(".").lower(), status=status, code="bad_request")
        self.transport.write(_raw_response(kind, _REASONS[status]))
        self._close()

    def _end_of_head(self) -> None:
        self._head_timer = None
        self._close()

    def _close(self) -> None:
        """Close the connection, after LINGER_SECONDS also if the client reads nothing."""
        if not self.transport.is_closing():
            self.transport.close()
        if not self._is_lost and self._linger_timer is None:
            self._linger_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def _raw_response(error: ApiError, reason: str) -> bytes:
    """Return a whole response with an error, for a connection without a request."""
    body = error.to_bytes()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **error.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {error.status} {reason}\r\n{head}\r\n".encode() + body


class PlainProtocol(Limits, H11Protocol):
    """The protocol in Python alone."""


def protocol_class(most_connections: int) -> type[asyncio.Protocol]:
    """Return the protocol for connections: the one in C where httptools is installed.

    Args:
        most_connections: the number of connections from which on others are refused.
    """
    base: type[Any] = PlainProtocol
    with contextlib.suppress(ImportError):
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        base = type("CompiledProtocol", (Limits, HttpToolsProtocol), {})
    return type(base.__name__, (base,), {"most_connections": most_connections})
