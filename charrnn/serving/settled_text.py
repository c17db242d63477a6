"""SettledText: the part of a text, which comes in pieces, that certainly belongs to it."""

import codecs
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from charrnn.data.tokenizer import REPLACEMENT, CharTokenizer, Tokenizer
from charrnn.generation.config import SamplingConfig
from charrnn.generation.ineffective_settings import stop_strings
from charrnn.serving.texts import Piece

_BYTE: Final = re.compile("[\ud800-\udfff]")

Stops = tuple[tuple[int, ...], ...]


def encoded_stops(config: SamplingConfig, tokenizer: Tokenizer) -> Stops:
    """Return the stop strings of a configuration as ids, without those that can never come."""
    strings = [each for each in stop_strings(config) if not tokenizer.unknown(each)]
    return tuple(tuple(map(int, tokenizer.encode(each))) for each in strings)


def valid_text(text: str) -> str:
    """Return a text with U+FFFD for each byte that is not UTF-8, as JSON has no place for it."""
    return text if text.isascii() else _BYTE.sub(REPLACEMENT, text)


class Part(NamedTuple):
    """The next part of a text.

    Attributes:
        text: its characters. Those of a byte model come after their last byte.
        ids: its ids.
        log_probabilities: of each id, in nats; empty unless they were requested.
    """

    text: str
    ids: list[int]
    log_probabilities: list[float]


class SettledText:
    """The settled part of a text: it ends neither within a character nor with what may become a
    stop string.

    Args:
        tokenizer: the tokenizer of the model.
        stops: the stop strings as ids; see `encoded_stops`.

    Attributes:
        made: the number of ids that the model has written, including those of a stop string.
        nats: the negative log-probability of these, if it was requested.
        stop_reason: why the text has ended; None before.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Stops) -> None:
        self._characters = tokenizer.characters if isinstance(tokenizer, CharTokenizer) else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._stops = stops
        self._in_stops = {i for stop in stops for i in stop[:-1]}
        self._longest = max(map(len, stops), default=0)
        self._waiting: list[int] = []
        self._scores: list[float] = []
        self._cut = 0
        self.made, self.nats = 0, 0.0
        self.stop_reason: str | None = None

    def add(self, piece: Piece) -> None:
        """Add the next piece of the text."""
        self._waiting += piece.ids
        self.made += len(piece.ids)
        if piece.log_probabilities:
            self._scores += piece.log_probabilities
            self.nats -= sum(piece.log_probabilities)
        self.stop_reason, self._cut = piece.stop_reason, piece.cut

    def take(self) -> Part:
        """Return what is settled and was not returned before."""
        waiting, scores = self._waiting, self._scores
        held = self._held_back() if self.stop_reason is None else self._cut
        ready = len(waiting) - held
        part = Part(self._text(waiting[:ready]), waiting[:ready], scores[:ready])
        del waiting[:ready], scores[:ready]
        return part

    def _text(self, ids: Sequence[int]) -> str:
        """Decode ids."""
        if self._characters is not None:
            return "".join(map(self._characters.__getitem__, ids))
        return valid_text(self._decoder.decode(bytes(ids), final=self.stop_reason is not None))

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
