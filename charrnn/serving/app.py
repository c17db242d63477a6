"""make_app: the application that answers all requests, as an ASGI callable."""

from collections.abc import Callable

from starlette.routing import Router

from charrnn.serving import (
    completions,
    model_endpoints,
    page_endpoint,
    run_endpoints,
    status_endpoints,
    task_endpoints,
    tokens,
)
from charrnn.serving.guard import Guard, Log
from charrnn.serving.service import Service


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
    routes = [
        *completions.routes(service),
        *model_endpoints.routes(service),
        *tokens.routes(service),
        *task_endpoints.routes(service),
        *status_endpoints.routes(service),
        *run_endpoints.routes(service),
        *page_endpoint.routes(),
    ]
    router = Router(routes, redirect_slashes=False)
    return Guard(router, service.config, service.metrics, log=log, report=report)
