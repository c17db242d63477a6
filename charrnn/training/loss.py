"""The loss function of a task and its result, and constants of the optimization. No torch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from charrnn.model.recurrent import State

HOPELESS_LOSS: Final = 1000.0
"""Nats per character from which a network does not recover (a uniform guess costs ln V, at most
14). With clipped gradients and saturated gates, an LSTM can keep training with a loss of 1e30 and
never reach infinity."""

BETAS: Final = (0.9, 0.999)
"""The decay rates of AdamW's moments, Adam's own (Kingma & Ba, 2015). A second rate of 0.99 costs
up to 1.3 % of the loss where a text is read often (docs/recipe.md)."""


class Learned(NamedTuple):
    """The result of the loss function of a task for a batch.

    Attributes:
        loss: the mean loss.
        state: the state with which the next step begins.
        unweighted: the mean loss without weights, where the loss is weighted; it shows whether the
            network has diverged.
    """

    loss: "Tensor"
    state: "State"
    unweighted: "Tensor | None" = None


Loss = Callable[..., Learned]
"""The loss function of a task: `loss(network, batch, state, random=..., masks=...)`. `state` is the
last step's state, None at the first; `random` (NumPy's) and `masks` (PyTorch's) are generators for
all that is random, both a function of (seed, step)."""
