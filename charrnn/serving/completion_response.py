"""CompletionResponse: writes the texts of a completion, and sends them as JSON or as events."""

import asyncio
import json
import secrets
import time
from typing import Any, Final

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from charrnn.generation.ineffective_settings import ineffective_settings
from charrnn.serving.api_errors import ApiError, ClientGone
from charrnn.serving.choices import Choice, choices_of, likeliest
from charrnn.serving.completion_request import Completion
from charrnn.serving.events import COMPACT, DONE, HEADERS, event, response_body
from charrnn.serving.large_json import encode_in_slices
from charrnn.serving.service import Service, api_errors, disconnected, to_api_error
from charrnn.serving.settled_text import Part

_LARGE: Final = 1000
"""The number of characters whose log-probabilities take more than a moment to become JSON."""


class CompletionResponse(Response):
    """The response to a request for a completion.

    Args:
        service: the models and what runs them.
        completion: what is asked for.
        received: when the request came, by time.perf_counter().
    """

    def __init__(self, service: Service, completion: Completion, received: float) -> None:
        self.background = None
        self._service, self._completion, self._received = service, completion, received
        self._choices = choices_of(completion)
        self._mailbox = service.open_mailbox()
        self._left = len(self._choices) if completion.writes else 0
        self._has_begun = False
        config, model = completion.config, completion.model
        extension: dict[str, Any] = {"seed": config.seed, "index": completion.index}
        if ineffective := ineffective_settings(config, model.model.tokenizer):
            extension["warnings"] = [each.message for each in ineffective]
        self._head = response_head(model.name, extension)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises ApiError as long as nothing was sent."""
        completion, service = self._completion, self._service
        service.metrics.read += sum(len(each.ids) for each in completion.prompts)
        watch = asyncio.ensure_future(self._watch(receive))
        try:
            if completion.writes:
                await service.prepare(completion.model, completion.config)
                requests = [each.request() for each in self._choices]
                with api_errors():
                    ticket = service.scheduler(completion.model).submit(
                        requests, self._mailbox.deliver
                    )
                self._mailbox.attach(ticket)
            if completion.stream:
                await self._send_events(send)
            else:
                await self._send_whole(scope, receive, send)
        finally:
            watch.cancel()
            service.close_mailbox(self._mailbox)

    async def _watch(self, receive: Receive) -> None:
        await disconnected(receive)
        self._mailbox.close()

    async def _take(self) -> list[Choice]:
        """Wait for news of the texts; return those that have some, each once, in order of their
        news. Raises ApiError for a text that ends too early, ClientGone."""
        pieces = await self._mailbox.take()
        if not self._has_begun:
            self._has_begun = True
            self._service.metrics.observe_first_character(time.perf_counter() - self._received)
        changed: dict[int, Choice] = {}
        for place, piece in pieces:
            if piece.error is not None:
                raise to_api_error(piece.error)
            choice = changed[place] = self._choices[place]
            choice.text.add(piece)
            self._left -= piece.is_last
        return list(changed.values())

    # As a whole

    async def _send_whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        completion = self._completion
        texts: dict[Choice, list[Part]] = {each: [] for each in self._choices}
        while self._left:
            for choice in await self._take():
                texts[choice].append(choice.text.take())
        chosen = likeliest(self._choices, completion)
        parts = {each: _joined(texts[each]) for each in chosen}
        await self._score(parts)
        usage = self._usage()
        body = {
            **self._head,
            "choices": [
                {
                    "text": (choice.prompt.text if completion.echo else "") + parts[choice].text,
                    "index": number,
                    "logprobs": choice.take_logprobs(parts[choice]),
                    "finish_reason": choice.finish_reason,
                    "charrnn": choice.extension(),
                }
                for number, choice in enumerate(chosen)
            ],
            "usage": usage,
        }
        if completion.top is None or usage["total_tokens"] < _LARGE:
            response: Response = JSONResponse(body)
        else:
            content = await self._service.run(lambda: encode_in_slices(body))
            response = Response(content, media_type="application/json")
        await response(scope, receive, send)

    async def _score(self, parts: dict[Choice, Part], *, prompts: bool = True) -> None:
        """Compute the log-probabilities of prompts and of parts, where they are requested."""
        completion = self._completion
        if completion.top is None:
            return
        echoed = completion.echo and prompts
        if not echoed and not completion.top:
            return
        scorer = self._service.scorer(completion.model)

        def score(check: Any) -> None:
            for choice, part in parts.items():
                check()
                if echoed:
                    choice.score_prompt(scorer, check)
                if choice.needs_scores:
                    choice.score(scorer, part)

        await self._service.compute(score)

    def _usage(self) -> dict[str, int]:
        read = sum(len(each.ids) for each in self._completion.prompts)
        made = sum(each.text.made for each in self._choices)
        return usage_of(read, made)

    # As events

    async def _send_events(self, send: Send) -> None:
        """Send the texts while they are written: the first characters at once, then as often as
        the number of streams allows."""
        changed = await self._take() if self._left else []
        places = {choice: place for place, choice in enumerate(self._choices)}
        beginnings = _Beginnings(self._head, with_usage=self._completion.with_usage)
        pacer = self._service.pacer
        pacer.streams += 1
        try:
            events = await self._echoed(beginnings)
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            while True:
                parts = {choice: choice.text.take() for choice in changed}
                await self._score(parts, prompts=False)
                for choice, part in parts.items():
                    if part.text or part.ids or choice.finish_reason is not None:
                        reason = choice.finish_reason
                        events.append(beginnings.event(places[choice], choice, part, reason))
                await send(response_body(b"".join(events)))
                events = []
                if not self._left:
                    break
                await pacer.next_tick()
                changed = await self._take()
            if self._completion.with_usage:
                usage = {**self._head, "choices": [], "usage": self._usage()}
                events.append(event(usage))
            await send(response_body(b"".join([*events, DONE]), is_last=True))
        except ClientGone:
            raise
        except ApiError as error:
            if not beginnings.are_sent:
                raise
            await send(response_body(event(error.to_json()) + DONE, is_last=True))
        finally:
            pacer.streams -= 1

    async def _echoed(self, beginnings: "_Beginnings") -> list[bytes]:
        """Return the events with the prompts, where they are echoed; and the whole response of
        texts that are not written."""
        completion = self._completion
        events: list[bytes] = []
        if completion.echo or not completion.writes:
            empty = Part("", [], [])
            await self._score(dict.fromkeys(self._choices, empty))

            def echo() -> None:
                for place, choice in enumerate(self._choices):
                    text = choice.prompt.text if completion.echo else ""
                    reason = None if completion.writes else choice.finish_reason
                    events.append(beginnings.event(place, choice, Part(text, [], []), reason))

            if completion.top is None or self._usage()["prompt_tokens"] < _LARGE:
                echo()
            else:
                await self._service.run(echo)
        beginnings.are_sent = True
        return events


class _Beginnings:
    """The JSON of events around their texts, made once for each text.

    Args:
        head: the fields of every event.
        with_usage: whether events have a field for the usage.

    Attributes:
        are_sent: whether the response has begun.
    """

    def __init__(self, head: dict[str, Any], *, with_usage: bool) -> None:
        self._head = json.dumps(head, separators=COMPACT)[:-1]
        self._tail = b',"usage":null}\n\n' if with_usage else b"}\n\n"
        self._before: dict[int, bytes] = {}
        self.are_sent = False

    def event(self, place: int, choice: Choice, part: Part, reason: str | None) -> bytes:
        """Return the event with a part of the text at a place, and why it ends if it does."""
        before = self._before.get(place)
        if before is None:
            before = f'data: {self._head},"choices":[{{"index":{place},"text":'.encode()
            self._before[place] = before
        text = json.dumps(part.text).encode()
        logprobs = choice.take_logprobs(part)
        if logprobs is None and reason is None:
            return before + text + _PLAIN_END + self._tail
        end = {"logprobs": logprobs, "finish_reason": reason}
        if reason is not None:
            end["charrnn"] = choice.extension()
        if logprobs is not None and len(logprobs["tokens"]) > _LARGE:
            rest = encode_in_slices(end)
        else:
            rest = json.dumps(end, separators=COMPACT).encode()
        return before + text + b"," + rest[1:] + b"]" + self._tail


_PLAIN_END: Final = b',"logprobs":null,"finish_reason":null}]'


def response_head(model: str, extension: dict[str, Any]) -> dict[str, Any]:
    """Return what every response, and every event, begins with."""
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
        "charrnn": extension,
    }


def usage_of(read: int, made: int) -> dict[str, int]:
    """Return the usage: how many ids the model has read and written."""
    return {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}


def _joined(parts: list[Part]) -> Part:
    """Return several parts of a text as one."""
    return Part(
        "".join(each.text for each in parts),
        [i for each in parts for i in each.ids],
        [value for each in parts for value in each.log_probabilities],
    )
