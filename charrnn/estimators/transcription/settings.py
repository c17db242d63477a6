"""The settings that a transcriber chooses for its data where its parameters are None. No torch.

Legend: N sequences, T steps, H hidden, B batch.
"""

import math
from typing import Final

from charrnn.estimators.defaults import Settings
from charrnn.estimators.sequences import Sequences

SIZE: Final = 128
BATCH: Final = 16

READOUT_SCALE: Final = 4.0
"""What fresh weights between layers and in the head, and their learning rate, are multiplied by. A
network writes nothing but blanks at first, which so ends sooner: of drawn lines of text, 270 steps
lead to 0.2 nats per character, instead of 1.7."""

RATE: Final = 5e-3
"""The largest learning rate, at BATCH."""

STEPS: Final = 4000
"""The training steps of a fit, as far as the numbers of epochs allow."""

FEWEST_EPOCHS: Final = 8
MOST_EPOCHS: Final = 200

DROPOUT: Final = 0.2
SEEN_OFTEN: Final = 10
"""The dropout where a sequence is learned in more epochs than this; in fewer, it only slows
learning."""


def choose_transcriber_settings(
    sequences: Sequences,
    *,
    hidden_size: int | None,
    dropout: float | None,
    batch_size: int | None,
    learning_rate: float | None,
    epochs: int | None,
) -> Settings:
    """Choose the settings that are None: as many epochs as make STEPS training steps, at a rate
    that is proportional to the square root of the batch size."""
    batch_size = batch_size or BATCH
    if epochs is None:
        wanted = STEPS / math.ceil(len(sequences) / batch_size)
        epochs = math.ceil(min(max(wanted, FEWEST_EPOCHS), MOST_EPOCHS))
    if dropout is None:
        dropout = DROPOUT if epochs > SEEN_OFTEN else 0.0
    return Settings(
        hidden_size=hidden_size or SIZE,
        poolings=(None,),
        dropout=dropout,
        batch_size=batch_size,
        learning_rate=learning_rate or RATE * math.sqrt(batch_size / BATCH),
        epochs=epochs,
        longest=epochs,
        patience=epochs,
    )
