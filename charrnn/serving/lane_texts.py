"""LaneTexts: the texts in the lanes of one thread, which C writes.

Legend: B lanes.
"""

import heapq
import time
from typing import Final, NamedTuple

import numpy as np

from charrnn.engines import Int8Engine
from charrnn.engines.int8_writer import LENGTH, Int8Writer, LaneText
from charrnn.errors import CharRNNError
from charrnn.generation.draw import check_not_endless
from charrnn.generation.native_writers import error_of
from charrnn.generation.randomness import sample_keys
from charrnn.serving.prefix_cache import PrefixCache
from charrnn.serving.scheduled_text import ScheduledText
from charrnn.serving.texts import Piece

_ROOM: Final = 1024
"""The most steps between two deliveries."""

_OVERHEAD: Final = 4
"""The lanes whose work takes as long as the rest of a step, about."""


class Written(NamedTuple):
    """A text, and a piece of it that is to be delivered."""

    text: ScheduledText
    piece: Piece


class LaneTexts:
    """The texts in the lanes of one thread. What C writes is collected until it is asked for, so
    that short calls cost little.

    Only that thread may call the methods, except for `interrupt`.

    Args:
        count: B.
        cache: the states of the beginnings of texts; those at the ends of texts are added.
    """

    def __init__(self, engine: Int8Engine, count: int, cache: PrefixCache) -> None:
        self._cache = cache
        self._writer = Int8Writer(engine, count=count, room=_ROOM)
        self._texts: list[ScheduledText | None] = [None] * count
        self._free = list(range(count))  # a heap: a step costs as much as the last lane in use
        self._fresh: list[ScheduledText] = []  # of which nothing is given out
        self._ids = np.empty((count, _ROOM), dtype=np.int32)
        self._scores = np.empty((count, _ROOM))
        self._columns = 0  # the steps that are collected
        self._lane_seconds = 5e-6  # what a step takes for each lane

    def __len__(self) -> int:
        return len(self._texts) - len(self._free)

    @property
    def is_fresh(self) -> bool:
        """Whether there are texts of which nothing is given out."""
        return bool(self._fresh)

    @property
    def is_full(self) -> bool:
        """Whether no more steps can be collected."""
        return self._columns == _ROOM

    def interrupt(self) -> None:
        """Let `write` return soon. Any thread may call this."""
        self._writer.interrupt()

    def put(self, text: ScheduledText) -> None:
        """Begin a text, or go on with it, in a free lane."""
        waiting = text.lane_text
        if waiting is None:
            rules, request = text.rules, text.request
            assert rules is not None
            (key,) = sample_keys(request.config.seed, [request.index]).tolist()
            waiting = LaneText(rules, text.state, text.prompt[-rules.lookback :].tolist(), key)
            self._fresh.append(text)
        text.lane_text = text.state = None
        text.lane, text.start = heapq.heappop(self._free), self._columns
        self._writer.put(text.lane, waiting)
        self._texts[text.lane] = text

    def take(self, text: ScheduledText) -> Written:
        """Take a text out of its lane, so that it can go on in any lane. Returns what is collected
        of it."""
        written = Written(text, self._collected(text))
        text.lane_text = self._writer.take(text.lane)
        self._leave(text)
        if text in self._fresh:
            self._fresh.remove(text)
        return written

    def write(self, seconds: float) -> list[Written]:
        """Write for about some seconds, or until a text ends. There must be a text, and the
        collection not be full.

        Returns the last pieces of texts that have ended, and the first ones of others.
        """
        used = self._used()
        steps = int(seconds / (self._lane_seconds * (used + _OVERHEAD)))
        began = time.perf_counter()
        written = self._writer.write(max(min(steps, _ROOM - self._columns), 1))
        done = written.ids.shape[1]
        each = (time.perf_counter() - began) / (done * (used + _OVERHEAD))
        self._lane_seconds += (each - self._lane_seconds) / 4
        columns = slice(self._columns, self._columns + done)
        self._ids[:used, columns] = written.ids[:used]
        self._scores[:used, columns] = written.scores[:used]
        self._columns += done
        results = []
        ends = written.ends[:used, -1]
        for lane in np.flatnonzero(ends).tolist():
            text = self._texts[lane]
            if text is not None:
                results.append(Written(text, self._ended(text, int(ends[lane]))))
        fresh, self._fresh = self._fresh, []
        results += [Written(text, self._collected(text)) for text in fresh if text.lane >= 0]
        return results

    def flush(self) -> list[Written]:
        """Return what is collected of all texts."""
        rows = self._ids[: self._used(), : self._columns].tolist()
        results = []
        for row, text in zip(rows, self._texts, strict=False):
            if text is None:
                continue
            if text.start < self._columns:
                results.append(Written(text, self._piece(text, row[text.start :])))
            text.start = 0
        self._columns = 0
        for text, piece in results:
            if piece.error is not None:
                self._writer.take(text.lane)
                self._leave(text)
        self._close_gaps()
        return results

    def _used(self) -> int:
        """Return the number of lanes up to the last one with a text."""
        used = len(self._texts)
        while used and self._texts[used - 1] is None:
            used -= 1
        return used

    def _collected(self, text: ScheduledText) -> Piece:
        """Return what is collected of a text, once."""
        piece = self._piece(text, self._ids[text.lane, text.start : self._columns].tolist())
        text.start = self._columns
        return piece

    def _piece(self, text: ScheduledText, ids: list[int]) -> Piece:
        """Return the piece of the ids that a text was given since `text.start`."""
        scores: list[float] = []
        if text.request.scored:
            begin = text.start
            scores = self._scores[text.lane, begin : begin + len(ids)].tolist()
        text.remember(ids)
        try:
            check_not_endless(text.settings.constraints, text.request.index, text.count)
        except CharRNNError as error:
            return Piece(ids, scores, error=error)
        return Piece(ids, scores)

    def _ended(self, text: ScheduledText, end: int) -> Piece:
        """Return the last piece of a text, and free its lane."""
        error = error_of(end)
        ids = self._ids[text.lane, text.start : self._columns - (error is not None)].tolist()
        piece = self._piece(text, ids)
        if error is None:
            text.keep_end(self._cache, self._writer.state(text.lane))
            reason = "length" if end == LENGTH else "stop"
            piece = piece._replace(stop_reason=reason, cut=max(end, 0), error=None)
        else:
            piece = piece._replace(error=error)
        self._leave(text)
        return piece

    def _leave(self, text: ScheduledText) -> None:
        """Note that a lane is free."""
        self._texts[text.lane] = None
        heapq.heappush(self._free, text.lane)
        text.lane = -1

    def _close_gaps(self) -> None:
        """Move the last texts to free lanes among the first ones, if there are many. Nothing may be
        collected."""
        used, count = self._used(), len(self)
        if used <= count + max(count // 4, 2):
            return
        for lane in range(used - 1, count - 1, -1):
            text = self._texts[lane]
            if text is None:
                continue
            waiting = self._writer.take(lane)
            self._leave(text)
            text.lane = heapq.heappop(self._free)
            self._writer.put(text.lane, waiting)
            self._texts[text.lane] = text
