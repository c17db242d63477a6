"""Scheduler: many texts of many requests at the same time.

A request joins at any character and leaves at any. What a text says depends on its prompt, its
settings, its seed and its index alone.

    submit -> [prompts to be read] -> [texts that wait] -> threads -> deliver

A thread (`worker.py`) reads prompts in chunks and writes texts in lanes in C, or in turns in Python
where C does not know the settings. What is fair is decided by queues that serve those who submit in
turn (`fair_queue.py`).
"""

import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from charrnn.array_types import Int64Array
from charrnn.cores import usable_threads
from charrnn.engines.engine import check_ids
from charrnn.errors import ConfigError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.constraints import Constraints
from charrnn.generation.sampler import Sampler
from charrnn.serving.compiled_settings import CompiledSettings
from charrnn.serving.prefix_cache import MOST_BYTES, PrefixCache
from charrnn.serving.prompt_reading import PromptReading
from charrnn.serving.scheduled_text import ScheduledText
from charrnn.serving.texts import (
    Busy,
    Closed,
    Deliver,
    Dispatch,
    Piece,
    TextRequest,
    dispatch_at_once,
)
from charrnn.serving.work import Work
from charrnn.serving.worker import Worker

_JOIN: Final = 2.0
"""Seconds to wait, when closing, for threads that are in the middle of a step."""


class Ticket:
    """What was submitted together."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.texts: list[ScheduledText] = []

    def cancel(self) -> None:
        """End all texts without a last piece, and free their lanes at once.

        A piece that is being delivered meanwhile may still come.
        """
        work = self._work
        with work.lock:
            running = any(text.is_running and not text.has_ended for text in self.texts)
            for text in self.texts:
                work.end(text)
            if running:
                work.call(len(work.threads))

    def pause(self, place: int) -> None:
        """Stop writing the text at a place, whose reader is too slow. A few more pieces may
        come."""
        text = self.texts[place]
        with self._work.lock:
            text.is_paused = True
            self._work.withdraw(text)

    def resume(self, place: int) -> None:
        """Go on writing a text that was paused."""
        text = self.texts[place]
        with self._work.lock:
            text.is_paused = False
            self._work.enqueue(text)
            self._work.call(1)


class Scheduler:
    """A scheduler of texts that one model writes.

    Threads start with the first text, and wait without using the processor while there is none.

    Args:
        sampler: the model and its engine.
        max_concurrent: the number of texts that are written at the same time. When more wait, each
            has its turn.
        max_queue: the number of further texts that may wait.
        threads: None takes as many as this process may use, for an engine on the CPU.
        dispatch: takes the deliveries of each round of a thread together, in that thread, and
            calls their functions in their order. An event loop can be woken once for all of them:
            `lambda all: loop.call_soon_threadsafe(dispatch_at_once, all)`. If it raises an error,
            the texts in the deliveries are cancelled.
        cache_bytes: the memory for the states of prompts.

    Raises ConfigError for numbers that are out of range.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        max_concurrent: int,
        max_queue: int,
        threads: int | None = None,
        dispatch: Dispatch = dispatch_at_once,
        cache_bytes: int = MOST_BYTES,
    ) -> None:
        for name, value, least in (
            ("max-concurrent", max_concurrent, 1),
            ("max-queue", max_queue, 0),
            ("threads", threads, 1),
        ):
            if value is not None and value < least:
                raise ConfigError(f"{name} {value}: choose {least} or above")
        engine = sampler.engine
        self.capacity = max_concurrent + max_queue
        self._threads = 1 if not engine.parallel else threads or usable_threads()
        self.cache = PrefixCache(cache_bytes)
        self._settings = CompiledSettings(engine, sampler.model.tokenizer)
        self._work = Work(engine, sampler.model.tokenizer, self.cache, dispatch, max_concurrent)
        self._workers: list[Worker] = []

    @property
    def count(self) -> int:
        """The number of texts that have not ended: those that are written and those that wait."""
        return len(self._work.texts)

    @property
    def characters(self) -> int:
        """The number of ids that were written so far."""
        return self._work.characters

    def prepare(self, config: SamplingConfig) -> Constraints:
        """Return sampling settings, compiled for the model. `submit` does the same, and takes
        what was prepared already: compile a regular expression, which can take many seconds, in a
        thread where nothing waits.

        Raises ConfigError when the settings allow no text, or an end that can never come.
        """
        return self._settings.of(config).constraints

    def submit(self, texts: Sequence[TextRequest], deliver: Deliver) -> Ticket:
        """Write texts, all of them or none. Returns at once.

        Args:
            texts: what to write.
            deliver: called with the place of a text in `texts` and its next piece, from the
                scheduler's threads or as `dispatch` does; it has to return quickly. The pieces of a
                text come in order, and the last one says why it ends. The first ones may come
                before this method returns.

        Raises Busy when too many texts wait; Closed; ConfigError as `prepare` does, for ids that
        the model does not know, and for more texts than `capacity`, for which there is never room.
        """
        if len(texts) > self.capacity:
            raise ConfigError(f"{len(texts):,} texts: choose at most {self.capacity:,} at a time")
        work = self._work
        with work.lock:  # what has no room costs nothing
            self._require_room(len(texts))
        ticket = Ticket(work)
        # One prompt may have a thousand texts: it is checked once, and in memory once.
        prompts: dict[int, tuple[Int64Array, PromptReading]] = {}
        readings: dict[bytes, PromptReading] = {}
        for place, request in enumerate(texts):
            given = id(request.prompt_ids)
            if given not in prompts:
                ids = np.asarray(request.prompt_ids, dtype=np.int64)
                prompts[given] = ids, self._reading(readings, ids)
            prompt, reading = prompts[given]
            settings = self._settings.of(request.config)
            text = ScheduledText(ticket, place, deliver, request, settings, prompt)
            ticket.texts.append(text)
            reading.texts.append(text)
        with work.lock:
            self._require_room(len(texts))
            work.texts.update(dict.fromkeys(ticket.texts))
            for reading in readings.values():
                work.readings.push(ticket, reading)
            if not self._workers:
                self._start_workers()
            work.call(len(readings))
        return ticket

    def close(self) -> None:
        """End all texts with a last piece, whose error is Closed, and all threads. Texts cannot be
        submitted any more."""
        work = self._work
        with work.lock:
            work.is_closed = True
            work.call(len(self._workers))
        end = time.monotonic() + _JOIN
        for worker in self._workers:
            worker.join(max(end - time.monotonic(), 0))
        work.deliver([(text, Piece([], [], error=Closed())) for text in list(work.texts)])

    def _reading(self, readings: dict[bytes, PromptReading], prompt: Int64Array) -> PromptReading:
        """Return the reading of a prompt, which all texts with that prompt share."""
        if prompt.ndim != 1 or not prompt.size:
            raise ConfigError("a prompt without ids: the model reads at least one")
        check_ids(prompt, self._work.engine.vocabulary_size)
        work = self._work
        key = prompt.tobytes()
        if key not in readings:
            readings[key] = PromptReading(work.engine, work.cache, work.pace, prompt)
        return readings[key]

    def _require_room(self, count: int) -> None:
        """Raise Closed, or Busy unless there is room for some more texts."""
        work = self._work
        if work.is_closed:
            raise Closed
        excess = len(work.texts) + count - self.capacity
        if excess > 0:
            raise Busy(work.waiting_time.until_ended(excess))

    def _start_workers(self) -> None:
        """Start the threads. Needs the lock."""
        lanes = -(-self._work.most_lanes // self._threads)
        self._workers = [Worker(self._work, lanes) for _ in range(self._threads)]
        self._work.threads = self._workers
        for worker in self._workers:
            worker.start()
