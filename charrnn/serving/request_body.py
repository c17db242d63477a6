"""Reading the body of a request: JSON of a bounded size, or an ApiError."""

import asyncio
import json
from typing import Any, Final, NoReturn

from starlette.requests import ClientDisconnect, Request

from charrnn.serving.api_errors import ApiError, ClientGone

LARGEST_BODY: Final = 1 << 20
"""The most bytes of a request's body."""

BODY_SECONDS: Final = 30.0
"""The longest time that a client may take to send a body."""

_LARGEST_DISCARDED: Final = 1 << 28
"""The most bytes of a body that are read to no end, so that its sender reads the error."""

JSON_TYPE: Final = "application/json"


async def read_json(request: Request) -> Any:
    """Return the JSON value of a request's body. Raises ApiError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request)
    if kind != JSON_TYPE:
        raise ApiError(
            f"the content type of the request has to be {JSON_TYPE}",
            status=415,
            code="unsupported_media_type",
        )
    return parse_json(body)


async def read_body(request: Request) -> bytes:
    """Return the body of a request. Raises ApiError when it is too large or comes too slowly."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_body(request)
    except TimeoutError:
        raise ApiError(
            f"the request did not arrive within {BODY_SECONDS:.0f} s",
            status=408,
            code="request_timeout",
            headers={"connection": "close"},
        ) from None
    except ClientDisconnect:
        raise ClientGone from None


async def _read_body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "")
    too_large = announced.isdigit() and len(announced) < 20 and int(announced) > LARGEST_BODY
    if too_large and "expect" in request.headers:  # the client waits for a word to send it
        raise _too_large()
    body, discarded = bytearray(), 0
    async for chunk in request.stream():
        if too_large:
            discarded += len(chunk)
            if discarded > _LARGEST_DISCARDED:
                break
            continue
        body += chunk
        if len(body) > LARGEST_BODY:
            too_large, discarded = True, len(body)
            body.clear()
    if too_large:
        raise _too_large()
    return bytes(body)


def _too_large() -> ApiError:
    return ApiError(
        f"the request has more than {LARGEST_BODY:,} bytes; send it in parts",
        status=413,
        code="request_too_large",
        headers={"connection": "close"},
    )


def parse_json(body: bytes) -> Any:
    """Return the value of JSON in UTF-8, in which all numbers are finite. Raises ApiError."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ApiError(f"the request is not UTF-8 at byte {error.start:,}") from None
    except json.JSONDecodeError as error:
        raise ApiError(
            f"the request is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise ApiError("the JSON of the request is nested too deeply") from None
    except ValueError:  # an integer of thousands of digits
        raise ApiError("the request has a number with too many digits") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ApiError(f"the request is not JSON: {name} is not a number there")
