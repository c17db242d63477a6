"""GET /api/runs, /api/runs/NAME and /api/curves.svg: the runs under `checkpoints/`, also while they
train.

Names come from the list of runs alone: no other name reaches the disk.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from charrnn.plots.curves import MOST_RUNS, X_AXES
from charrnn.plots.svg import LEAST_HEIGHT, LEAST_WIDTH
from charrnn.serving.api_errors import ApiError, shown
from charrnn.serving.operations import (
    REAL,
    STRING,
    Operation,
    list_of,
    object_of,
    path_parameter,
    query_parameter,
)
from charrnn.serving.service import Service
from charrnn.serving.watched_runs import UnknownRunError, WatchedRuns
from charrnn.storage.run import RUNS

T = TypeVar("T")

LARGEST_PICTURE: Final = 4000
"""The most pixels of a picture's width and height."""

_AXES: Final = {**dict(zip(X_AXES, X_AXES, strict=True)), "step": "steps"}

_RUN: Final = path_parameter("name", "The name of a run.")

OPERATIONS: Final = (
    Operation(
        "GET",
        "/api/runs",
        "List the runs under checkpoints/, also those that are being trained.",
        answer=object_of(runs=list_of({"type": "object"})),
        errors=(304, 429),
    ),
    Operation(
        "GET",
        "/api/runs/{name}",
        "Return what a run has measured so far.",
        answer={"type": "object"},
        parameters=(_RUN, query_parameter("after", "Only what came after this step.", REAL)),
        errors=(304, 404, 429),
    ),
    Operation(
        "GET",
        "/api/curves.svg",
        "Draw the losses of runs.",
        answer=STRING,
        media_type="image/svg+xml",
        parameters=(
            query_parameter(
                "run",
                "The name of a run; several are drawn together.",
                {"type": "array", "items": STRING, "minItems": 1, "maxItems": MOST_RUNS},
                required=True,
            ),
            query_parameter("x", "The horizontal axis.", {"enum": [*_AXES]}),
            query_parameter(
                "width",
                "Pixels.",
                {"type": "integer", "minimum": LEAST_WIDTH, "maximum": LARGEST_PICTURE},
            ),
            query_parameter(
                "height",
                "Pixels.",
                {"type": "integer", "minimum": LEAST_HEIGHT, "maximum": LARGEST_PICTURE},
            ),
        ),
        errors=(304, 404, 429),
    ),
)


def routes(service: Service, folder: Path = RUNS) -> list[BaseRoute]:
    """Return the routes of the runs in a folder."""
    runs = WatchedRuns(folder)

    async def find(work: Callable[[], T]) -> T:
        try:
            return await service.run(work)
        except UnknownRunError as error:
            raise ApiError(
                f"there is no run {shown(str(error))}; see /api/runs",
                status=404,
                param="run",
                code="run_not_found",
            ) from error

    async def list_runs(request: Request) -> Response:
        entries = await find(runs.summaries)
        return _json(request, {"runs": entries})

    async def show_run(request: Request) -> Response:
        name, after = request.path_params["name"], _number(request, "after")
        version, details = await find(lambda: runs.details(name, after))
        return _json(request, details, f"{version}-{after:g}")

    async def show_curves(request: Request) -> Response:
        names = request.query_params.getlist("run")
        if not 1 <= len(names) <= MOST_RUNS:
            raise ApiError(f"run: give 1 to {MOST_RUNS} names of runs", param="run")
        x = request.query_params.get("x", "seconds")
        if x not in _AXES:
            raise ApiError(f"x {shown(x)}: choose {', '.join(X_AXES)}", param="x")
        width = _size(request, "width", 800, LEAST_WIDTH)
        height = _size(request, "height", 450, LEAST_HEIGHT)
        version, svg = await find(lambda: runs.curves(names, _AXES[x], width, height))
        return _changed(request, version) or Response(
            svg.encode(), media_type="image/svg+xml", headers=_headers(version)
        )

    return [
        Route("/api/runs", list_runs, methods=["GET"]),
        Route("/api/runs/{name}", show_run, methods=["GET"]),
        Route("/api/curves.svg", show_curves, methods=["GET"]),
    ]


def _json(request: Request, value: object, version: str | None = None) -> Response:
    """Return a response of JSON; one without a body where the client has it already."""
    content = json.dumps(value).encode()  # in ASCII: a sample may have half a surrogate pair
    version = version or str(abs(hash(content)))
    return _changed(request, version) or Response(
        content, media_type="application/json", headers=_headers(version)
    )


def _changed(request: Request, version: str) -> Response | None:
    """Return the answer to a client that has this version; None where it has another."""
    if request.headers.get("if-none-match") != f'"{version}"':
        return None
    return Response(status_code=304, headers=_headers(version))


def _headers(version: str) -> dict[str, str]:
    return {"etag": f'"{version}"', "cache-control": "no-cache"}


def _number(request: Request, name: str) -> float:
    """Return a number of the query; -1 without it. Raises ApiError."""
    text = request.query_params.get(name)
    if text is None:
        return -1.0
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ApiError(f"{name} {shown(text)}: give a number", param=name)
    return value


def _size(request: Request, name: str, default: int, least: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    advice = f"{name} {shown(text)}: give {least} to {LARGEST_PICTURE} pixels"
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ApiError(advice, param=name)
    if not least <= int(text) <= LARGEST_PICTURE:
        raise ApiError(advice, param=name)
    return int(text)
