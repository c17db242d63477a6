"""GET /health and /metrics: whether the server works, and what it has done."""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from charrnn.serving.api_errors import shutting_down
from charrnn.serving.metrics import CONTENT_TYPE
from charrnn.serving.operations import STRING, Operation, object_of
from charrnn.serving.service import Service

OPERATIONS: Final = (
    Operation(
        "GET",
        "/health",
        "Say whether the server works.",
        answer=object_of(status=STRING),
        needs_key=False,
    ),
    Operation(
        "GET",
        "/metrics",
        "Return what the server has done, in the text format of Prometheus.",
        answer=STRING,
        media_type="text/plain",
    ),
)


def routes(service: Service) -> list[BaseRoute]:
    """Return the routes of these endpoints."""

    async def show_health(_: Request) -> Response:
        if service.is_closing:
            raise shutting_down()
        return JSONResponse({"status": "ok"})

    async def show_metrics(_: Request) -> Response:
        text = service.metrics.text(service.gauges())
        return Response(text, headers={"content-type": CONTENT_TYPE})

    return [
        Route("/health", show_health, methods=["GET"]),
        Route("/metrics", show_metrics, methods=["GET"]),
    ]
