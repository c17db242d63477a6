"""Server-sent events, as responses that are streamed have them."""

import json
from typing import Any, Final

from charrnn.serving.fields import Schema

COMPACT: Final = (",", ":")
"""The separators of compact JSON."""

DONE: Final = b"data: [DONE]\n\n"
"""The end of a stream of events."""

HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy must not wait for more
]
"""The headers of a stream of events."""

EVENTS: Final[Schema] = {
    "description": "Server-sent events: each has the next part of the answer as JSON, the last one "
    "is [DONE]."
}
"""The schema of a stream of events."""


def event(data: Any) -> bytes:
    """Return an event with JSON data."""
    return event_of(json.dumps(data, separators=COMPACT).encode())


def event_of(content: bytes) -> bytes:
    """Return an event with JSON, which is on one line."""
    return b"data: " + content + b"\n\n"


def response_body(content: bytes, *, is_last: bool = False) -> dict[str, Any]:
    """Return the message of ASGI with a part of a response's body."""
    return {"type": "http.response.body", "body": content, "more_body": not is_last}
