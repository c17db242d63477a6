"""Work: what the threads of a scheduler share: the texts that wait, and for what."""

import threading
from collections.abc import Sequence

from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import Engine
from charrnn.serving.fair_queue import FairQueue
from charrnn.serving.prefix_cache import PrefixCache
from charrnn.serving.prompt_reading import PromptReading, ReadingPace
from charrnn.serving.scheduled_text import ScheduledText
from charrnn.serving.texts import Dispatch, Piece
from charrnn.serving.waiting_time import WaitingTime


class Work:
    """The texts that wait, in queues that serve those who submitted them in turn.

    Args:
        engine, tokenizer: those of the model.
        cache: the states of prompts.
        dispatch: takes deliveries, in the thread that wrote them.

    Attributes:
        lock: guards everything here, and the changing attributes of all texts.
        readings: the prompts to be read.
        turns: the texts that Python writes and that wait for their turn.
        texts: the texts that have not ended.
        waiting_time: how often texts end.
        is_closed: whether the threads are to end.
        characters: the number of ids that were written so far.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        cache: PrefixCache,
        dispatch: Dispatch,
    ) -> None:
        self.engine, self.tokenizer, self.cache = engine, tokenizer, cache
        self._dispatch = dispatch
        self.pace = ReadingPace()
        self.lock = threading.Lock()
        self.readings: FairQueue[PromptReading] = FairQueue()
        self.turns: FairQueue[ScheduledText] = FairQueue()
        self.texts: dict[ScheduledText, None] = {}  # in the order in which they came
        self.waiting_time = WaitingTime()
        self.is_closed = False
        self.characters = 0

    def enqueue(self, text: ScheduledText) -> None:
        """Add a text whose prompt is read to the queue it waits in. Needs the lock."""
        if not (text.has_ended or text.is_paused or text.is_running):
            self.turns.push(text.owner, text)

    def remove(self, text: ScheduledText) -> None:
        """Remove a text from the queue it waits in, if it does. Needs the lock."""
        self.turns.remove(text.owner, text)

    def next_reading(self) -> PromptReading | None:
        """Return the prompt to read next, without those that no text waits for. Needs the lock."""
        while self.readings:
            reading = self.readings.pop()
            if any(not text.has_ended for text in reading.texts):
                return reading
        return None

    def read_on(self, reading: PromptReading) -> None:
        """Let a prompt wait for its next chunk, or its texts for being written. Needs the lock."""
        if not reading.done:
            self.readings.push(reading.texts[0].owner, reading)
            return
        for text in reading.texts:
            text.is_read, text.state = True, reading.state
            self.enqueue(text)

    def deliver(self, pieces: Sequence[tuple[ScheduledText, Piece]]) -> None:
        """Deliver pieces, but those that are empty and those of texts that have ended. Call it
        without the lock."""
        texts, deliveries = [], []
        with self.lock:
            for text, piece in pieces:
                if text.has_ended or not (piece.ids or piece.is_last):
                    continue
                self.characters += len(piece.ids)
                text.has_begun = True
                if piece.is_last:
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

    def end(self, text: ScheduledText) -> None:
        """Deliver no more pieces of a text. Needs the lock."""
        text.has_ended = True
        self.texts.pop(text, None)
        self.turns.remove(text.owner, text)
