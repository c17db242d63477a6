"""POST /v1/completions: OpenAI's API for completing texts."""

import time
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from charrnn.serving.api_errors import ApiError, shutting_down
from charrnn.serving.completion_fields import BODY
from charrnn.serving.completion_request import read_completion
from charrnn.serving.completion_response import CompletionResponse
from charrnn.serving.events import DONE, EVENTS, event
from charrnn.serving.fields import Schema
from charrnn.serving.infilled_completion import infill, read_infilling
from charrnn.serving.operations import (
    PROBABILITY,
    REAL,
    STRING,
    WHOLE,
    Operation,
    list_of,
    object_of,
    or_null,
)
from charrnn.serving.request_body import read_json
from charrnn.serving.served_models import ServedModel
from charrnn.serving.service import Service

LOGPROBS: Final = object_of(
    tokens=list_of(STRING),
    token_logprobs=list_of(or_null(REAL)),
    top_logprobs=or_null(list_of(or_null({"type": "object", "additionalProperties": REAL}))),
    text_offset=list_of(WHOLE),
)

_CHOICE_EXTENSION: Final[Schema] = {
    "type": "object",
    "properties": {
        "index": WHOLE,
        "stop_reason": or_null({"enum": ["length", "stop", "match"]}),
        "log_probability": REAL,
        "probability": PROBABILITY,
    },
    "required": ["index", "stop_reason"],
}

COMPLETION: Final = object_of(
    id=STRING,
    object={"const": "text_completion"},
    created=WHOLE,
    model=STRING,
    choices=list_of(
        object_of(
            text=STRING,
            index=WHOLE,
            logprobs=or_null(LOGPROBS),
            finish_reason={"enum": ["stop", "length"]},
            charrnn=_CHOICE_EXTENSION,
        )
    ),
    usage=object_of(prompt_tokens=WHOLE, completion_tokens=WHOLE, total_tokens=WHOLE),
    charrnn={
        "type": "object",
        "properties": {"seed": or_null(WHOLE), "index": WHOLE, "warnings": list_of(STRING)},
        "required": ["seed", "index"],
    },
)

OPERATIONS: Final = (
    Operation(
        "POST",
        "/v1/completions",
        "Continue a text, or several, or fill what is between a prompt and a suffix.",
        BODY,
        COMPLETION,
        also={"text/event-stream": EVENTS},
    ),
)


def routes(service: Service) -> list[BaseRoute]:
    """Return the routes of this endpoint, and of the one that is often meant instead."""

    async def create_completion(request: Request) -> Response:
        received = time.perf_counter()
        values = BODY.read(await read_json(request))
        if service.is_closing:
            raise shutting_down()
        if values["suffix"] is not None:
            model = service.models.find(values["model"], "restore")
            return await _infill(service, request, values, model)
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


async def _infill(
    service: Service, request: Request, values: dict[str, Any], model: ServedModel
) -> Response:
    """Return the response to a request with a suffix: as JSON, or as events at its end."""
    infilling = read_infilling(values, model)
    service.metrics.read += sum(map(len, infilling.prompts)) + len(infilling.suffix)
    body = await service.answer(request.receive, lambda check: infill(infilling, check))
    if not values["stream"]:
        return JSONResponse(body)
    usage = body.pop("usage")
    unknown = {"usage": None} if values["stream_options"] else {}
    events = [event({**body, "choices": [each], **unknown}) for each in body["choices"]]
    if values["stream_options"]:
        events.append(event({**body, "choices": [], "usage": usage}))
    return Response(b"".join([*events, DONE]), media_type="text/event-stream")
