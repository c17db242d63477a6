"""Operations: what clients can ask for, as the OpenAPI document describes it.

The request of an operation is the Body that its endpoint reads; the schemas of responses are
written out beside the endpoints that send them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from charrnn.serving.fields import Body, Schema

JSON: Final = "application/json"

READING_ERRORS: Final = (400, 401, 414, 421, 431, 500, 503)
SENDING_ERRORS: Final = (*READING_ERRORS, 403, 404, 408, 413, 415, 429)
"""The errors of operations without and with a body."""


@dataclass(frozen=True)
class Operation:
    """An operation.

    Attributes:
        method, path: of HTTP; the path may have parameters in braces.
        summary: what it does, in a sentence.
        body: its request; None without one.
        answer: the JSON Schema of the response.
        media_type: the type of the response.
        also: other types of the response, with their schemas.
        parameters: parameters in the path and in the query, as OpenAPI has them.
        errors: status codes besides those of all operations of its kind.
        needs_key: whether it needs the key of a server that has one.
    """

    method: str
    path: str
    summary: str
    body: Body | None = None
    answer: Schema = field(default_factory=dict)
    media_type: str = JSON
    also: Mapping[str, Schema] = field(default_factory=dict)
    parameters: tuple[dict[str, Any], ...] = ()
    errors: tuple[int, ...] = ()
    needs_key: bool = True


def object_of(**properties: Schema) -> Schema:
    """Return the schema of an object that has all these properties."""
    return {"type": "object", "properties": properties, "required": [*properties]}


def list_of(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def or_null(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


STRING: Final[Schema] = {"type": "string"}
WHOLE: Final[Schema] = {"type": "integer"}
REAL: Final[Schema] = {"type": "number"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
PROBABILITY: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1.000001}


def path_parameter(name: str, help: str) -> dict[str, Any]:
    """Return a parameter in the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": help,
        "schema": {"type": "string", "minLength": 1},
    }


def query_parameter(
    name: str, help: str, schema: Schema, *, required: bool = False
) -> dict[str, Any]:
    """Return a parameter in the query. A list is given by repeating the parameter."""
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": help,
        "schema": schema,
    }
