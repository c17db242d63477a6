"""Drawing: logits in, the next id out. What single texts and batches of them share.

Legend: B lanes, V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engines import Array, State
from charrnn.errors import CharRNNError, ConfigError, ModelError
from charrnn.generation.constraints import Draft, Rules
from charrnn.generation.filters import Logits, draw

LONGEST: Final = 1 << 17
"""Ids of a text without a length that is wanted whole; what has not ended by then hardly will."""


class EncodedPrompt(NamedTuple):
    """Where a text begins: just before the last character of what stands before it is read."""

    state: State | None  # with B = 1: after all of `ids` but the last
    ids: Sequence[int]  # what stands before, never nothing; rules may look back into it


@dataclass(frozen=True)
class Sample:
    """A text that was made.

    Attributes:
        index: which of its seed.
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


def choose(
    logits: Array, rules: Rules, drafts: Sequence[Draft], uniform: npt.NDArray[np.float64]
) -> npt.NDArray[np.intp]:
    """The next ids (B,) of the drafts, from logits (B, V) and random numbers (B,).

    Raises ModelError when the model's numbers overflow, ConfigError when nothing may come.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # `pick` says it
        return pick(logits, rules.filtered(logits, *rules.masks(drafts)), uniform)


def pick(logits: Array, filtered: Logits, uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """The ids (B,) that random numbers (B,) pick from filtered logits (B, V). Raises as
    `choose`."""
    check_finite(logits)
    ids = draw(filtered, uniform)
    if ids.max() == logits.shape[-1]:
        raise ConfigError("ban, only, min-length: together they leave nothing that may come next")
    return ids


def check_not_endless(rules: Rules, index: int, made: int) -> None:
    """Raises CharRNNError where a text that is wanted whole has no end so far, and no length."""
    if rules.config.length is None and made >= LONGEST:
        raise CharRNNError(f"text {index} has {made:,} characters and no end; give a length")


def check_finite(logits: Logits) -> None:
    """Raises ModelError when the model's numbers overflow."""
    # The sum is finite where all are, and quick; where it is not, large numbers may be the reason.
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add.reduce(logits, axis=None)
    if not math.isfinite(total) and not np.isfinite(logits).all():
        raise ModelError("the model's weights are so large that its numbers overflow")


def log_probabilities(logits: Array, ids: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Of ids (B,) under logits (B, V), in nats (B,)."""
    shifted = logits.astype(np.float64)
    shifted -= np.maximum.reduce(logits, axis=-1, keepdims=True)
    chosen = shifted[np.arange(len(ids)), ids]
    np.exp(shifted, out=shifted)
    return chosen - np.log(np.add.reduce(shifted, axis=-1))  # type: ignore[no-any-return]
