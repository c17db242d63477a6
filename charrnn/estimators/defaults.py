"""The settings that an estimator chooses for its data where its parameters are None. No torch.

Legend: N sequences, T steps, H hidden, B batch.
"""

import math
from dataclasses import dataclass
from typing import Final

from charrnn.estimators.sequences import Sequences

SMALLEST_HELD_OUT: Final = 3
"""The fewest sequences that are held out; with fewer, nothing is measured on them."""

HELD_OUT_SHARE: Final = 0.1

STEPS_WITHOUT_HELD_OUT: Final = 400
"""The training steps where there are too few sequences to hold some out."""

MOST_STEPS: Final = 5000
"""The most steps in which the epochs are measured, if 20 epochs do not take more."""

LONG: Final = 64
"""The steps of a sequence from which its outputs are pooled by attention, where nothing is
measured: the gradient reaches every step directly."""

MEASURED_POOLINGS: Final = ("last", "max", "attention")
"""The poolings of which the best is taken; "attention" begins as "mean"."""

MANY: Final = 5000
"""Sequences from which on dropout becomes less."""


@dataclass(frozen=True)
class Settings:
    """The settings of a fit.

    Attributes:
        hidden_size: H.
        poolings: entries of POOLINGS, of which the best for a held-out part is taken; None alone
            where there are outputs at each step.
        dropout: the share of each layer's outputs that is dropped during training.
        batch_size: B.
        learning_rate: the largest learning rate.
        epochs: the passes over all sequences; None: as many as a held-out part asks for.
        longest: the most epochs where they are measured.
        patience: the epochs without a better held-out loss after which measuring ends.
    """

    hidden_size: int
    poolings: tuple[str | None, ...]
    dropout: float
    batch_size: int
    learning_rate: float
    epochs: int | None
    longest: int
    patience: int


def choose_settings(
    sequences: Sequences,
    *,
    outputs: int,
    dropout: float,
    hidden_size: int | None,
    pooling: str | None,
    given_dropout: float | None,
    batch_size: int | None,
    learning_rate: float | None,
    epochs: int | None,
) -> Settings:
    """Choose the settings that are None, by rules of the sizes of the data.

    The network grows with the square root of the number of vectors, so that its weights grow as
    they do. Larger networks and smaller batches learn at a lower rate. Few sequences are read in
    small batches, so that an epoch has steps enough.

    Args:
        sequences: the sequences to learn.
        outputs: the numbers that the network computes for a sequence.
        dropout: the dropout of few sequences.
    """
    count, vectors = len(sequences), int(sequences.lengths.sum())
    if hidden_size is None:
        least = _power_of_two(math.sqrt(outputs))
        hidden_size = min(max(_power_of_two(1.3 * math.sqrt(vectors)), 16, least), 256)
    if batch_size is None:
        batch_size = min(max(_power_of_two(count / 40), 16), 128)
    if learning_rate is None:
        learning_rate = 5e-3 * math.sqrt(batch_size / 32 * 64 / hidden_size)
        learning_rate = min(max(learning_rate, 1e-3), 1e-2)
    if given_dropout is None:  # given epochs are too few for it: it slows learning
        given_dropout = 0.0 if epochs is not None else dropout * min(1.0, math.sqrt(MANY / count))
    steps = math.ceil(count / batch_size)
    if epochs is None and int(count * HELD_OUT_SHARE) < SMALLEST_HELD_OUT:
        epochs = math.ceil(STEPS_WITHOUT_HELD_OUT / steps)
    if pooling is not None:
        poolings: tuple[str | None, ...] = (pooling,)
    elif epochs is None:
        poolings = MEASURED_POOLINGS
    else:
        poolings = ("last",) if sequences.lengths.mean() < LONG else ("attention",)
    return Settings(
        hidden_size=hidden_size,
        poolings=poolings,
        dropout=given_dropout,
        batch_size=batch_size,
        learning_rate=learning_rate,
        epochs=epochs,
        longest=min(max(math.ceil(MOST_STEPS / steps), 20), 200),
        patience=max(math.ceil(200 / steps), 8),
    )


def _power_of_two(number: float) -> int:
    """Return the power of two that is nearest as a ratio."""
    return int(2 ** round(math.log2(max(number, 1))))
