"""Stops: the strings that end a text, as ids of a tokenizer."""

import re
from collections.abc import Iterator, Sequence

from charrnn.data.tokenizer import Tokenizer
from charrnn.generation.config import SamplingConfig

Stops = Sequence[tuple[int, ...]]


def encoded_stops(config: SamplingConfig, tokenizer: Tokenizer) -> Stops:
    """Return the strings that end a text as ids, without those that the model can never write."""
    strings = [each for each in _strings(config) if not tokenizer.unknown(each)]
    return tuple(tuple(map(int, tokenizer.encode(each))) for each in strings)


def begun_stop(ids: Sequence[int], most: int, stops: Stops) -> int:
    """Return how many of the last `most` ids may still become a stop; 0 if none may."""
    for count in range(most, 0, -1):
        tail = tuple(ids[-count:])
        if any(len(stop) > count and stop[:count] == tail for stop in stops):
            return count
    return 0


def _strings(config: SamplingConfig) -> Iterator[str]:
    """Yield all strings that end a text. One with newlines is followed by that with returns."""
    for stop in config.stops:
        yield stop
        if "\n" in stop and config.regex is None:
            returned = re.sub("\r?\n", "\r\n", stop)
            if returned != stop:
                yield returned
