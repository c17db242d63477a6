"""Reading the body of a request: JSON of a bounded size, or an ApiError."""

import json
from typing import Any, Final, NoReturn

from starlette.requests import ClientDisconnect, Request

from charrnn.serving.api_errors import ApiError

LARGEST_BODY: Final = 1 << 20
"""The most bytes of a request's body."""

JSON_TYPE: Final = "application/json"


async def read_json(request: Request) -> Any:
    """Return the JSON value of a request's body. Raises ApiError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON_TYPE:
        raise ApiError(
            f"the content type of the request has to be {JSON_TYPE}",
            status=415,
            code="unsupported_media_type",
        )
    return parse_json(await read_body(request))


async def read_body(request: Request) -> bytes:
    """Return the body of a request. Raises ApiError when it is too large."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise too_large()
    except ClientDisconnect:
        raise ApiError("the client went away", status=400) from None
    return bytes(body)


def too_large() -> ApiError:
    """Return the error for a body that is too large."""
    return ApiError(
        f"the request has more than {LARGEST_BODY:,} bytes; send it in parts",
        status=413,
        code="request_too_large",
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
