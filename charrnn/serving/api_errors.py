"""ApiError: what a client is told when its request cannot be answered, in the form of OpenAI's API.

Every error of the server, also of a wrong path or of a host that is not served, has the body
`{"error": {"message": ..., "type": ..., "param": ..., "code": ...}}`.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

INVALID_REQUEST: Final = "invalid_request_error"
SERVER_ERROR: Final = "server_error"

LONGEST_SHOWN: Final = 80
"""The most characters of a value from a request that a message repeats."""


class ApiError(Exception):
    """The end of a request without a result.

    Args:
        message: what is wrong and what to do, in whole sentences; one line.
        status: the status code of HTTP.
        kind: OpenAI's `type` of the error.
        param: the field of the request that is wrong, if one is.
        code: OpenAI's `code`, a word for programs, where there is one.
        headers: more headers of the response.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = INVALID_REQUEST,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.kind = " ".join(message.splitlines()), status, kind
        self.param, self.code = param, code
        self.headers = dict(headers or {})

    def to_json(self) -> dict[str, Any]:
        """Return the body of the response."""
        error = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}

    def to_bytes(self) -> bytes:
        """Return the body of the response as bytes of JSON."""
        return json.dumps(self.to_json()).encode()


def shown(value: object) -> str:
    """Return a value of a request for a message: as JSON, on one line, cut off where it is long."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


SHUTTING_DOWN: Final = "the server is shutting down; try again later"


def shutting_down() -> ApiError:
    """Return the error of a request that the end of the server cuts off."""
    return ApiError(SHUTTING_DOWN, status=503, kind=SERVER_ERROR, code="shutting_down")


def busy(retry_after: float) -> ApiError:
    """Return the error for a request that would have to wait for too long.

    Args:
        retry_after: the seconds after which there is probably room.
    """
    seconds = min(max(math.ceil(retry_after), 1), 3600)
    return ApiError(
        f"too many requests are waiting; try again in {seconds} s",
        status=429,
        kind="rate_limit_exceeded",
        code="rate_limit_exceeded",
        headers={"retry-after": str(seconds)},
    )


class ClientGone(ApiError):
    """The client has closed the connection: nobody reads the response."""

    def __init__(self) -> None:
        super().__init__("the client has closed the connection")
