"""Work: what the threads of a scheduler share: the texts that wait, and for what."""

import threading
from collections.abc import Sequence
from typing import Protocol

from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import Engine
from charrnn.serving.fair_queue import FairQueue
from charrnn.serving.pattern_memory import most_begun
from charrnn.serving.prefix_cache import PrefixCache
from charrnn.serving.prompt_reading import PromptReading, ReadingPace
from charrnn.serving.scheduled_text import ScheduledText
from charrnn.serving.texts import Dispatch, Piece
from charrnn.serving.waiting_time import WaitingTime


class Thread(Protocol):
    """What the work needs to know of a thread; see Worker. The lock guards it."""

    is_idle: bool
    load: int

    def wake(self) -> None:
        """Wake the thread if it is idle, or let it come back soon from what it writes."""
        ...


class Work:
    """The texts that wait, in queues that serve those who submitted them in turn.

    Args:
        engine, tokenizer: those of the model.
        cache: the states of the beginnings of texts.
        dispatch: takes deliveries, in the thread that wrote them.
        most_lanes: the number of texts that may be in lanes at the same time, in all threads.

    Attributes:
        lock: guards everything here, and the attributes of all texts that change.
        threads: the threads that read and write.
        readings: the prompts to be read.
        turns: the texts that Python writes and that wait for their turn.
        texts: the texts that have not ended.
        waiting_time: how often texts end.
        is_closed: whether the threads are to end.
        characters: the number of ids that were delivered so far.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        cache: PrefixCache,
        dispatch: Dispatch,
        most_lanes: int,
    ) -> None:
        self.engine, self.tokenizer, self.cache = engine, tokenizer, cache
        self.most_lanes = most_lanes
        self.pace = ReadingPace()
        self.lock = threading.Lock()
        self.threads: Sequence[Thread] = ()
        self.readings: FairQueue[PromptReading] = FairQueue()
        self.turns: FairQueue[ScheduledText] = FairQueue()
        self.texts: dict[ScheduledText, None] = {}  # in the order in which they came
        self.waiting_time = WaitingTime()
        self.is_closed = False
        self.characters = 0
        self._dispatch = dispatch
        self._new: FairQueue[ScheduledText] = FairQueue()  # texts that wait for their first lane
        self._parked: FairQueue[ScheduledText] = FairQueue()  # texts that wait to go on
        self._turn_of_parked = False
        self._patterns: set[ScheduledText] = set()  # begun texts that match a pattern
        self._held: FairQueue[ScheduledText] = FairQueue()  # others that may not begin yet
        self._most_patterns = most_begun(engine)

    # Texts that wait for a lane. All of these need the lock.

    @property
    def waiting(self) -> int:
        """The number of texts that wait for a lane."""
        return len(self._new) + len(self._parked)

    @property
    def in_lanes(self) -> int:
        """The number of texts in lanes."""
        return sum(thread.load for thread in self.threads)

    @property
    def share(self) -> int:
        """The number of texts in the lanes of each thread if all have about as many."""
        return -(-min(self.in_lanes + self.waiting, self.most_lanes) // len(self.threads))

    @property
    def has_room(self) -> bool:
        """Whether one more text may be in a lane."""
        return self.in_lanes < self.most_lanes

    def next_text(self) -> ScheduledText:
        """Remove and return the next text that waits for a lane. New texts and others have their
        turns, so that neither wait for all of the other kind."""
        first, second = self._new, self._parked
        if self._turn_of_parked:
            first, second = second, first
        self._turn_of_parked = not self._turn_of_parked
        return (first or second).pop()

    def enqueue(self, text: ScheduledText) -> None:
        """Add a text whose prompt is read to the queue it has to wait in, if it has to."""
        if text.has_ended or text.is_paused or text.is_running or not text.is_read:
            return
        if text.rules is None:
            self.turns.push(text.owner, text)
        elif text.lane_text is None:
            self._new.push(text.owner, text)
        else:
            self._parked.push(text.owner, text)

    def withdraw(self, text: ScheduledText) -> None:
        """Remove a text from the queue it waits in, if it does."""
        for queue in (self.turns, self._new, self._parked, self._held):
            queue.remove(text.owner, text)

    def end(self, text: ScheduledText) -> None:
        """Deliver no more pieces of a text."""
        text.has_ended = True
        self.texts.pop(text, None)
        self.withdraw(text)
        if text in self._patterns:
            self._patterns.remove(text)
            if self._held:
                next_one = self._held.pop()
                self.turns.push(next_one.owner, next_one)
                self.call(1)

    def next_turn(self) -> ScheduledText | None:
        """Remove and return the next text that Python is to write. Those that match a pattern take
        much memory once they have begun, so that not all of them may begin."""
        while self.turns:
            text = self.turns.pop()
            if text.settings.constraints.automaton is None or text in self._patterns:
                return text
            if len(self._patterns) < self._most_patterns:
                self._patterns.add(text)
                return text
            self._held.push(text.owner, text)
        return None

    def call(self, count: int, *, caller: Thread | None = None) -> None:
        """Call threads to the queues, those first that have least to do: so many, and not the one
        that calls."""
        others = [thread for thread in self.threads if thread is not caller]
        for thread in sorted(others, key=lambda each: (not each.is_idle, each.load))[:count]:
            thread.wake()

    # Prompts. These need the lock, too.

    def next_reading(self) -> PromptReading | None:
        """Return the prompt to read next, without those that no text waits for."""
        while self.readings:
            reading = self.readings.pop()
            if any(not text.has_ended for text in reading.texts):
                return reading
        return None

    def read_on(self, reading: PromptReading) -> None:
        """Let a prompt wait for its next chunk, or its texts for being written."""
        if not reading.done:
            self.readings.push(reading.texts[0].owner, reading)
            return
        for text in reading.texts:
            text.is_read, text.state = True, reading.state
            self.enqueue(text)

    # Pieces

    def deliver(self, pieces: Sequence[tuple[ScheduledText, Piece]]) -> None:
        """Deliver pieces, but those that are empty and those of texts that have ended. Call it
        without the lock."""
        texts, deliveries = [], []
        with self.lock:
            for text, piece in pieces:
                is_last = piece.is_last
                if text.has_ended or not (piece.ids or is_last):
                    continue
                self.characters += len(piece.ids)
                text.has_begun = True
                if is_last:
                    self.end(text)
                    self.waiting_time.ended()
                texts.append(text)
                deliveries.append((text.deliver, text.place, piece))
        if not deliveries:
            return
        try:
            self._dispatch(deliveries)
        except Exception as error:  # such as that of an event loop that is closed
            with self.lock:
                for text in texts:
                    self.end(text)
            trace = error.__traceback__
            threading.excepthook(threading.ExceptHookArgs((type(error), error, trace, None)))
