"""The settings that a transcriber chooses for its data where its parameters are None. No torch.

Legend: N sequences, T steps, H hidden, B batch.
"""

import math
from typing import Final

from charrnn.estimators.defaults import Settings
from charrnn.estimators.sequences import Sequences

SIZE: Final = 128
BATCH: Final = 16
RATE: Final = 3e-3

STEPS: Final = 4000
"""The training steps of a fit, if they are fewer than FEWEST_EPOCHS."""

FEWEST_EPOCHS: Final = 10
MOST_EPOCHS: Final = 400

DROPOUT: Final = 0.2


def choose_transcriber_settings(
    sequences: Sequences,
    *,
    hidden_size: int | None,
    dropout: float | None,
    batch_size: int | None,
    learning_rate: float | None,
    epochs: int | None,
) -> Settings:
    """Choose the settings that are None."""
    batch_size = batch_size or BATCH
    if epochs is None:
        wanted = STEPS / math.ceil(len(sequences) / batch_size)
        epochs = math.ceil(min(max(wanted, FEWEST_EPOCHS), MOST_EPOCHS))
    return Settings(
        hidden_size=hidden_size or SIZE,
        poolings=(None,),
        dropout=DROPOUT if dropout is None else dropout,
        batch_size=batch_size,
        learning_rate=learning_rate or RATE,
        epochs=epochs,
        longest=epochs,
        patience=epochs,
    )
