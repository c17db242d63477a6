"""The writers of plain texts in C: whole characters, of which Python is called once for many.

They write what `draw.choose` draws character by character. A regular expression, or a limit on
n-grams, is for Python alone.

Legend: B lanes, T steps.
"""

import threading
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from charrnn.engines import Int8Engine, State
from charrnn.engines.int8_writer import (
    LENGTH,
    Int8Writer,
    NothingMayCome,
    Overflow,
    Queue,
    Rules,
    Written,
)
from charrnn.errors import ConfigError, ModelError
from charrnn.generation.draw import NOTHING_MAY_COME, OVERFLOW, check_not_endless
from charrnn.generation.pending import PAUSE, Numbered, Pending, Result
from charrnn.generation.randomness import sample_keys
from charrnn.generation.request import GenerationRequest

_SECONDS: Final = 0.02
"""The duration of a call: soon enough to show a piece of text, and to notice Ctrl-C."""

_MOST_STEPS: Final = 1024
"""The most characters of one text that a call writes."""

_MOST_STEPS_OF_LANES: Final = 64
"""The same of many texts side by side."""

_MOST_WAITING: Final = 1024
"""The most texts whose keys are computed at once."""

_MOST_REMEMBERED: Final = 1 << 14
"""The most last ids that C keeps of each text; Python keeps no more than there are."""

_MOST_COUNTED: Final = 1 << 62
"""The largest length that C compares with; a size in C would lose the bits beyond."""


def native_rules(request: GenerationRequest) -> Rules | None:
    """Return the rules of a request whose texts C can write; None for others."""
    constraints, config = request.constraints, request.constraints.config
    if (
        not isinstance(request.engine, Int8Engine)
        or constraints.native_filters is None
        or constraints.automaton is not None
        or config.no_repeat_ngram is not None
        or constraints.lookback > _MOST_REMEMBERED
        or max(config.length or 0, config.min_length) > _MOST_COUNTED
    ):
        return None
    return Rules(
        constraints.native_filters,
        constraints.allowed,
        config.length,
        config.min_length if constraints.stops else 0,
        constraints.stops,
        config.repetition_window if config.repetition_penalty is not None else 0,
    )


class Piece(NamedTuple):
    """The next ids of a text."""

    ids: list[int]
    scores: list[float]  # the log-probability of each, if requested
    stop_reason: str | None
    cut: int  # the number of last ids that are no part of a text that ends


class TextWriter:
    """The writer of one text.

    Args:
        request: the model, prompt and constraints.
        rules: its `native_rules`.
        index: the sample's index in the seed.
    """

    def __init__(self, request: GenerationRequest, rules: Rules, index: int) -> None:
        self._paced = _Paced(_new_writer(request, rules, 1, _MOST_STEPS))
        self._queue = Queue(sample_keys(request.constraints.config.seed, [index]))

    def pieces(self) -> Iterator[Piece]:
        """Yield the text in pieces.

        Raises ModelError when the model's numbers overflow, ConfigError when no id is allowed.
        """
        ended = False
        while not ended:
            written = self._paced.write(self._queue)
            end = int(written.ends[0, -1])
            ended = end != 0
            scores = [] if written.scores is None else written.scores[0].tolist()
            reason = None if end == 0 else "length" if end == LENGTH else "stop"
            yield Piece(written.ids[0].tolist(), scores, reason, max(end, 0))

    def state(self) -> State:
        """Return the model's state after all ids of the text so far but the last."""
        return self._paced.writer.state(0)


class _Paced:
    """A writer that is called for as many steps as take a fixed time."""

    def __init__(self, writer: Int8Writer) -> None:
        self.writer = writer
        self._steps = 1

    def write(self, queue: Queue) -> Written:
        """Write the next characters; see Int8Writer."""
        began = time.perf_counter()
        try:
            written = self.writer.write(queue, self._steps)
        except Overflow:
            raise ModelError(OVERFLOW) from None
        except NothingMayCome:
            raise ConfigError(NOTHING_MAY_COME) from None
        done = written.ids.shape[1]
        affordable = int(done * _SECONDS / max(time.perf_counter() - began, 1e-9))
        self._steps = max(min(affordable, 4 * self._steps, self.writer.room), 1)
        return written


class _Batch(NamedTuple):
    """Samples that wait for a lane, and their queue in C."""

    numbered: list[Numbered]
    queue: Queue


class Queues:
    """The queues of a batch's samples, one after another, from which all threads take.

    Args:
        pending: the samples to be made.
        seed: the seed of their random numbers.
        lanes: the number of lanes in all threads.
    """

    def __init__(self, pending: Pending, seed: int, lanes: int) -> None:
        self.pending, self._seed = pending, seed
        self._size = max(lanes, _MOST_WAITING)
        self._lock = threading.Lock()
        self._current = _Batch([], Queue(sample_keys(seed, [])))

    def current(self) -> _Batch:
        """Return the queue to take from. It is empty if no sample may begin now."""
        with self._lock:
            if self._current.queue.empty and not self.pending.exhausted:
                numbered = self.pending.take(self._size)
                keys = sample_keys(self._seed, [index for _, index in numbered])
                self._current = _Batch(numbered, Queue(keys))
            return self._current


class LaneWriter:
    """A writer of samples in the lanes of one thread.

    Args:
        request: the model, prompt and constraints.
        rules: its `native_rules`.
        queues: the queues of samples to be made.
        count: the largest number of lanes.
    """

    def __init__(
        self, request: GenerationRequest, rules: Rules, queues: Queues, count: int
    ) -> None:
        self._request, self._queues, self._count = request, queues, count
        self._paced = _Paced(_new_writer(request, rules, count, _MOST_STEPS_OF_LANES))
        # the sample in each lane, and what is written of it before the last call:
        self._numbered: list[Numbered | None] = [None] * count
        self._ids: list[list[int]] = [[] for _ in range(count)]
        self._scores: list[list[float]] = [[] for _ in range(count)]

    def results(self) -> Iterator[list[Result]]:
        """Yield samples as they end, those of a call together."""
        pending = self._queues.pending
        while not pending.closed.is_set():
            batch = self._queues.current()
            active = [lane for lane, each in enumerate(self._numbered) if each is not None]
            if batch.queue.empty:
                if not active:
                    if pending.exhausted:
                        return
                    pending.closed.wait(PAUSE)  # another thread writes a long text
                    continue
                if len(active) <= len(self._numbered) // 2:
                    self._resize(active, len(active))
            elif len(self._numbered) < self._count:
                self._resize(active, self._count)
            if results := self._ended(self._paced.write(batch.queue), batch):
                yield results

    def _ended(self, written: Written, batch: _Batch) -> list[Result]:
        """Return the samples that have ended, and keep what is written of the others."""
        for lane in np.flatnonzero(written.begun[:, 0] >= 0).tolist():
            self._numbered[lane] = batch.numbered[written.begun[lane, 0]]
        lanes, steps = np.nonzero(written.ends)
        ends = written.ends[lanes, steps].tolist()
        begun = written.begun[lanes, steps + 1].tolist()
        ids = written.ids.tolist()
        scores = None if written.scores is None else written.scores.tolist()
        done = [0] * len(ids)
        results = []
        for lane, step, end, entry in zip(lanes.tolist(), steps.tolist(), ends, begun, strict=True):
            begin, done[lane] = done[lane], step + 1
            made, likely = ids[lane][begin : step + 1], self._scores[lane]
            if self._ids[lane]:
                made, self._ids[lane] = self._ids[lane] + made, []
            if scores is not None:
                likely, self._scores[lane] = likely + scores[lane][begin : step + 1], []
            results.append(self._result(lane, made, likely, end))
            self._numbered[lane] = batch.numbered[entry] if entry >= 0 else None
        for lane, numbered in enumerate(self._numbered):
            if numbered is not None:
                self._ids[lane] += ids[lane][done[lane] :]
                if scores is not None:
                    self._scores[lane] += scores[lane][done[lane] :]
                check_not_endless(self._request.constraints, numbered[1], len(self._ids[lane]))
        return results

    def _result(self, lane: int, ids: list[int], scores: list[float], end: int) -> Result:
        numbered = self._numbered[lane]
        assert numbered is not None
        place, index = numbered
        text_ids = ids if end == LENGTH else ids[:-end]
        reason = "length" if end == LENGTH else "stop"
        sample = self._request.sample_of(index, text_ids, len(ids), scores, stop_reason=reason)
        return place, sample

    def _resize(self, lanes: list[int], count: int) -> None:
        """Change the number of lanes, and keep the texts of some in the first ones."""
        self._paced.writer = self._paced.writer.resized(lanes, count)
        missing = count - len(lanes)
        self._numbered = [self._numbered[lane] for lane in lanes] + [None] * missing
        self._ids = [self._ids[lane] for lane in lanes] + [[] for _ in range(missing)]
        self._scores = [self._scores[lane] for lane in lanes] + [[] for _ in range(missing)]


def _new_writer(request: GenerationRequest, rules: Rules, count: int, room: int) -> Int8Writer:
    engine, prompt = request.engine, request.prompt
    assert isinstance(engine, Int8Engine)
    scored = request.score
    return Int8Writer(
        engine, rules, prompt.state, prompt.ids, count=count, room=room, scored=scored
    )
