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

from charrnn.engines import Int8Engine, State, int8_writer
from charrnn.engines.int8_writer import LENGTH, Int8Writer, LaneText, Queue, Rules, Written
from charrnn.errors import CharRNNError, ConfigError, ModelError
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
        config.penalty_window,
        request.score,
    )


def new_text(request: GenerationRequest, rules: Rules, key: int = 0) -> LaneText:
    """Return a text of a request before its first character.

    Args:
        rules: its `native_rules`.
        key: the text's `sample_keys`.
    """
    return LaneText(rules, request.prompt.state, request.prompt.ids, key)


def error_of(end: int) -> CharRNNError | None:
    """Return the error that a text ends with; None if it ends without one."""
    if end == int8_writer.OVERFLOW:
        return ModelError(OVERFLOW)
    return ConfigError(NOTHING_MAY_COME) if end == int8_writer.NOTHING_MAY_COME else None


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
        self._paced = _Paced(_new_writer(request, 1, _MOST_STEPS))
        (key,) = sample_keys(request.constraints.config.seed, [index]).tolist()
        self._paced.writer.put(0, new_text(request, rules, key))
        self._scored, self._failed = rules.scored, False

    def pieces(self) -> Iterator[Piece]:
        """Yield the text in pieces.

        Raises ModelError when the model's numbers overflow, ConfigError when no id is allowed.
        """
        end = 0
        while not end:
            written = self._paced.write()
            end = int(written.ends[0, -1])
            error = error_of(end)
            self._failed = error is not None
            count = written.ids.shape[1] - self._failed
            ids, scores = written.ids[0, :count], written.scores[0, : count * self._scored]
            reason = None if end == 0 or error else "length" if end == LENGTH else "stop"
            if count:
                yield Piece(ids.tolist(), scores.tolist(), reason, max(end, 0))
            if error is not None:
                raise error

    def state(self) -> State | None:
        """Return the model's state after all ids of the text so far but the last; None after an
        error, which is found after the last one is read."""
        return None if self._failed else self._paced.writer.state(0)


class _Paced:
    """A writer that is called for as many steps as take a fixed time."""

    def __init__(self, writer: Int8Writer) -> None:
        self.writer = writer
        self._steps = 1

    def write(self, queue: Queue | None = None) -> Written:
        """Write the next characters; see Int8Writer."""
        began = time.perf_counter()
        written = self.writer.write(self._steps, queue)
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
        request: the model, prompt and constraints.
        rules: its `native_rules`.
        pending: the samples to be made.
        lanes: the number of lanes in all threads.
    """

    def __init__(
        self, request: GenerationRequest, rules: Rules, pending: Pending, lanes: int
    ) -> None:
        assert isinstance(request.engine, Int8Engine)
        self.pending = pending
        self._engine, self._beginning = request.engine, new_text(request, rules)
        self._seed = request.constraints.config.seed
        self._size = max(lanes, _MOST_WAITING)
        self._lock = threading.Lock()
        self._current = self._batch([])

    def current(self) -> _Batch:
        """Return the queue to take from. It is empty if no sample may begin now."""
        with self._lock:
            if self._current.queue.empty and not self.pending.exhausted:
                self._current = self._batch(self.pending.take(self._size))
            return self._current

    def _batch(self, numbered: list[Numbered]) -> _Batch:
        keys = sample_keys(self._seed, [index for _, index in numbered])
        return _Batch(numbered, Queue(self._engine, self._beginning, keys))


class LaneWriter:
    """A writer of samples in the lanes of one thread.

    Args:
        request: the model, prompt and constraints.
        queues: the queues of samples to be made.
        count: the largest number of lanes.
    """

    def __init__(self, request: GenerationRequest, queues: Queues, count: int) -> None:
        self._request, self._queues, self._count = request, queues, count
        self._paced = _Paced(_new_writer(request, count, _MOST_STEPS_OF_LANES))
        self._error: CharRNNError | None = None
        # the sample in each lane, and what is written of it before the last call:
        self._numbered: list[Numbered | None] = [None] * count
        self._ids: list[list[int]] = [[] for _ in range(count)]
        self._scores: list[list[float]] = [[] for _ in range(count)]

    def results(self) -> Iterator[list[Result]]:
        """Yield samples as they end, those of a call together.

        Raises ModelError when the model's numbers overflow, ConfigError when no id is allowed.
        """
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
            if self._error is not None:
                raise self._error

    def _ended(self, written: Written, batch: _Batch) -> list[Result]:
        """Return the samples that have ended, and keep what is written of the others."""
        for lane in np.flatnonzero(written.begun[:, 0] >= 0).tolist():
            self._numbered[lane] = batch.numbered[written.begun[lane, 0]]
        lanes, steps = np.nonzero(written.ends)
        ends = written.ends[lanes, steps].tolist()
        begun = written.begun[lanes, steps + 1].tolist()
        ids = written.ids.tolist()
        scores = written.scores.tolist() if self._request.score else None
        done = [0] * len(ids)
        results = []
        for lane, step, end, entry in zip(lanes.tolist(), steps.tolist(), ends, begun, strict=True):
            begin, done[lane] = done[lane], step + 1
            made, likely = ids[lane][begin : step + 1], self._scores[lane]
            if self._ids[lane]:
                made, self._ids[lane] = self._ids[lane] + made, []
            if scores is not None:
                likely, self._scores[lane] = likely + scores[lane][begin : step + 1], []
            if (error := error_of(end)) is None:
                results.append(self._result(lane, made, likely, end))
            self._error = self._error or error
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


def _new_writer(request: GenerationRequest, count: int, room: int) -> Int8Writer:
    assert isinstance(request.engine, Int8Engine)
    return Int8Writer(request.engine, count=count, room=room)
