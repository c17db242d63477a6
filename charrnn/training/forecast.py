"""The forecast: the loss that a model is likely to reach, estimated before it is trained.

A fast n-gram model measures how hard a text is. How much better a network becomes depends on how
often it can read the text, by the law below, which was fitted to trainings on plays, fables, a
manual and programs.
"""

import math
from dataclasses import dataclass
from typing import Final

from charrnn.data.excerpt import AnyIds
from charrnn.evaluation.baselines import n_gram, unigram

LARGEST_HELD_OUT: Final = 1_000_000
"""The most characters that the n-gram is scored on, which takes a second."""

FLOOR: Final = 0.938
REACH: Final = 0.45
POWER: Final = 1.4
"""The network's loss as a share of the n-gram's: FLOOR in the limit, more before; see
`share_of_n_gram`."""

LOW: Final = 0.82
HIGH: Final = 1.06
"""The band around the expected loss. A text made by rules that a network finds and an n-gram does
not lies at its lower end."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The expected loss on the held-out text, and a band that holds it nine times out of ten; per
    byte under a byte tokenizer."""

    nats_per_character: float
    low_nats_per_character: float
    high_nats_per_character: float


def forecast(
    training: AnyIds, validation: AnyIds, vocabulary_size: int, *, epochs: float
) -> Forecast:
    """Return the loss that a network is likely to reach on the validation text (M,) after `epochs`
    epochs on the training text (N,)."""
    validation = validation[:LARGEST_HELD_OUT]
    reference = n_gram(training, validation, vocabulary_size)
    # A network learns the frequencies first, so the law must not forecast more than their loss.
    most = unigram(training, validation, vocabulary_size)
    nats = reference * share_of_n_gram(epochs, epochs * len(training))
    return Forecast(
        nats_per_character=min(nats, most),
        low_nats_per_character=min(LOW * nats, most),
        high_nats_per_character=min(HIGH * nats, most),
    )


def share_of_n_gram(epochs: float, characters: float) -> float:
    """Return the expected loss of a network of the recipe's sizes as a share of an n-gram's, after
    `epochs` epochs in which it has read `characters` characters. Both count: a long text teaches
    much in one epoch, a short text in many."""
    return FLOOR + REACH * math.pow(epochs + characters / 1e6, -POWER)
