"""Guard: what every request passes first: its host, its origin, its key, and what is measured.

It is an ASGI application around another. What the inner one raises unexpectedly becomes an error
without details, so that no traceback leaves the machine.
"""

import hmac
import time
from collections.abc import Callable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from charrnn.errors import CharRNNError
from charrnn.serving.api_errors import SERVER_ERROR, ApiError, ClientGone
from charrnn.serving.hosts import Hosts, Origins
from charrnn.serving.metrics import Metrics
from charrnn.serving.options import ServingConfig
from charrnn.serving.service import to_api_error

MOST_HEADERS: Final = 100
LARGEST_HEADERS: Final = 32 << 10
"""The most headers of a request, and the most bytes of all of them."""

LONGEST_URL: Final = 8 << 10

OPEN_PATHS: Final = ("/", "/health", "/openapi.json")
OPEN_FOLDER: Final = "/page/"
"""What needs no key: nothing of it depends on a model."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: nothing from elsewhere, and no script or style within the document."""

SECURITY_HEADERS: Final = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
]

SAFE_METHODS: Final = ("GET", "HEAD")

Log = Callable[[str], None]


class Guard:
    """An application that lets only allowed requests reach another.

    Args:
        app: the application inside.
        config: the settings.
        metrics: counts requests and their durations.
        log: takes a line for each request; None without.
        report: takes each error that nobody expected.
    """

    def __init__(
        self,
        app: ASGIApp,
        config: ServingConfig,
        metrics: Metrics,
        *,
        log: Log | None,
        report: Callable[[BaseException], None],
    ) -> None:
        self._app, self._metrics, self._log, self._report = app, metrics, log, report
        self._key = None if config.api_key is None else config.api_key.encode()
        self._hosts, self._origins = Hosts(config.allowed_host), Origins(config.cors_origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await _live(receive, send)
            return
        began, status = time.perf_counter(), 0
        more_headers = SECURITY_HEADERS

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *more_headers]
            await send(message)

        try:
            headers = self._headers(scope)
            host = self._check_host(headers)
            more_headers = [*SECURITY_HEADERS, *self._check_origin(scope, headers, host)]
            scope["app"] = self  # so that the router raises errors
            if scope["method"] == "OPTIONS":
                await self._answer_preflight(headers, send_guarded)
            else:
                self._check_key(scope["path"], headers)
                await self._app(scope, receive, send_guarded)
        except ClientGone:
            pass
        except Exception as error:
            told = self._told(scope, error)
            if status:  # the response has begun: the connection is cut off
                raise ConnectionAbortedError from None
            await send_error(told, send_guarded)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.count_request(scope, status, seconds)
            if self._log is not None:
                self._log(describe(scope, status, seconds))

    def _told(self, scope: Scope, error: Exception) -> ApiError:
        """Return what a client is told of an error."""
        if isinstance(error, ApiError):
            return error
        if isinstance(error, CharRNNError):
            return to_api_error(error)
        if isinstance(error, HTTPException):
            return _of_router(scope, error)
        self._report(error)
        return internal_error()

    def _headers(self, scope: Scope) -> dict[str, str]:
        """Return the headers that matter. Raises ApiError for too many, or too large ones."""
        given = scope["headers"]
        size = sum(len(name) + len(value) for name, value in given)
        if len(given) > MOST_HEADERS or size > LARGEST_HEADERS:
            raise ApiError(
                f"the headers of the request are too large: send up to {MOST_HEADERS} of them, "
                f"with {LARGEST_HEADERS:,} bytes together",
                status=431,
                code="headers_too_large",
            )
        if len(scope["path"]) + len(scope["query_string"]) > LONGEST_URL:
            raise ApiError("the URL of the request is too long", status=414, code="url_too_long")
        headers: dict[str, str] = {}
        for name, value in given:
            key = name.decode("latin-1")
            if key == "host" and key in headers:
                raise ApiError("the request has two Host headers")
            headers[key] = value.decode("latin-1")
        return headers

    def _check_host(self, headers: dict[str, str]) -> str:
        """Return the Host header. Raises ApiError unless it is one that is served."""
        host = headers.get("host", "")
        if host not in self._hosts:
            raise ApiError(
                "the server does not answer for the host that the request names; start it with "
                "--allowed-host NAME if it should",
                status=421,
                code="host_not_allowed",
            )
        return host

    def _check_origin(
        self, scope: Scope, headers: dict[str, str], host: str
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers that let a page of an allowed origin read the response.

        Raises ApiError for what another page has sent and may not send.
        """
        origin = headers.get("origin")
        if origin is None and headers.get("sec-fetch-site") != "cross-site":
            return []
        if origin is not None and self._origins.is_own(origin, host):
            return []
        if origin is not None and self._origins.is_allowed(origin):
            return [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", b"retry-after"),
                (b"vary", b"origin"),
            ]
        if scope["method"] in SAFE_METHODS:
            return []  # the browser does not let the page read it
        raise ApiError(
            "pages of other origins may not use this server; start it with --cors-origin ORIGIN "
            "if one should",
            status=403,
            code="origin_not_allowed",
        )

    @staticmethod
    async def _answer_preflight(headers: dict[str, str], send: Send) -> None:
        """Answer a browser's question whether a page may send a request."""
        answer = [
            (b"access-control-allow-methods", b"GET, POST"),
            # Clients send headers of their own; a star alone does not stand for the key's.
            (b"access-control-allow-headers", b"authorization, *"),
            (b"access-control-max-age", b"600"),
        ]
        if headers.get("access-control-request-private-network") == "true":
            answer.append((b"access-control-allow-private-network", b"true"))
        if "origin" not in headers or "access-control-request-method" not in headers:
            answer = [(b"allow", b"GET, POST")]
        await send({"type": "http.response.start", "status": 204, "headers": answer})
        await send({"type": "http.response.body", "body": b""})

    def _check_key(self, path: str, headers: dict[str, str]) -> None:
        """Raise ApiError unless the request has the key, or needs none."""
        if self._key is None or path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = key.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
        if not hmac.compare_digest(given, self._key):
            what = "is not right" if given else "is missing"
            raise ApiError(
                f"the API key {what}; send it in the header Authorization: Bearer KEY",
                status=401,
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )


async def _live(receive: Receive, send: Send) -> None:
    """Answer the messages about the beginning and the end of a server that sends them."""
    kind = ""
    while kind != "lifespan.shutdown":
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})


async def send_error(error: ApiError, send: Send) -> None:
    """Send an error as the response."""
    body = error.to_bytes()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **error.headers,
    }
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def internal_error() -> ApiError:
    """Return what a client is told of an error that nobody expected."""
    return ApiError(
        "the server failed to answer the request; its own messages say why",
        status=500,
        kind=SERVER_ERROR,
        code="internal_error",
    )


def _of_router(scope: Scope, error: HTTPException) -> ApiError:
    """Return what a client is told whose path or method does not exist."""
    path = scope["path"][:80]
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        methods = sorted({each.strip() for each in allowed.split(",")} - {"HEAD"})
        return ApiError(
            f"{path} takes no {scope['method']}; send {' or '.join(methods)}",
            status=405,
            code="method_not_allowed",
            headers={"allow": allowed},
        )
    return ApiError(
        f"there is no {path}; /openapi.json lists all that there is",
        status=error.status_code,
        code="not_found",
    )


def describe(scope: Scope, status: int, seconds: float) -> str:
    """Return the line of the log for a request: without the query, which may have secrets, and
    without its headers."""
    client = scope.get("client")
    path = scope["path"].encode("ascii", "backslashreplace").decode()[:200]
    shown = "".join(each if each.isprintable() else "?" for each in path)
    who = client[0] if client else "-"
    return f"{who} {scope['method']} {shown} {status or 'gone'} {seconds * 1000:.0f} ms"
