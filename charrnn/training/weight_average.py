"""The average of a network's weights over the last stretch of its training.

While the learning rate is high, weights wander around what they have learned, and their mean is
better than any of them. Where a text is short and its best model comes early, that is worth 2 to 3
% of the loss; at the end of a cosine, where they wander no more, nothing, and it costs nothing.
"""

import copy
from typing import Final

import torch

from charrnn.model.recurrent import RecurrentNetwork

STRETCH: Final = 10
"""The average is over about the last tenth of the steps taken."""

STRIDE: Final = 8
DENSE: Final = 100
"""After the first steps, every eighth is enough: all weights are read from memory for each."""


class WeightAverage:
    """Polynomial-decay averaging (Shamir & Zhang, 2013, arXiv:1212.1824): after step t the average
    moves by the share STRETCH / (t + STRETCH - 1) towards the weights, so that what is long ago
    fades, however long the training will be.

    Args:
        network: whose weights are the average as yet.

    Attributes:
        network: a network of its own, with the averaged weights.
    """

    def __init__(self, network: RecurrentNetwork) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def add(self, network: RecurrentNetwork, step: int) -> None:
        """Takes in the weights as they are after a step (1, 2, 3, ...). Which steps count does not
        depend on when a training is evaluated, saved or resumed."""
        if step > DENSE and step % STRIDE:
            return
        steps = 1 if step <= DENSE else STRIDE
        share = 1 - (1 - STRETCH / (step + STRETCH - 1)) ** steps
        averages, weights = (
            [parameter.detach() for parameter in each.parameters()]
            for each in (self.network, network)
        )
        torch._foreach_lerp_(averages, weights, share)
