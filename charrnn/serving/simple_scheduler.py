"""A thread for each text, until the scheduler is there."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from charrnn.engines.int8_engine import Int8Engine
from charrnn.generation.config import SamplingConfig
from charrnn.generation.native_writers import TextWriter, native_rules
from charrnn.generation.request import EncodedPrompt
from charrnn.generation.sampler import Sampler
from charrnn.generation.stream import SampleStream


class Piece(NamedTuple):
    ids: list[int]
    log_probabilities: list[float]
    stop_reason: str | None = None
    cut: int = 0
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class TextRequest:
    prompt_ids: Sequence[int]
    config: SamplingConfig
    index: int = 0
    scored: bool = False


class Ticket:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Scheduler:
    def __init__(self, sampler: Sampler, **_: Any) -> None:
        self.sampler = sampler

    def submit(self, texts: Sequence[TextRequest], deliver: Callable[[int, Piece], None]) -> Ticket:
        ticket = Ticket()
        for place, text in enumerate(texts):
            threading.Thread(
                target=self._write, args=(place, text, deliver, ticket), daemon=True
            ).start()
        return ticket

    def _write(
        self, place: int, text: TextRequest, deliver: Callable[[int, Piece], None], ticket: Ticket
    ) -> None:
        try:
            ids = list(text.prompt_ids)
            engine = self.sampler.engine
            state = engine.read([ids[:-1]], None) if len(ids) > 1 else None
            request = self.sampler.request(
                EncodedPrompt(state, ids), text.config, score=text.scored
            )
            if request.empty_draft.stop_reason is not None:
                deliver(place, Piece([], [], request.empty_draft.stop_reason))
                return
            rules = native_rules(request)
            if rules is not None and isinstance(engine, Int8Engine):
                for piece in TextWriter(request, rules, text.index).pieces():
                    if ticket.cancelled:
                        return
                    deliver(place, Piece(piece.ids, piece.scores, piece.stop_reason, piece.cut))
                return
            stream = SampleStream(request, text.index, keep_log_probabilities=text.scored)
            told = 0
            for each in stream:
                if ticket.cancelled:
                    return
                made = [int(i) for i in self.sampler.model.tokenizer.encode(each)]
                scores = stream.log_probabilities[told : told + len(made)]
                told += len(made)
                deliver(place, Piece(made, scores))
            deliver(place, Piece([], [], stream.stop_reason))
        except Exception as error:
            deliver(place, Piece([], [], None, 0, error))
