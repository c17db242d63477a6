"""GET /v1/models and /v1/models/{id}: the models that are served."""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from charrnn.serving.operations import (
    BOOLEAN,
    STRING,
    WHOLE,
    Operation,
    list_of,
    object_of,
    path_parameter,
)
from charrnn.serving.service import Service

MODEL: Final = object_of(
    id=STRING,
    object={"const": "model"},
    created=WHOLE,
    owned_by=STRING,
    charrnn={
        **object_of(task=STRING, default=BOOLEAN, tokenizer=STRING),
        "description": "The model's task, alphabet, sizes, training and loss.",
    },
)

OPERATIONS: Final = (
    Operation(
        "GET",
        "/v1/models",
        "List the models.",
        answer=object_of(object={"const": "list"}, data=list_of(MODEL)),
    ),
    Operation(
        "GET",
        "/v1/models/{id}",
        "Describe a model.",
        answer=MODEL,
        parameters=(path_parameter("id", "The id of a model."),),
        errors=(404,),
    ),
)


def routes(service: Service) -> list[BaseRoute]:
    """Return the routes of these endpoints."""
    models = service.models

    async def list_models(_: Request) -> JSONResponse:
        return JSONResponse(models.to_json())

    async def show_model(request: Request) -> JSONResponse:
        found = models.find(request.path_params["id"])
        return JSONResponse(found.describe(default=found is models.default))

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        Route("/v1/models/{id:path}", show_model, methods=["GET"]),
    ]
