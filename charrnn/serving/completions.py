"""POST /v1/completions: OpenAI's API for completing texts."""

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from charrnn.serving.api_errors import ApiError, shutting_down
from charrnn.serving.completion_request import BODY, read_completion
from charrnn.serving.completion_response import CompletionResponse
from charrnn.serving.request_body import read_json
from charrnn.serving.service import Service


def routes(service: Service) -> list[BaseRoute]:
    """Return the routes of this endpoint, and of the one that is often meant instead."""

    async def create_completion(request: Request) -> Response:
        received = time.perf_counter()
        values = BODY.read(await read_json(request))
        if service.is_closing:
            raise shutting_down()
        model = service.models.find(values["model"], "generate")
        completion = read_completion(values, model, service.config)
        return CompletionResponse(service, completion, received)

    async def refuse_chat(_: Request) -> Response:
        raise ApiError(
            "charrnn's models continue a text and were not trained to answer messages; send the "
            "text as the prompt to /v1/completions",
            status=404,
            param="messages",
            code="chat_not_supported",
        )

    return [
        Route("/v1/completions", create_completion, methods=["POST"]),
        Route("/v1/chat/completions", refuse_chat, methods=["POST"]),
    ]
