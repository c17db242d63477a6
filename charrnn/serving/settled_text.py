"""SettledText: the text of the pieces of one text, as far as it certainly belongs to it."""

import codecs
from collections.abc import Iterable, Sequence

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.generation.config import SamplingConfig
from charrnn.generation.ineffective_settings import stop_strings

Stops = tuple[tuple[int, ...], ...]


def encoded_stops(config: SamplingConfig, tokenizer: Tokenizer) -> Stops:
    """Return the stop strings of a configuration as ids, without those that never come."""
    strings = [each for each in stop_strings(config) if not tokenizer.unknown(each)]
    return tuple(tuple(map(int, tokenizer.encode(each))) for each in strings)


class SettledText:
    """The text of pieces of ids. It never ends within a character, nor with what may become a stop
    string.

    Args:
        tokenizer: the tokenizer of the model.
        stops: the stop strings as ids.

    Attributes:
        made: the number of ids that the model has written, including a stop string.
        stop_reason: why the text has ended; None before.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Stops) -> None:
        self._decoder = _decoder(tokenizer)
        self._stops = stops
        self._in_stops = {i for stop in stops for i in stop[:-1]}
        self._longest = max(map(len, stops), default=0)
        self._waiting: list[int] = []
        self.made = 0
        self.stop_reason: str | None = None

    def add(self, ids: Sequence[int], stop_reason: str | None, cut: int) -> list[int]:
        """Add the ids of a piece; return the ids that are settled now."""
        waiting = self._waiting
        waiting += ids
        self.made += len(ids)
        self.stop_reason = stop_reason
        ready = len(waiting) - (self._held_back() if stop_reason is None else cut)
        settled = waiting[:ready]
        del waiting[:ready]
        return settled

    def text(self, settled: Sequence[int]) -> str:
        """Return the text of settled ids, without a character that is incomplete as yet."""
        return self._decoder.decode(settled, final=self.stop_reason is not None)

    def _held_back(self) -> int:
        """Return how many of the last ids may become a stop string."""
        waiting = self._waiting
        if not waiting or waiting[-1] not in self._in_stops:
            return 0
        for count in range(min(len(waiting), self._longest - 1), 0, -1):
            tail = tuple(waiting[-count:])
            if any(len(stop) > count and stop[:count] == tail for stop in self._stops):
                return count
        return 0


class _Characters:
    """The decoder of a character model."""

    def __init__(self, tokenizer: CharTokenizer) -> None:
        self._character = tokenizer.characters.__getitem__

    def decode(self, ids: Iterable[int], *, final: bool) -> str:
        return "".join(map(self._character, ids))


class _Bytes:
    """The decoder of a byte model. Bytes that are not UTF-8 become U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def decode(self, ids: Iterable[int], *, final: bool) -> str:
        return self._decoder.decode(bytes(ids), final=final)


def _decoder(tokenizer: Tokenizer) -> _Characters | _Bytes:
    if isinstance(tokenizer, CharTokenizer):
        return _Characters(tokenizer)
    assert isinstance(tokenizer, ByteTokenizer)
    return _Bytes()
