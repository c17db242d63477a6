"""Worker: a thread that reads prompts and writes texts."""

import contextlib
import os
import sys
import threading
import time
from typing import Final

from charrnn.ambient import usual_numpy
from charrnn.engines import Int8Engine, NativeEngine
from charrnn.generation.writers import one_blas_thread
from charrnn.serving.lane_texts import LaneTexts
from charrnn.serving.python_writing import begin_steps, take_turn
from charrnn.serving.scheduled_text import ScheduledText
from charrnn.serving.texts import Piece
from charrnn.serving.work import Work

_TURN: Final = 0.01
"""Seconds for which a text that Python writes has its turn."""

_READ: Final = 0.003
"""Seconds of reading in a round, if texts are in lanes."""

_FIRST: Final = 0.001
"""Seconds of writing until the first piece of a text is delivered."""

_BETWEEN: Final = 0.005
"""Seconds of writing in a round in which there is more to do."""

_SHORTEST: Final = 0.004
_EACH: Final = 0.0004
_LONGEST: Final = 0.1
"""Seconds between two pieces of a text: the least, more for each text in a lane, and the most. Each
piece costs its reader time, so that the pieces of many texts have to be longer."""

_NICE: Final = 5
"""By how much the threads are nicer than others of the process, which take the requests and hand
out what is written: where all cores write, those would wait for milliseconds at each step."""

QUANTUM: Final = 0.25
"""Seconds after which a text leaves its lane for a while if others wait."""


class Worker:
    """A thread that reads prompts and writes texts: some of each in every round.

    Args:
        work: what all threads share.
        count: the number of its lanes.

    Attributes:
        is_idle: whether it waits for work. The lock of the work guards it, and the next one.
        load: the number of texts in its lanes.
    """

    def __init__(self, work: Work, count: int) -> None:
        self.is_idle, self.load = True, 0
        self._work, self._count = work, count
        self._lanes: LaneTexts | None = None  # before the first text
        self._in_lanes: list[ScheduledText] = []
        self._next_flush = 0.0
        self._wakes = threading.Condition(work.lock)
        self._thread = threading.Thread(target=self._run, name="charrnn-worker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Wake the thread if it is idle, or let it come back soon from what it writes. Needs the
        lock."""
        if self.is_idle:
            self.is_idle = False
            self._wakes.notify()
        elif self._lanes is not None:
            self._lanes.interrupt()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, but not longer than some seconds."""
        self._thread.join(seconds)

    def _run(self) -> None:
        _yield_to_others()
        engine = self._work.engine
        in_c = isinstance(engine, Int8Engine | NativeEngine)  # without BLAS
        with usual_numpy(), contextlib.nullcontext() if in_c else one_blas_thread():
            while self._wait():
                try:
                    self._read()
                    self._take_turn()
                    self._exchange()
                    self._write()
                except Exception as error:  # a bug, or that memory is short
                    self._give_up(error)

    def _wait(self) -> bool:
        """Wait for work. Returns whether there is any; else the thread is to end."""
        work = self._work
        with work.lock:
            self.load = len(self._in_lanes)
            while not (work.is_closed or work.readings or work.turns or self._in_lanes):
                if self._may_take():
                    break
                self.is_idle = True
                self._wakes.wait()
            self.is_idle = False
            return not work.is_closed

    # Prompts

    def _read(self) -> None:
        """Read prompts, for a short time if texts are in lanes."""
        work, end = self._work, time.perf_counter() + _READ
        reading = None
        while True:
            with work.lock:
                if reading is not None:
                    work.read_on(reading)
                    if reading.done:
                        work.call(len(reading.texts) - 1, caller=self)
                late = time.perf_counter() >= end
                reading = None if late else work.next_reading()
            if reading is None:
                return
            try:
                reading.read_chunk()
            except Exception as error:  # such as that memory is short
                work.deliver([(text, Piece([], [], error=error)) for text in reading.texts])

    # Texts that Python writes

    def _take_turn(self) -> None:
        """Write a text in Python for a while."""
        work = self._work
        with work.lock:
            text = work.next_turn()
            if text is None:
                return
            text.is_running = True
        if text.steps is None:
            text.steps = begin_steps(work.engine, work.tokenizer, work.cache, text)
        work.deliver([(text, take_turn(text.steps, _TURN, until_first=not text.has_begun))])
        with work.lock:
            text.is_running = False
            if text.has_ended:
                text.steps = None
            work.enqueue(text)

    # Texts in lanes

    def _may_take(self) -> bool:
        """Return whether a text that waits may come into a lane. Needs the lock."""
        work = self._work
        return bool(work.waiting) and self.load < min(work.share, self._count) and work.has_room

    def _exchange(self) -> None:
        """Take texts out of lanes, and put others into them."""
        work, now = self._work, time.monotonic()
        arriving = []
        with work.lock:
            leaving = self._leaving(now)
            self.load = len(self._in_lanes) - len(leaving)
            while self._may_take():
                text = work.next_text()
                text.is_running, text.since = True, now
                self.load += 1
                arriving.append(text)
            if work.waiting and work.has_room:  # which others have
                work.call(work.waiting, caller=self)
        if leaving:
            self._take_out(leaving)
        if not arriving:
            return
        if not self._in_lanes:
            self._next_flush = time.perf_counter() + _SHORTEST
        self._in_lanes += arriving
        if self._lanes is None:
            assert isinstance(work.engine, Int8Engine)
            self._lanes = LaneTexts(work.engine, self._count, work.cache)
        for text in arriving:
            self._lanes.put(text)

    def _leaving(self, now: float) -> list[ScheduledText]:
        """Return the texts that are to leave their lanes. Needs the lock."""
        work, texts = self._work, self._in_lanes
        self.load = len(texts)
        leaving = [text for text in texts if text.has_ended or text.is_paused]
        share, rest = work.share, len(texts) - len(leaving)
        if rest - share > share // 4:  # others have less to do
            staying = [text for text in texts if not (text.has_ended or text.is_paused)]
            leaving += staying[share:]
        elif work.waiting and not (leaving or work.has_room):
            due = [text for text in texts if now - text.since >= QUANTUM]
            leaving = due[: -(-work.waiting // len(work.threads))]
        return leaving

    def _take_out(self, leaving: list[ScheduledText]) -> None:
        """Take texts out of lanes, and let them wait unless they have ended or are paused."""
        work, lanes = self._work, self._lanes
        assert lanes is not None
        work.deliver([lanes.take(text) for text in leaving])
        gone = set(leaving)
        self._in_lanes = [text for text in self._in_lanes if text not in gone]
        with work.lock:
            for text in leaving:
                text.is_running = False
                work.enqueue(text)
            if work.waiting:
                work.call(len(work.threads), caller=self)

    def _write(self) -> None:
        """Write the texts in the lanes for a while, and deliver what is due."""
        work, lanes = self._work, self._lanes
        if lanes is None or not self._in_lanes:
            return
        seconds = max(self._next_flush - time.perf_counter(), _SHORTEST / 2)
        if work.readings or work.turns:
            seconds = min(seconds, _BETWEEN)
        results = lanes.write(min(seconds, _FIRST) if lanes.is_fresh else seconds)
        if lanes.is_full or time.perf_counter() >= self._next_flush:
            results += lanes.flush()
            interval = min(_SHORTEST + _EACH * work.in_lanes, _LONGEST)
            self._next_flush = time.perf_counter() + interval
        work.deliver(results)
        if any(text.lane < 0 for text, _ in results):
            self._in_lanes = [text for text in self._in_lanes if text.lane >= 0]

    def _give_up(self, error: Exception) -> None:
        """End the texts in the lanes with an error."""
        texts, self._in_lanes, self._lanes = self._in_lanes, [], None
        self._work.deliver([(text, Piece([], [], error=error)) for text in texts])


def _yield_to_others() -> None:
    """Give this thread a lower priority than the others have, where a thread has its own."""
    if sys.platform == "linux":  # elsewhere the whole process would have it
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
