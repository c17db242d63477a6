"""make_app: the application that answers all requests, as an ASGI callable."""

from collections.abc import Callable
from typing import Final

from starlette.routing import Router

from charrnn.serving import (
    completions,
    explain_endpoint,
    model_endpoints,
    openapi,
    page_endpoint,
    run_endpoints,
    status_endpoints,
    task_endpoints,
    tokens,
)
from charrnn.serving.guard import Guard, Log
from charrnn.serving.service import Service

ENDPOINTS: Final = (
    completions,
    model_endpoints,
    tokens,
    task_endpoints,
    explain_endpoint,
    run_endpoints,
    status_endpoints,
    page_endpoint,
)
"""The modules with the operations of the OpenAPI document."""


def make_app(
    service: Service,
    *,
    log: Log | None = None,
    report: Callable[[BaseException], None] = lambda error: None,
) -> Guard:
    """Return the application that serves models.

    Args:
        service: the models and what runs them.
        log: takes a line for each request; None without.
        report: takes each error that nobody expected.
    """
    operations = [operation for each in ENDPOINTS for operation in each.OPERATIONS]
    routes = [
        *completions.routes(service),
        *model_endpoints.routes(service),
        *tokens.routes(service),
        *task_endpoints.routes(service),
        *explain_endpoint.routes(service),
        *status_endpoints.routes(service),
        *run_endpoints.routes(service),
        *page_endpoint.routes(),
        *openapi.routes(operations, with_key=service.config.api_key is not None),
    ]
    router = Router(routes, redirect_slashes=False)
    return Guard(router, service.config, service.metrics, log=log, report=report)
