"""A client that sends what no client should, and tells honest answers from others.

An answer is honest where it says what was wrong with a code from 400 to 499; where a request is no
HTTP at all, the connection may also be closed without one.
"""

import http.client
import json
import random
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

KEY: Final = "open-sesame"
"""The key of the server that is abused."""

LENGTH: Final = 20
PATIENCE: Final = 30.0
"""Seconds after which an answer is not waited for any longer."""

MEGABYTE: Final = 1 << 20
MODEL: Final = "small"
COMPLETIONS: Final = "/v1/completions"

Headers = Mapping[str, str]


class Dishonest(Exception):
    """An answer that is wrong, or none where one is due."""


@dataclass(frozen=True)
class Answer:
    """What the server says; status 0 where it closes the connection without a word."""

    status: int
    headers: Headers
    body: bytes


CLOSED: Final = Answer(0, {}, b"")


@dataclass(frozen=True)
class Target:
    """The server, and the chance that decides what is sent."""

    port: int
    chance: random.Random

    @property
    def host(self) -> str:
        """The Host header that it expects."""
        return f"127.0.0.1:{self.port}"

    def connect(self, buffer: int | None = None) -> socket.socket:
        """A new connection; one with a small buffer takes no more than that unread."""
        connection = socket.socket()
        connection.settimeout(PATIENCE)
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def head(self, path: str, method: str = "POST", headers: Headers | None = None) -> bytes:
        """The head of a request; headers that are empty are left out."""
        lines = {
            "Host": self.host,
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/json",
            "Connection": "close",
            **(headers or {}),
        }
        shown = [f"{name}: {value}" for name, value in lines.items() if value]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *shown, "", ""]).encode("latin-1")

    def send(self, content: bytes | Iterator[bytes], method: str = "POST") -> Answer:
        """Send bytes as they are, and return the first answer."""
        with self.connect() as connection:
            pieces = [content] if isinstance(content, bytes) else content
            try:
                for piece in pieces:
                    connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has said enough
            return read_answer(connection, method)

    def post(self, body: object, path: str = COMPLETIONS, headers: Headers | None = None) -> Answer:
        """Post JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        length = {"Content-Length": str(len(content))}
        return self.send(self.head(path, headers={**length, **(headers or {})}) + content)

    def get(self, path: str, method: str = "GET", headers: Headers | None = None) -> Answer:
        """Send a request without a body."""
        return self.send(self.head(path, method, headers), method)


def read_answer(connection: socket.socket, method: str = "POST") -> Answer:
    """The first answer on a connection. Raises Dishonest where none comes in time."""
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        body = response.read()
    except TimeoutError:
        raise Dishonest(f"no answer for {PATIENCE:.0f} s") from None
    except (http.client.HTTPException, ConnectionError):
        return CLOSED
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)


def refuses(answer: Answer, *statuses: int, closed: bool = False) -> None:
    """Raise Dishonest unless it is an error of the client's, of these statuses where some are
    given.

    Args:
        closed: whether the connection may be closed without an answer.
    """
    if answer is CLOSED and closed:
        return
    honest = 400 <= answer.status < 500 if not statuses else answer.status in statuses
    if not honest:
        raise Dishonest(f"status {answer.status}: {answer.body[:200]!r}")
    _check_message(answer)


def _check_message(answer: Answer) -> None:
    """Raise Dishonest where what is wrong is not one line that a person reads."""
    if answer.headers.get("content-type", "").startswith("application/json"):
        message = json.loads(answer.body)["error"]["message"]
        if not message or "\n" in message or len(message) > 1_000:
            raise Dishonest(f"not a message for people: {answer.body[:200]!r}")


def answers(answer: Answer) -> None:
    """Raise Dishonest unless it is a result or an error of the client's."""
    if not 200 <= answer.status < 500:
        raise Dishonest(f"status {answer.status}: {answer.body[:200]!r}")
    if answer.status >= 400:
        _check_message(answer)
    elif b"NaN" in answer.body or b"Infinity" in answer.body:
        raise Dishonest(f"no JSON: {answer.body[:200]!r}")


def asked(**changes: Any) -> dict[str, Any]:
    """A sound request, but for what is changed."""
    return {"model": MODEL, "prompt": "ab", "max_tokens": LENGTH, **changes}
