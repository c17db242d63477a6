"""A server process to measure, and a load generator that takes little of the processor itself.

Requests go over plain sockets that one loop watches; responses are read after they have ended.
"""

import heapq
import itertools
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

START_SECONDS: Final = 60.0
_URL: Final = re.compile(r"http://[^\s/]+:(\d+)")
_SOME_TEXT: Final = re.compile(rb'"text": ?"[^"]')
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Server:
    """`charrnn serve` in a process of its own.

    Attributes:
        port: where it listens, on 127.0.0.1.
        stderr: the file of its messages.
    """

    def __init__(self, folder: Path, arguments: Sequence[str], cwd: Path | None = None) -> None:
        self.stderr = folder / "serve.stderr"
        command = [sys.executable, "-m", "charrnn", "serve", "--port", "0", *arguments]
        with self.stderr.open("wb") as messages:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages, cwd=cwd
            )
        self.port = self._wait()

    def _wait(self) -> int:
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit:
            messages = self.stderr.read_text(errors="replace")
            found = _URL.search(messages)
            if found:  # it listens by now, so a first request waits until it is answered
                return int(found[1])
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended: {messages}")
            time.sleep(0.02)
        self.process.kill()
        self.process.wait()
        raise RuntimeError(f"the server does not say where it listens: {messages}")

    @staticmethod
    def answers(port: int, seconds: float = 1.0) -> bool:
        """Return whether /health is answered with 200 within some seconds."""
        try:
            with socket.create_connection(("127.0.0.1", port), seconds) as connection:
                connection.sendall(request(port, "/health", close=True))
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def processor_seconds(self) -> float:
        """Return the processor time that it has taken so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Return the memory that it holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return 1024 * int(found[1])

    def stop(self, seconds: float = 10.0) -> int:
        """End it as Ctrl-C does; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Server]:
    """Start a server that ends with the block."""
    server = Server(folder, arguments)
    try:
        yield server
    finally:
        server.stop()


def request(
    port: int, path: str, body: dict[str, Any] | None = None, *, close: bool = False
) -> bytes:
    """Return the bytes of a request: a POST of JSON, or a GET without a body."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        *(["Content-Type: application/json", f"Content-Length: {len(content)}"] if body else ()),
        *(["Connection: close"] if close else ()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Exchange:
    """One request and its response, on a connection of its own.

    Attributes:
        began, first, ended: the moments of its start, of the first character, and of its end.
    """

    def __init__(self, content: bytes, done: Callable[["Exchange"], None] | None) -> None:
        self.began = time.perf_counter()
        self.first = self.ended = 0.0
        self.unsent = memoryview(content)
        self.received: list[bytes] = []
        self.done = done

    @property
    def response(self) -> bytes:
        """The whole response, with its head."""
        return b"".join(self.received)

    @property
    def text(self) -> str:
        """The text of a streamed completion. Raises ValueError for anything else."""
        return streamed_text(self.response)


class Load:
    """A loop that runs many exchanges with a server, and actions at their time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.running = 0
        self._selector = selectors.DefaultSelector()
        self._actions: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def start(self, content: bytes, done: Callable[[Exchange], None] | None = None) -> Exchange:
        """Send a request; call `done` when the server has closed the connection."""
        exchange = Exchange(content, done)
        connection = socket.socket()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", self.port))
        events = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.register(connection, events, exchange)
        self.running += 1
        return exchange

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call an action later."""
        moment = time.perf_counter() + seconds
        heapq.heappush(self._actions, (moment, next(self._order), action))

    def run(self, seconds: float = 120.0) -> None:
        """Run until nothing is left to do. Raises TimeoutError."""
        limit = time.perf_counter() + seconds
        while self.running or self._actions:
            now = time.perf_counter()
            if now > limit:
                raise TimeoutError(f"{self.running} requests are unanswered after {seconds:.0f} s")
            while self._actions and self._actions[0][0] <= now:
                heapq.heappop(self._actions)[2]()
            wait = min(limit, self._actions[0][0]) - now if self._actions else limit - now
            for key, events in self._selector.select(max(wait, 0.0) if self.running else 0.0):
                self._handle(key.fileobj, key.data, events)  # type: ignore[arg-type]
            if not self.running and self._actions:
                time.sleep(max(self._actions[0][0] - time.perf_counter(), 0.0))
        self._selector.close()

    def _handle(self, connection: socket.socket, exchange: Exchange, events: int) -> None:
        if events & selectors.EVENT_WRITE and exchange.unsent:
            exchange.unsent = exchange.unsent[connection.send(exchange.unsent) :]
            if not exchange.unsent:
                self._selector.modify(connection, selectors.EVENT_READ, exchange)
        if not events & selectors.EVENT_READ:
            return
        received = connection.recv(1 << 18)
        if received:
            exchange.received.append(received)
            if not exchange.first and _SOME_TEXT.search(exchange.response):
                exchange.first = time.perf_counter()
            return
        exchange.ended = time.perf_counter()
        self._selector.unregister(connection)
        connection.close()
        self.running -= 1
        if exchange.done is not None:
            exchange.done(exchange)


def body_of(response: bytes) -> bytes:
    """Return the body of a response that ended with its connection."""
    head, _, rest = response.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    body = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(body)


def streamed_text(response: bytes) -> str:
    """Return the text of a stream of events of one choice. Raises ValueError for anything else."""
    if not response.startswith(b"HTTP/1.1 200"):
        raise ValueError(response[:500].decode(errors="replace"))
    lines = body_of(response).decode().splitlines()
    events = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    if not events or events.pop() != "[DONE]":
        raise ValueError(f"a stream without an end: {events[-1:]}")
    return "".join(
        choice["text"] for event in events for choice in json.loads(event).get("choices", ())
    )


class ShortRequests:
    """Many requests over a few connections that stay open, several sent ahead on each.

    Attributes:
        answered: how many were answered with 200.
        refused: how many were answered with anything else.
    """

    def __init__(
        self, port: int, contents: Iterator[bytes], *, connections: int = 4, ahead: int = 8
    ) -> None:
        self.answered = self.refused = 0
        self._contents = contents
        self._ahead = ahead
        self._selector = selectors.DefaultSelector()
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port))
            self._selector.register(connection, selectors.EVENT_READ, bytearray())
            self._send(connection, ahead)
            connection.setblocking(True)

    def _send(self, connection: socket.socket, count: int) -> None:
        connection.sendall(b"".join(itertools.islice(self._contents, count)))

    def run(self, count: int) -> None:
        """Wait until `count` more are answered; the requests must not end before."""
        until = self.answered + self.refused + count
        while self.answered + self.refused < until:
            ready = self._selector.select(60.0)
            if not ready:
                raise TimeoutError("no short request was answered within a minute")
            for key, _ in ready:
                connection, waiting = key.fileobj, key.data
                assert isinstance(connection, socket.socket)
                received = connection.recv(1 << 16)
                if not received:
                    raise ConnectionError("the server closed a connection that was to stay open")
                waiting += received
                if finished := self._count(waiting):
                    self._send(connection, finished)

    def _count(self, waiting: bytearray) -> int:
        """Take the whole responses out of what was received; return how many."""
        finished = begin = 0
        while (end := waiting.find(b"\r\n\r\n", begin)) >= 0:
            length = _LENGTH.search(waiting, begin, end)
            if length is None:
                raise ValueError(f"no length: {bytes(waiting[begin:end])!r}")
            if len(waiting) < end + 4 + int(length[1]):
                break
            if waiting.startswith(b"HTTP/1.1 200", begin):
                self.answered += 1
            else:
                self.refused += 1
            finished += 1
            begin = end + 4 + int(length[1])
        del waiting[:begin]
        return finished

    def close(self) -> None:
        """Close the connections."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
