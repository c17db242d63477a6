"""GET / and GET /page/NAME: the page, from the fixed list of the package's files."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from charrnn.page.assets import INDEX, asset_names, media_type, read_asset
from charrnn.serving.api_errors import ApiError, shown


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
