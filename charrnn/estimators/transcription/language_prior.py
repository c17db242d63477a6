"""LanguagePrior: a language model that tells how probable the next character of a string is. No
torch.

Legend: B strings, C characters that a transcriber writes, V vocabulary of the language model.
"""

from typing import NamedTuple, Protocol

import numpy as np

from charrnn.array_types import Float64Array, Int64Array
from charrnn.data.corpus import newline_id
from charrnn.engines import State
from charrnn.errors import ConfigError
from charrnn.generation.filters import log_softmax
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model


class Reading(NamedTuple):
    """What a language model says after each of B strings.

    Attributes:
        scores: (B, C), the log-probability of each character as the next one.
        ends: (B,), the log-probability that the string ends here; 0 where the model knows no ends.
        state: the state of the model.
    """

    scores: Float64Array
    ends: Float64Array
    state: State

    def take(self, places: Int64Array) -> "Reading":
        """Return the readings at some places."""
        state = tuple(part[:, places] for part in self.state)
        return Reading(self.scores[places], self.ends[places], state)

    def put(self, places: Int64Array, other: "Reading") -> None:
        """Replace the readings at some places."""
        self.scores[places], self.ends[places] = other.scores, other.ends
        for part, given in zip(self.state, other.state, strict=True):
            part[:, places] = given


class Prior(Protocol):
    """What a beam search asks of a language model."""

    def begin(self) -> Reading:
        """Return the reading before the first character, B = 1."""
        ...

    def extend(self, reading: Reading, characters: Int64Array) -> Reading:
        """Return the reading after one more character (B,), from 0 to C - 1."""
        ...


class LanguagePrior:
    """A charrnn language model as the prior of a transcriber.

    It runs on the int8 engine, so that its numbers are the same on every machine. A string begins
    as after a newline. A model of lines also tells how probable it is that the string ends.

    A character that the model does not know is as probable as its least probable one, and is not
    read. Characters that only the model knows are never written, and keep their share of the
    probability.

    Args:
        model: a language model.
        characters: those that the transcriber writes.

    Attributes:
        unknown: those that the model does not know.

    Raises ModelError for a model of another task, ConfigError for one that knows none of the
    characters, or reads bytes where a character has several.
    """

    def __init__(self, model: Model, characters: str) -> None:
        sampler = Sampler(model)
        tokenizer = model.tokenizer
        self.unknown = tuple(tokenizer.unknown(characters))
        self._engine = sampler.engine
        self._start = sampler.prompt_ids("")[:1]
        self._ids = np.full(len(characters), -1, np.int64)  # (C,)
        for place, character in enumerate(characters):
            if character in self.unknown:
                continue
            ids = tokenizer.encode(character)
            if len(ids) != 1:
                raise ConfigError(
                    f"the language model reads {tokenizer.unit}s, and {character!r} has "
                    f"{len(ids)}: train it with --tokenizer char"
                )
            self._ids[place] = ids[0]
        if (self._ids < 0).all():
            raise ConfigError("the language model knows none of the characters that are written")
        self._newline = newline_id(tokenizer) if model.provenance.lines else None

    def begin(self) -> Reading:
        """See Prior."""
        return self._read(np.array(self._start), None)

    def extend(self, reading: Reading, characters: Int64Array) -> Reading:
        """See Prior."""
        ids = self._ids[characters]
        known = np.flatnonzero(ids >= 0)
        if len(known) == len(ids):
            return self._read(ids, reading.state)
        after = reading.take(np.arange(len(ids)))
        if len(known):
            after.put(known, self._read(ids[known], reading.take(known).state))
        return after

    def _read(self, ids: Int64Array, state: State | None) -> Reading:
        """Read one id (B,) after each state."""
        logits, after = self._engine.advance(ids[:, None], state)
        outputs = log_softmax(logits[:, 0])  # (B, V)
        scores = outputs[:, self._ids]
        scores[:, self._ids < 0] = outputs.min(1, keepdims=True)
        ends = np.zeros(len(ids)) if self._newline is None else outputs[:, self._newline]
        return Reading(scores, ends, after)
