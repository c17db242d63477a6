"""GET / and GET /page/NAME: the page, from the fixed list of the package's files."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from charrnn.page.assets import INDEX, asset_names, media_type, read_asset
from charrnn.serving.api_errors import ApiError, shown
from charrnn.serving.operations import STRING, Operation, path_parameter

OPERATIONS: Final = (
    Operation(
        "GET",
        "/",
        "Return the page to write with the models in a browser.",
        answer=STRING,
        media_type="text/html",
        needs_key=False,
    ),
    Operation(
        "GET",
        "/page/{name}",
        "Return a file of the page.",
        answer=STRING,
        media_type="text/javascript",
        also=dict.fromkeys(("text/css", "text/html", "image/svg+xml"), STRING),
        parameters=(path_parameter("name", "The name of the file."),),
        errors=(404,),
        needs_key=False,
    ),
)


def routes() -> list[BaseRoute]:
    """Return the routes of the page, whose files are read once."""
    contents = {name: read_asset(name) for name in asset_names()}

    def response(name: str) -> Response:
        if name not in contents:
            raise ApiError(f"the page has no file {shown(name)}", status=404, code="not_found")
        headers = {"content-type": media_type(name), "cache-control": "no-cache"}
        return Response(contents[name], headers=headers)

    async def show_page(_: Request) -> Response:
        return response(INDEX)

    async def show_file(request: Request) -> Response:
        return response(request.path_params["name"])

    return [
        Route("/", show_page, methods=["GET"]),
        Route("/page/{name}", show_file, methods=["GET"]),
    ]
