"""SettledText: the part of a text, which comes in pieces, that certainly belongs to it."""

import codecs
from collections.abc import Sequence
from typing import NamedTuple

from charrnn.data.tokenizer import CharTokenizer, Tokenizer
from charrnn.generation.stops import Stops, begun_stop
from charrnn.serving.texts import Piece
from charrnn.wording import valid_text


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
        return begun_stop(waiting, min(len(waiting), self._longest - 1), self._stops)
