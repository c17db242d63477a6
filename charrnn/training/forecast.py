"""The forecast: how good a model is likely to become, before it is trained.

A fast n-gram model measures how hard a text is. How far a network gets beyond that depends on how
often it can read the text, by the law below, fitted to trainings on plays, fables, a manual and
programs.
"""

import math
from dataclasses import dataclass
from typing import Final

from charrnn.data.excerpt import AnyIds
from charrnn.evaluation.baselines import n_gram, unigram

LARGEST_HELD_OUT: Final = 1_000_000
"""Characters that the n-gram is scored on at most: a second of work."""

FLOOR: Final = 0.938
REACH: Final = 0.45
POWER: Final = 1.4
"""The loss as a share of the n-gram's: FLOOR after endless reading, and so much more before."""

LOW: Final = 0.82
HIGH: Final = 1.06
"""The band around what is expected. A text made by rules, which a network finds and an n-gram does
not, lies at its lower end."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The loss on the held-out text that is expected, and the band it lies in nine times of ten;
    per byte under a byte tokenizer."""

    nats_per_character: float
    low_nats_per_character: float
    high_nats_per_character: float


def forecast(
    training: AnyIds, validation: AnyIds, vocabulary_size: int, *, epochs: float
) -> Forecast:
    """What a network that reads the training text (N,) so often is likely to reach on the
    validation text (M,)."""
    validation = validation[:LARGEST_HELD_OUT]
    reference = n_gram(training, validation, vocabulary_size)
    # The frequencies are learned first; after that, whatever the law says of the first steps.
    most = unigram(training, validation, vocabulary_size)
    nats = reference * share_of_n_gram(epochs, epochs * len(training))
    return Forecast(
        nats_per_character=min(nats, most),
        low_nats_per_character=min(LOW * nats, most),
        high_nats_per_character=min(HIGH * nats, most),
    )


def share_of_n_gram(epochs: float, characters: float) -> float:
    """The loss of a network of the recipe's sizes, as a share of an n-gram's, after so many epochs
    in which it has read so many characters: a long text teaches much at once, a short one
    often."""
    return FLOOR + REACH * math.pow(epochs + characters / 1e6, -POWER)
