"""GET /v1/models and /v1/models/{id}: the models that are served."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from charrnn.serving.service import Service


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
