"""make_app: the application that answers all requests, as an ASGI callable."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from charrnn.errors import CharRNNError
from charrnn.serving import completions, model_endpoints, page_endpoint, task_endpoints
from charrnn.serving.api_errors import ApiError
from charrnn.serving.options import ServingConfig
from charrnn.serving.served_models import ServedModels
from charrnn.serving.service import Service, to_api_error


def make_app(models: ServedModels, config: ServingConfig) -> Starlette:
    """Return the application that serves these models."""
    service = Service(models, config)
    app = Starlette(
        routes=[
            *completions.routes(service),
            *model_endpoints.routes(service),
            *task_endpoints.routes(service),
            *page_endpoint.routes(),
        ],
        exception_handlers={
            ApiError: _show_api_error,
            CharRNNError: _show_own_error,
            HTTPException: _show_http_error,
        },
    )
    app.state.service = service
    return app


async def _show_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    headers = {**error.headers, "content-type": "application/json"}
    return Response(error.to_bytes(), error.status, headers)


async def _show_own_error(request: Request, error: Exception) -> Response:
    return await _show_api_error(request, to_api_error(error))


async def _show_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    messages = {
        404: f"there is no {request.url.path[:80]!r}; see /openapi.json",
        405: f"{request.method} is not for {request.url.path[:80]!r}; use {headers.get('Allow')}",
    }
    message = messages.get(error.status_code, error.detail)
    codes = {404: "not_found", 405: "method_not_allowed"}
    shown = ApiError(
        message, status=error.status_code, code=codes.get(error.status_code), headers=headers
    )
    return await _show_api_error(request, shown)
