"""Abusive heads: methods, paths, names, headers, keys, and what is no HTTP."""

import json
import socket
from typing import Final

from tests.stress.abusive_client import (
    CLOSED,
    COMPLETIONS,
    KEY,
    MEGABYTE,
    Dishonest,
    Target,
    answers,
    asked,
    read_answer,
    refuses,
)


def methods(target: Target) -> None:
    """Methods that a path does not have."""
    method = target.chance.choice(
        ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW", "get", "OPTIONS", "PROPFIND", "G@T")
    )
    path = target.chance.choice((COMPLETIONS, "/v1/models", "/health", "/", "*", "/metrics"))
    answer = target.get(path, method)
    if method == "OPTIONS" and 200 <= answer.status < 300:
        if "access-control-allow-origin" in answer.headers:
            raise Dishonest("allows other origins, unasked")
        return
    refuses(answer, closed=method in ("G@T", "get", "CONNECT"))


SECRETS: Final = (b"root:x:", b"BEGIN ", b"Traceback")
PATHS: Final = (
    *("/v1/models/../../../../etc/passwd", "/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/.git"),
    *("/page/../app.py", "/page/..%2f..%2fpyproject.toml", "/page/%2fetc%2fpasswd", "//etc/passwd"),
    *("/page//etc/passwd", "/page/main.js%00.html", "/api/runs/..%2f..%2fetc", "/api/runs/%00"),
    *("/api/runs/..", "/api/curves.svg?run=../../etc&x=step", "/v1/models/" + "a" * 60_000, "/%"),
    *("/v1/models/..\\..\\etc", "/v1/completions/", "/v1", "/wp-login.php", "/?" + "a=b&" * 9_000),
    *("/api/curves.svg?x=%ff", "/api/runs/small?after=1e999", "/v1/models/%ff%fe", "/#/../etc"),
    *("http://evil.example/v1/models/x", "/api/curves.svg?" + "run=a&" * 5_000, "/%u0000", "/ /"),
)


def paths(target: Target) -> None:
    """Paths that lead out of what is served, or are none."""
    path = target.chance.choice(PATHS)
    answer = target.get(path)
    if any(secret in answer.body for secret in SECRETS):
        raise Dishonest(f"{path} shows {answer.body[:200]!r}")
    if not path.startswith(("/?", "/#", "/api")):
        refuses(answer, closed=path in ("/ /", "/%") or len(path) > 10_000)
    elif answer is not CLOSED:
        answers(answer)


def model_names(target: Target) -> None:
    """Names of models that are paths."""
    names = (
        *("../small", "/etc/passwd", "small/../small", "./small", "small\x00", "small ", "SMALL"),
        *("file:///etc/passwd", "hf:owner/name", "~", "checkpoints/small", "\n", "a" * 100_000, ""),
    )
    refuses(target.post(asked(model=target.chance.choice(names))), 400, 404)


def content_types(target: Target) -> None:
    """A sound body under a name that is not JSON, and JSON that is another's."""
    kind = target.chance.choice(
        (
            *(
                "text/plain",
                "text/xml",
                "multipart/form-data; boundary=x",
                "image/png",
                "a" * 5_000,
            ),
            *("application/json; charset=utf-16", "application/x-msgpack", ""),
        )
    )
    answers(target.post(asked(), headers={"Content-Type": kind}))
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    refuses(target.post(b"--x\r\n\r\nab\r\n--x--", headers=form))


def encodings(target: Target) -> None:
    """A body that says that it is compressed."""
    refuses(
        target.post(b"\x1f\x8b\x08" + b"\x00" * 50, headers={"Content-Encoding": "gzip"}), 400, 415
    )


def large_heads(target: Target) -> None:
    """Headers without end, in number or in size."""
    count, size = target.chance.choice(((1, MEGABYTE), (20_000, 10), (300, 1_000), (1, 70_000)))
    headers = {f"X-{number}": "a" * size for number in range(count)}
    refuses(target.send(target.head("/health", "GET", headers), "GET"), closed=True)


SMUGGLED: Final = b"GET /v1/models HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer KEY\r\n\r\n"
LENGTHS: Final = (
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 200",
    b"Content-Length: 0\r\nContent-Length: 100",
    b"Content-Length: +0",
    b"Content-Length: -1",
    b"Content-Length: 0x0",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0",
    b"Content-Length: 0\nTransfer-Encoding: chunked",
)
"""Where a body ends, in ways that two readers understand differently."""


def smuggled(target: Target) -> None:
    """Two lengths of one body: what one reads as its end, another reads as the next request."""
    lengths = target.chance.choice(LENGTHS)
    inner = SMUGGLED.replace(b"HOST", target.host.encode()).replace(b"KEY", KEY.encode())
    lines = [b"POST /v1/completions HTTP/1.1", b"Host: " + target.host.encode()]
    lines += [b"Authorization: Bearer " + KEY.encode(), lengths, b"", b"0\r\n\r\n"]
    with target.connect() as connection:
        received = b""
        try:
            connection.sendall(b"\r\n".join(lines) + inner)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 16):
                received += piece
        except TimeoutError:
            raise Dishonest(f"no answer to {lengths!r}") from None
        except OSError:
            pass
    if b"HTTP/1.1 5" in received:
        raise Dishonest(f"{lengths!r}: {received[:200]!r}")
    if b'"object"' in received:
        raise Dishonest(f"{lengths!r} lets another request through: {received[:80]!r}")


GARBAGE: Final = (
    *(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\n"),
    *(b"GET /\r\n\r\n", b"GET / HTTP/3.7\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\r\n" * 5_000),
    *(b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"SSH-2.0-x\r\n\r\n"),
    *(b"GET / HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"),
    *(b"GET /\x00 HTTP/1.1\r\nHost: HOST\r\n\r\n", b"A" * 200_000, b"GET / HTTP/1.1\rHost: a\r\r"),
    *(b"GET / HTTP/1.1\r\nHost: HOST\r\nX: \xff\xfe\r\n\r\n", b"\x00" * 70_000, b"{}" * 40_000),
)


def garbage(target: Target) -> None:
    """What is no HTTP, or not quite."""
    content = target.chance.choice(GARBAGE).replace(b"HOST", target.host.encode())
    if target.chance.random() < 0.2:
        content = target.chance.randbytes(target.chance.randint(1, 3_000)) + b"\r\n\r\n"
    with target.connect() as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            return
        answer = read_answer(connection, "GET")
    if answer.status >= 500:
        raise Dishonest(f"{content[:60]!r}: status {answer.status}")


def hosts(target: Target) -> None:
    """A page whose name leads to this machine, as in DNS rebinding."""
    host = target.chance.choice(
        (
            *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "0x7f.1"),
            *("evil.example:8080", "127.0.0.1@evil.example", "user@127.0.0.1", "a" * 10_000),
            "127.0.0.1,",
        )
    )
    refuses(
        target.get(target.chance.choice(("/v1/models", "/health", "/")), headers={"Host": host})
    )


def cross_site(target: Target) -> None:
    """Another site's page that posts, or asks whether it may."""
    origin = target.chance.choice(
        (
            "https://evil.example",
            "null",
            "http://localhost.evil.example",
            "file://",
            "http://[::1]:1",
        )
    )
    more = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    if target.chance.random() < 0.5:
        asks = {**more, "Access-Control-Request-Method": "POST", "Authorization": ""}
        answer = target.get(COMPLETIONS, "OPTIONS", asks)
    else:
        content = json.dumps(asked()).encode()
        plain = {**more, "Content-Type": "text/plain", "Content-Length": str(len(content))}
        answer = target.send(target.head(COMPLETIONS, headers=plain) + content)
        refuses(answer)
    if "access-control-allow-origin" in answer.headers:
        raise Dishonest(f"allows {answer.headers['access-control-allow-origin']}, unasked")


def keys(target: Target) -> None:
    """Keys that are not the key."""
    key = target.chance.choice(
        (
            *("", "Bearer", "Bearer ", f"Bearer {KEY}x", f"Basic {KEY}", KEY, "Bearer \xff"),
            *(f"Bearer {KEY[:-1]}", "Bearer " + "a" * 10_000, f"Bearer {KEY}, Bearer {KEY}"),
        )
    )
    path = target.chance.choice((COMPLETIONS, "/tokenize", "/api/score", "/api/fill"))
    refuses(target.post(asked(), path, {"Authorization": key}), 401, 400)


def upgrades(target: Target) -> None:
    """Other protocols that are asked for."""
    protocol = target.chance.choice(("websocket", "h2c", "TLS/1.0"))
    more = {"Upgrade": protocol, "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    more["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    path = target.chance.choice(("/v1/models", COMPLETIONS, "/nowhere"))
    with target.connect() as connection:
        connection.sendall(target.head(path, "GET", more))
        connection.shutdown(socket.SHUT_WR)
        answer = read_answer(connection, "GET")
    if answer.status >= 500 or answer.status == 101:
        raise Dishonest(f"status {answer.status}")
