"""POST /api/explain: what a model does with a text, as `charrnn explain --json` says it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from charrnn.explanation.config import PARTS, ExplainConfig
from charrnn.explanation.request import ExplainRequest
from charrnn.serving.api_errors import ApiError, ClientGone
from charrnn.serving.configuration_fields import fields_of
from charrnn.serving.events import DONE, EVENTS, HEADERS, event, event_of, response_body
from charrnn.serving.fields import Body, Field, Flag, ListOf, Number, Schema, Text
from charrnn.serving.jobs import Check
from charrnn.serving.large_json import encode_in_slices
from charrnn.serving.operations import STRING, WHOLE, Operation, list_of, object_of, or_null
from charrnn.serving.request_body import read_json
from charrnn.serving.served_models import ServedModel
from charrnn.serving.service import Service
from charrnn.serving.task_endpoints import LONGEST_TEXT, MODEL
from charrnn.training.explaining import explain_request

MOST_SHOWN: Final = 20_000
MOST_SAMPLES: Final = 100
MOST_ACTIVITIES: Final = 10_000_000
LONGEST_TRAINING: Final = 10_000_000
"""The most activities that are in memory, and the most characters of a training text in which
copies are looked for: fewer than on the command line, since other requests need memory as well."""

UNREADABLE: Final = "the server cannot read the training text"
"""What clients are told instead of a path."""

Say = Callable[[str], None]


def _fields() -> dict[str, Field]:
    """Return the fields of the request, with limits: time and memory grow with all of them."""
    fields = fields_of(ExplainConfig)
    for name, least, most in (("shown", 1, MOST_SHOWN), ("samples", 0, MOST_SAMPLES)):
        kind = Number(whole=True, least=least, most=most)
        fields[name] = replace(fields[name], kind=kind)
    parts = Field(
        ListOf(Text(choices=PARTS), 0, len(PARTS)), "Compute only these parts; all without it."
    )
    return {
        "model": MODEL,
        "text": Field(
            Text(longest=LONGEST_TEXT),
            "The text to explain; what was held out of the training text without it.",
        ),
        **fields,
        "parts": parts,
        "stream": Field(
            Flag(),
            "Send events: what is computed next as `stage`, and at last the `explanation`.",
            default=False,
        ),
    }


BODY: Final = Body(_fields())

_OBJECT: Final[Schema] = {"type": "object"}

OPERATIONS: Final = (
    Operation(
        "POST",
        "/api/explain",
        "Find out what a model does with a text: what surprises it, what its units show, how far "
        "back it remembers, what it copies.",
        BODY,
        object_of(
            version=WHOLE,
            model=_OBJECT,
            text=_OBJECT,
            alphabet=list_of(STRING),
            absent={"type": "object", "additionalProperties": STRING},
            **dict.fromkeys(PARTS, or_null(_OBJECT)),
        ),
        also={"text/event-stream": EVENTS},
    ),
)


def routes(service: Service) -> list[BaseRoute]:
    """Return the route of this endpoint."""

    async def answer(request: Request) -> Response:
        values = BODY.read(await read_json(request))
        model = service.models.find(values["model"])
        service.metrics.read += len(values["text"] or "")
        if values["stream"]:
            return _StagesResponse(service, model, values)
        content = await service.answer(
            request.receive,
            lambda check: _explain(model, values, lambda _: check()),
            is_long=True,
        )
        return Response(content, media_type="application/json")

    return [Route("/api/explain", answer, methods=["POST"])]


def _explain(model: ServedModel, values: Mapping[str, Any], stage: Say) -> bytes:
    """Return the JSON of an explanation. `stage` may end it, by raising an error."""
    given = {name: values[name] for name in ("shown", "samples", "seed")}
    settings = {name: value for name, value in given.items() if value is not None}
    explanation = explain_request(
        ExplainRequest(
            model=model.model,
            directory=model.directory,
            text=values["text"],
            source="the text",
            config=ExplainConfig(parts=tuple(values["parts"] or ()), **settings),
            stage=stage,
            longest=LONGEST_TEXT,
            most_activities=MOST_ACTIVITIES,
            longest_training=LONGEST_TRAINING,
            unreadable=UNREADABLE,
        )
    )
    stage("writing it down")
    return encode_in_slices(explanation.to_json(), ascii=False)


class _StagesResponse(Response):
    """The events of an explanation: its stages, and its JSON."""

    def __init__(self, service: Service, model: ServedModel, values: Mapping[str, Any]) -> None:
        self.background = None
        self._service, self._model, self._values = service, model, values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises ApiError as long as nothing was sent."""
        stages: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def work(check: Check) -> bytes:
            def say(what: str) -> None:
                check()
                loop.call_soon_threadsafe(stages.put_nowait, what)

            return _explain(self._model, self._values, say)

        job = asyncio.ensure_future(self._service.answer(receive, work, is_long=True))
        job.add_done_callback(lambda _: stages.put_nowait(None))
        has_begun = False
        try:
            while (stage := await stages.get()) is not None:
                if not has_begun:
                    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
                    has_begun = True
                await send(response_body(event({"stage": stage})))
            last = event_of(b'{"explanation":' + job.result() + b"}")
            await send(response_body(last + DONE, is_last=True))
        except ClientGone:
            raise
        except ApiError as error:
            if not has_begun:
                raise
            await send(response_body(event(error.to_json()) + DONE, is_last=True))
        finally:
            job.cancel()
