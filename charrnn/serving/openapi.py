"""GET /openapi.json: the OpenAPI 3.1 document, made of the declarations of all operations."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from charrnn import __version__
from charrnn.serving.fields import Schema
from charrnn.serving.operations import (
    JSON,
    READING_ERRORS,
    SENDING_ERRORS,
    STRING,
    Operation,
    object_of,
    or_null,
)

ERROR: Final = object_of(
    error=object_of(message=STRING, type=STRING, param=or_null(STRING), code=or_null(STRING))
)

DESCRIPTION: Final = (
    "Character-level language models on this machine. Texts are written in the form of OpenAI's "
    "completions API, with extensions; the other tasks have paths of their own below /api."
)

OPENAPI: Final = Operation(
    "GET",
    "/openapi.json",
    "Return this document.",
    answer={"type": "object"},
    needs_key=False,
)


def document(operations: Sequence[Operation], *, with_key: bool) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        operations: all operations.
        with_key: whether the server has a key.
    """
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        described = _describe(each, with_key=with_key)
        paths.setdefault(each.path, {})[each.method.lower()] = described
    key = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "charrnn", "version": __version__, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR},
            **({"securitySchemes": {"key": key}} if with_key else {}),
        },
    }


def _describe(operation: Operation, *, with_key: bool) -> dict[str, Any]:
    media_types: dict[str, Schema] = {operation.media_type: operation.answer, **operation.also}
    content = {name: {"schema": schema} for name, schema in media_types.items()}
    has_body = operation.body is not None
    errors = SENDING_ERRORS if has_body else READING_ERRORS
    responses: dict[str, Any] = {"200": {"description": "The answer.", "content": content}}
    for status in sorted({*errors, *operation.errors}):
        responses[str(status)] = _response(status)
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}{operation.path}".replace("/", "_"),
        "responses": responses,
    }
    if operation.body is not None:
        body = {JSON: {"schema": operation.body.schema()}}
        described["requestBody"] = {"required": True, "content": body}
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if with_key and operation.needs_key:
        described["security"] = [{"key": []}]
    return described


def _response(status: int) -> dict[str, Any]:
    """Return an error, or what has no body."""
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if status != HTTPStatus.NOT_MODIFIED:
        described["content"] = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    return described


def routes(operations: Sequence[Operation], *, with_key: bool) -> list[BaseRoute]:
    """Return the route of the document.

    Args:
        operations: all operations but this one.
        with_key: whether the server has a key.
    """
    content = json.dumps(document([*operations, OPENAPI], with_key=with_key)).encode()

    async def show_document(_: Request) -> Response:
        return Response(content, media_type=JSON)

    return [Route("/openapi.json", show_document, methods=["GET"])]
