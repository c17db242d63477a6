"""Early stopping."""

from typing import Final

from charrnn.training.checkpoint import TrainingState
from charrnn.training.schedule import Schedule

CLEARLY_WORSE: Final = 1.01
"""A validation loss this many times the best is clearly worse. While the learning rate is high, the
loss fluctuates by less."""


def should_stop_early(state: TrainingState, schedule: Schedule) -> bool:
    """Return whether a training is so far past its best model that it will not reach a better one:
    all of the last `patience` evaluations were worse, the last one clearly (Prechelt, 1998)."""
    patience = schedule.config.patience
    if not patience or state.best_step is None or state.evaluated != state.step:
        return False
    assert state.validation_nats is not None and state.best_nats is not None
    waited = schedule.evaluations(state.best_step, state.step) >= patience
    return waited and state.validation_nats > CLEARLY_WORSE * state.best_nats
