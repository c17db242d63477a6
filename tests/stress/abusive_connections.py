"""Abusive connections: slow, half-open, dropped, never read, and too many."""

import json
import socket
import struct
import time

from tests.stress.abusive_client import (
    COMPLETIONS,
    Dishonest,
    Target,
    answers,
    asked,
    read_answer,
    refuses,
)


def slow_head(target: Target) -> None:
    """A head that comes byte by byte, and never ends."""
    with target.connect() as connection:
        head = target.head(COMPLETIONS)[:-2]
        try:
            for byte in head[: target.chance.randint(1, 12)]:
                connection.sendall(bytes([byte]))
                time.sleep(target.chance.uniform(0.0, 0.05))
        except ConnectionError:
            return


def half_body(target: Target) -> None:
    """A body that ends before its announced length, by one side only or by both."""
    head = target.head(COMPLETIONS, headers={"Content-Length": "100000"})
    with target.connect() as connection:
        connection.sendall(head + b'{"prompt": "a')
        if target.chance.random() < 0.5:
            connection.shutdown(socket.SHUT_WR)
            refuses(read_answer(connection), closed=True)
        elif target.chance.random() < 0.5:
            reset(connection)


def expecting(target: Target) -> None:
    """Expect: 100-continue, without the body."""
    head = target.head(COMPLETIONS, headers={"Content-Length": "50", "Expect": "100-continue"})
    with target.connect() as connection:
        connection.sendall(head)
        connection.settimeout(0.2)
        try:
            connection.recv(1000)
        except (TimeoutError, ConnectionError):
            return


def reset(connection: socket.socket) -> None:
    """Close a connection with a reset, as a process that dies does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def dropped_stream(target: Target) -> None:
    """A client that goes after some event of a stream, or never reads it."""
    body = asked(stream=True, max_tokens=5_000, n=target.chance.randint(1, 3))
    content = json.dumps(body).encode()
    head = target.head(COMPLETIONS, headers={"Content-Length": str(len(content))})
    events = target.chance.randint(0, 12)
    with target.connect(buffer=4096) as connection:
        connection.sendall(head + content)
        received = b""
        while received.count(b"\n\n") < events and b"[DONE]" not in received:
            if not (piece := connection.recv(1024)):
                break
            received += piece
        if target.chance.random() < 0.5:
            reset(connection)


def unread_stream(target: Target) -> None:
    """A client that stays and does not read."""
    body = json.dumps(asked(stream=True, max_tokens=1 << 40, n=2)).encode()
    with target.connect(buffer=2048) as connection:
        connection.sendall(
            target.head(COMPLETIONS, headers={"Content-Length": str(len(body))}) + body
        )
        time.sleep(target.chance.uniform(0.1, 1.0))


def queue_times_four(target: Target, places: int = 24) -> None:
    """Four times as many requests at once as there are places."""
    body = json.dumps(asked(max_tokens=2_000, seed=1)).encode()
    content = target.head(COMPLETIONS, headers={"Content-Length": str(len(body))}) + body
    connections = []
    try:
        for _ in range(4 * places):
            connections.append(target.connect())
            connections[-1].sendall(content)
        for connection in connections:
            answer = read_answer(connection)
            if answer.status not in (200, 429):
                raise Dishonest(f"status {answer.status}: {answer.body[:200]!r}")
            if answer.status == 429 and int(answer.headers.get("retry-after", "0")) < 1:
                raise Dishonest("429 without Retry-After")
    finally:
        for connection in connections:
            connection.close()


def pipelined(target: Target) -> None:
    """Many requests before the first answer, on a connection that then goes."""
    body = json.dumps(asked(max_tokens=2)).encode()
    head = target.head(
        COMPLETIONS, headers={"Content-Length": str(len(body)), "Connection": "keep-alive"}
    )
    with target.connect() as connection:
        connection.sendall((head + body) * target.chance.randint(2, 100))
        if target.chance.random() < 0.5:
            answers(read_answer(connection))
        else:
            reset(connection)
