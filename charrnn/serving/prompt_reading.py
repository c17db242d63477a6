"""PromptReading: a prompt that is read in chunks, from the longest beginning read before."""

import time
from typing import Final

from charrnn.array_types import Int64Array
from charrnn.engines import Engine, State
from charrnn.serving.prefix_cache import PrefixCache, Prefixes
from charrnn.serving.scheduled_text import ScheduledText

_LONGEST: Final = 512
"""The most ids of a chunk, and the distance of the states that are kept in a long prompt."""

_TAIL: Final = 64
"""The most ids after the last but one of the kept states, so that a prompt with another end is
read quickly."""

_SHORTEST: Final = 16
"""The fewest ids of a chunk."""

_SECONDS: Final = 0.003
"""About what a chunk takes."""


class ReadingPace:
    """The seconds that an engine takes to read an id, which decide on the length of chunks."""

    def __init__(self) -> None:
        self._seconds = _SECONDS / _LONGEST

    @property
    def chunk(self) -> int:
        """The number of ids to read at once."""
        return int(min(max(_SECONDS / self._seconds, _SHORTEST), _LONGEST))

    def measured(self, ids: int, seconds: float) -> None:
        """Take account of a chunk. Short ones are ignored, as they take longer for each id."""
        if ids >= _SHORTEST:
            self._seconds += (seconds / ids - self._seconds) / 4


class PromptReading:
    """A prompt that the model reads in chunks, all of it but its last id.

    Args:
        cache: the states of the beginnings of other texts; those of this prompt are added.
        ids: (N,) the ids of the prompt, at least one.

    Attributes:
        done: whether the state is that after all ids but the last.
        state: the state after what is read so far.
        texts: the texts that begin with this prompt and wait for it.
    """

    def __init__(
        self, engine: Engine, cache: PrefixCache, pace: ReadingPace, ids: Int64Array
    ) -> None:
        self._engine, self._cache, self._pace = engine, cache, pace
        self._ids = ids[:-1]
        self._prefixes: Prefixes | None = None  # before the first chunk
        self._read = 0
        self.done = False
        self.state: State | None = None
        self.texts: list[ScheduledText] = []

    def read_chunk(self) -> None:
        """Read the next ids, a few milliseconds long. Call it only while not `done`."""
        if self._prefixes is None:
            self._prefixes = self._cache.prefixes(self._ids)
            self._read, self.state = self._cache.longest(self._prefixes)
        begin, length = self._read, len(self._ids)
        if begin < length:
            self._read_from(begin, length, self._prefixes)
        self.done = self._read == length

    def _read_from(self, begin: int, length: int, prefixes: Prefixes) -> None:
        tail = length - length % _TAIL
        stops = (begin + self._pace.chunk, begin - begin % _LONGEST + _LONGEST, length)
        end = min(*stops, tail) if begin < tail else min(stops)
        began = time.perf_counter()
        self.state = self._engine.read(self._ids[None, begin:end], self.state)
        self._pace.measured(end - begin, time.perf_counter() - began)
        self._read = end
        if end in (tail, length) or end % _LONGEST == 0:
            self._cache.keep(prefixes, end, self.state)
