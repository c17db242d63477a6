"""GenerationRequest: the input that every writer takes. Sample: a generated text.

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
    """A prompt that the model has read except for its last id."""

    state: State | None  # with B = 1: the state after all ids but the last
    ids: Sequence[int]  # never empty; constraints look back at them


@dataclass(frozen=True)
class Sample:
    """A generated text.

    Attributes:
        index: the sample's index in its seed; the rank for beam search.
        text: the text without the prompt and without its stop string.
        characters: the number of generated characters, including a stop string.
        nats: the negative log-likelihood of these characters under the model, without temperature
            and filters; NaN if not requested.
        log_probabilities: the log-probability of each of these characters, in nats; empty if not
            requested.
        stop_reason: `length`, `stop`, or `match` if the text matches a regular expression.
    """

    index: int
    text: str
    characters: int
    nats: float
    log_probabilities: tuple[float, ...]
    stop_reason: str


@dataclass(frozen=True, eq=False)
class GenerationRequest:
    """A model, a prompt that it has read, and the constraints on the text.

    Attributes:
        engine: the engine that runs the model.
        tokenizer: the model's tokenizer.
        prompt: the encoded prompt.
        constraints: the configuration, compiled for the tokenizer.
        score: whether to compute log-probabilities and nats.
    """

    engine: Engine
    tokenizer: Tokenizer
    prompt: EncodedPrompt
    constraints: Constraints
    score: bool = False

    @cached_property
    def empty_draft(self) -> Draft:
        """The draft of an empty text. Copy it before adding ids."""
        return Draft(self.constraints, self.prompt.ids)

    def start_lanes(self, count: int) -> tuple[Lanes, npt.NDArray[np.intp]]:
        """Return `count` lanes with the prompt's state, and the prompt's last id for each (B,).

        The lanes read these ids next.
        """
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
        """Return the sample of a draft that has ended.

        Args:
            nats: the negative log-likelihood; None takes it from the log-probabilities if `score`.
        """
        assert draft.stop_reason is not None
        return self.sample_of(
            index,
            draft.text_ids(),
            draft.made,
            log_probabilities,
            nats,
            stop_reason=draft.stop_reason,
        )

    def sample_of(
        self,
        index: int,
        text_ids: list[int],
        characters: int,
        log_probabilities: Sequence[float] = (),
        nats: float | None = None,
        *,
        stop_reason: str,
    ) -> Sample:
        """Return the sample of ids that do not include a stop string."""
        if nats is None:
            nats = 0.0 - sum(log_probabilities) if self.score else math.nan
        text = self.tokenizer.decode(text_ids)
        return Sample(index, text, characters, nats, tuple(log_probabilities), stop_reason)
