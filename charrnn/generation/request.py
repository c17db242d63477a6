"""GenerationRequest: what a text is made from, in one value that every writer takes. Sample: a text
that was made.

Legend: B lanes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import Tokenizer
from charrnn.engines import Engine, Lanes, State
from charrnn.generation.constraints import Constraints, Draft


class EncodedPrompt(NamedTuple):
    """A prompt that the model has read, but for its last character."""

    state: State | None  # with B = 1: after all of `ids` but the last
    ids: Sequence[int]  # never empty; constraints may look back into it


@dataclass(frozen=True)
class Sample:
    """A text that was made.

    Attributes:
        index: which of its seed; for beam search, the rank.
        text: without the prompt and what ended it.
        characters: how many were made, those of a stop string included.
        nats: the negative log-likelihood, under the model, of all those; NaN when it was not asked
            for. Neither temperature nor filters enter into it.
        log_probabilities: of each of those, in nats; empty when it was not asked for.
        stop_reason: `length`, `stop`, or `match` where a regular expression was complete.
    """

    index: int
    text: str
    characters: int
    nats: float
    log_probabilities: tuple[float, ...]
    stop_reason: str


@dataclass(frozen=True, eq=False)
class GenerationRequest:
    """A model, a prompt that it has read, and the constraints on what follows.

    Attributes:
        engine: runs the model.
        tokenizer: the model's.
        prompt: what stands before the text.
        constraints: how to sample, compiled for the tokenizer.
        score: whether log-probabilities and nats are wanted.
    """

    engine: Engine
    tokenizer: Tokenizer
    prompt: EncodedPrompt
    constraints: Constraints
    score: bool = False

    @cached_property
    def empty_draft(self) -> Draft:
        """The draft of a text of which nothing is made yet. Do not add to it; take a copy."""
        return Draft(self.constraints, self.prompt.ids)

    def start_lanes(self, count: int) -> tuple[Lanes, npt.NDArray[np.intp]]:
        """So many lanes with the prompt's state, and the last id of the prompt (B,), which they
        read next."""
        lanes = self.engine.lanes(count)
        lanes.put(range(count), self.prompt.state)
        return lanes, np.full(count, self.prompt.ids[-1], dtype=np.intp)

    def to_sample(
        self,
        index: int,
        draft: Draft,
        log_probabilities: Sequence[float] = (),
        nats: float | None = None,
    ) -> Sample:
        """The sample that a draft which has ended is.

        Args:
            nats: None: from the log-probabilities, where they are wanted.
        """
        assert draft.stop_reason is not None
        if nats is None:
            nats = 0.0 - sum(log_probabilities) if self.score else math.nan
        text = self.tokenizer.decode(draft.text_ids())
        return Sample(index, text, draft.made, nats, tuple(log_probabilities), draft.stop_reason)
