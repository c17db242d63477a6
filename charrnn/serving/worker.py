"""Worker: a thread that reads prompts and writes texts."""

import threading
from typing import Final

from charrnn.ambient import usual_numpy
from charrnn.serving.python_writing import begin_steps, take_turn
from charrnn.serving.texts import Piece
from charrnn.serving.work import Work

_TURN: Final = 0.01
"""Seconds for which a text that Python writes has its turn."""


class Worker:
    """A thread that reads prompts and writes texts: some of each in every round.

    Args:
        work: what all workers share.

    Attributes:
        is_idle: whether it waits for work. The lock of the work guards it.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._wakes = threading.Condition(work.lock)
        self._thread = threading.Thread(target=self._run, name="charrnn-worker", daemon=True)
        self.is_idle = True
        self._thread.start()

    def wake(self) -> None:
        """Wake the thread if it waits for work. Needs the lock."""
        if self.is_idle:
            self.is_idle = False
            self._wakes.notify()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, but not longer than some seconds."""
        if self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def _run(self) -> None:
        with usual_numpy():
            while self._wait():
                self._read()
                self._take_turn()

    def _wait(self) -> bool:
        """Wait for work. Returns whether there is any; else the thread is to end."""
        work = self._work
        with work.lock:
            while not (work.is_closed or work.readings or work.turns):
                self.is_idle = True
                self._wakes.wait()
            self.is_idle = False
            return not work.is_closed

    def _read(self) -> None:
        """Read a chunk of a prompt."""
        work = self._work
        with work.lock:
            reading = work.next_reading()
        if reading is None:
            return
        try:
            reading.read_chunk()
        except Exception as error:  # such as that memory is short
            work.deliver([(text, Piece([], [], error=error)) for text in reading.texts])
        with work.lock:
            work.read_on(reading)

    def _take_turn(self) -> None:
        """Write a text in Python for a while."""
        work = self._work
        with work.lock:
            if not work.turns:
                return
            text = work.turns.pop()
            text.is_running = True
        if text.steps is None:
            text.steps = begin_steps(work.engine, work.tokenizer, work.cache, text)
        work.deliver([(text, take_turn(text.steps, _TURN, until_first=not text.has_begun))])
        with work.lock:
            text.is_running = False
            if text.has_ended:
                text.steps = None
            work.enqueue(text)
