"""SampleStream: a sample that can be read while it is generated."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from charrnn.ambient import stepwise, usual_numpy
from charrnn.engines.int8_writer import Rules
from charrnn.generation.constraints import Constraints
from charrnn.generation.draw import choose, log_probabilities
from charrnn.generation.native_writers import TextWriter, native_rules
from charrnn.generation.randomness import sample_keys, uniforms
from charrnn.generation.request import GenerationRequest
from charrnn.generation.smc import smc_sample

_BLOCK: Final = 64
"""The number of random numbers computed at once."""


class SampleStream:
    """A sample that is generated while it is iterated over, in pieces of text.

    Args:
        request: the model, prompt and constraints.
        index: the sample's index in the seed.
        keep_log_probabilities: whether to keep the log-probability of each character, if the
            request has `score`.

    Attributes:
        nats: the negative log-likelihood, under the model, of the characters so far; NaN if not
            requested.
        log_probabilities: those of the characters so far, if kept.
    """

    def __init__(
        self, request: GenerationRequest, index: int, *, keep_log_probabilities: bool
    ) -> None:
        self.nats = 0.0 if request.score else math.nan
        self.log_probabilities: list[float] = []
        self._keep_log_probabilities = keep_log_probabilities
        self._request = request
        self._index = index
        self._draft = request.empty_draft.copy()

    @property
    def characters(self) -> int:
        """The number of characters generated so far."""
        return self._draft.made

    @property
    def constraints(self) -> Constraints:
        """The configuration, compiled for the model's tokenizer."""
        return self._request.constraints

    @property
    def stop_reason(self) -> str | None:
        """Why the text ended: `length`, `stop` or `match`; None before its end."""
        return self._draft.stop_reason

    def __iter__(self) -> Iterator[str]:
        if self.constraints.automaton is not None:
            return stepwise(self._matching(), usual_numpy)
        tokenizer, draft = self._request.tokenizer, self._draft
        if (rules := native_rules(self._request)) is not None and not draft.made:
            pieces = draft.settled_pieces(self._written(rules))
            return stepwise(tokenizer.decode_pieces(pieces), usual_numpy)
        ids = draft.settled_ids(self._choices())
        return stepwise(tokenizer.decode_stream(ids), usual_numpy)

    def _matching(self) -> Iterator[str]:
        """Yield the whole text at once, as its beginning is known only at its end."""
        if self.stop_reason is not None:
            return
        sample = smc_sample(self._request, self._index)
        self._draft.made, self._draft.stop_reason = sample.characters, sample.stop_reason
        self.nats = sample.nats
        if self._keep_log_probabilities:
            self.log_probabilities = list(sample.log_probabilities)
        if sample.text:
            yield sample.text

    def _written(self, rules: Rules) -> Iterator[Sequence[int]]:
        """Write pieces in C, and add each to the draft."""
        if self.stop_reason is not None:
            return
        for piece in TextWriter(self._request, rules, self._index).pieces():
            self._draft.add_written(piece.ids, piece.stop_reason, piece.cut)
            for log_probability in piece.scores:
                self.nats -= log_probability
            if self._keep_log_probabilities:
                self.log_probabilities += piece.scores
            yield piece.ids

    def _choices(self) -> Iterator[int]:
        """Draw ids, and add each to the draft."""
        request, draft, constraints = self._request, self._draft, self._request.constraints
        key = sample_keys(constraints.config.seed, [self._index])
        lanes, ids = request.start_lanes(1)
        position, block = 0, np.empty(0)
        while draft.stop_reason is None:
            logits = lanes.step(ids)
            if position % _BLOCK == 0:
                positions = np.arange(position, position + _BLOCK, dtype=np.uint64)
                block = uniforms(key, positions)[:, None]  # (_BLOCK, 1)
            ids = choose(logits, constraints, [draft], block[position % _BLOCK])
            position += 1
            choice = int(ids[0])
            if request.score:
                log_probability = float(log_probabilities(logits, ids)[0])
                self.nats -= log_probability
                if self._keep_log_probabilities:
                    self.log_probabilities.append(log_probability)
            draft.add(choice)
            yield choice
