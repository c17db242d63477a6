"""POST /v1/completions: OpenAI's API for completing texts, on the scheduler."""

import asyncio
import json
import secrets
import time
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from charrnn.serving.api_errors import shutting_down
from charrnn.serving.completion_request import BODY, Completion, read_completion
from charrnn.serving.mailboxes import Mailbox
from charrnn.serving.request_body import read_json
from charrnn.serving.service import Service, to_api_error
from charrnn.serving.settled_text import SettledText, encoded_stops
from charrnn.serving.simple_scheduler import TextRequest

FINISH_REASONS: Final = {"length": "length", "stop": "stop", "match": "stop"}
"""OpenAI's reasons, by ours."""


class CompletionResponse(Response):
    """The response to a request for a completion, as JSON or as a stream of events."""

    def __init__(self, service: Service, completion: Completion) -> None:
        self._service, self._completion = service, completion
        self.office = service.office
        completion_id = f"cmpl-{secrets.token_hex(12)}"
        self.head = {
            "id": completion_id,
            "object": "text_completion",
            "created": int(time.time()),
            "model": completion.model.name,
        }
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        completion, config = self._completion, self._completion.config
        tokenizer = completion.model.model.tokenizer
        stops = encoded_stops(config, tokenizer)
        count = len(completion.prompts) * completion.best_of
        texts = [SettledText(tokenizer, stops) for _ in range(count)]
        mailbox = Mailbox(self.office)
        watch = asyncio.ensure_future(_watch(receive, mailbox))
        ticket = None
        try:
            if completion.writes:
                requests = [
                    TextRequest(
                        prompt.read_ids, config, completion.index + number, completion.scored
                    )
                    for prompt in completion.prompts
                    for number in range(completion.best_of)
                ]
                ticket = self._service.scheduler(completion.model).submit(requests, mailbox.deliver)
            write = self._stream if completion.stream else self._whole
            await write(scope, receive, send, mailbox, texts)
        finally:
            watch.cancel()
            if ticket is not None:
                ticket.cancel()

    def _extension(self) -> dict[str, Any]:
        return {"charrnn": {"seed": self._completion.config.seed, "index": self._completion.index}}

    async def _whole(
        self, scope: Scope, receive: Receive, send: Send, mailbox: Mailbox, texts: list[SettledText]
    ) -> None:
        completion = self._completion
        made = ["" for _ in texts]
        left = len(texts) if completion.writes else 0
        while left:
            pieces = await mailbox.take()
            if not pieces:
                return
            for place, piece in pieces:
                if piece.error is not None:
                    raise to_api_error(piece.error)
                text = texts[place]
                made[place] += text.text(text.add(piece.ids, piece.stop_reason, piece.cut))
                left -= piece.stop_reason is not None
        choices = []
        for place, (text, written) in enumerate(zip(texts, made, strict=True)):
            prompt = completion.prompts[place // completion.best_of]
            choices.append(
                {
                    "text": (prompt.text if completion.echo else "") + written,
                    "index": place,
                    "logprobs": None,
                    "finish_reason": FINISH_REASONS[text.stop_reason or "length"],
                    "charrnn": {"index": completion.index + place % completion.best_of},
                }
            )
        body = {**self.head, "choices": choices, "usage": self._usage(texts), **self._extension()}
        await JSONResponse(body)(scope, receive, send)

    async def _stream(
        self, scope: Scope, receive: Receive, send: Send, mailbox: Mailbox, texts: list[SettledText]
    ) -> None:
        completion = self._completion
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"cache-control", b"no-store"),
                ],
            }
        )
        self.office.streams += 1
        try:
            left = len(texts) if completion.writes else 0
            while left:
                pieces = await mailbox.take()
                if not pieces:
                    return
                events = []
                for place, piece in pieces:
                    if piece.error is not None:
                        events.append(_event(to_api_error(piece.error).to_json()))
                        left = 0
                        break
                    text = texts[place]
                    written = text.text(text.add(piece.ids, piece.stop_reason, piece.cut))
                    left -= piece.stop_reason is not None
                    if written or piece.stop_reason is not None:
                        reason = piece.stop_reason and FINISH_REASONS[piece.stop_reason]
                        events.append(self._chunk(place, written, reason))
                await send(
                    {"type": "http.response.body", "body": b"".join(events), "more_body": True}
                )
                if left:
                    await self.office.next_tick()
            last = []
            if completion.with_usage:
                last.append(_event({**self.head, "choices": [], "usage": self._usage(texts)}))
            last.append(b"data: [DONE]\n\n")
            await send({"type": "http.response.body", "body": b"".join(last), "more_body": False})
        finally:
            self.office.streams -= 1

    def _chunk(self, place: int, text: str, reason: str | None) -> bytes:
        choice = {"text": text, "index": place, "logprobs": None, "finish_reason": reason}
        if reason is not None:
            number = place % self._completion.best_of
            choice["charrnn"] = {"index": self._completion.index + number}
        event = {**self.head, "choices": [choice], **self._extension()}
        if self._completion.with_usage:
            event["usage"] = None
        return _event(event)

    def _usage(self, texts: list[SettledText]) -> dict[str, int]:
        prompts = sum(len(each.ids) for each in self._completion.prompts)
        made = sum(each.made for each in texts)
        return {
            "prompt_tokens": prompts,
            "completion_tokens": made,
            "total_tokens": prompts + made,
        }


def _event(data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


async def _watch(receive: Receive, mailbox: Mailbox) -> None:
    """Close a mailbox when the client goes away."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            mailbox.close()
            return


def routes(service: Service) -> list[BaseRoute]:
    """Return the route of this endpoint."""

    async def create_completion(request: Request) -> Response:
        values = BODY.read(await read_json(request))
        model = service.models.find(values["model"], "generate")
        if service.closing:
            raise shutting_down()
        completion = read_completion(values, model, service.config.max_tokens)
        return CompletionResponse(service, completion)

    return [Route("/v1/completions", create_completion, methods=["POST"])]
