"""The average of a network's weights over the last stretch of its training.

While the learning rate is high, weights fluctuate, and their mean is better than any single set.
Where a text is short and its best model comes early, the mean lowers the loss by 2 to 3 %; at the
end of a cosine schedule it changes nothing, and costs nothing.
"""

import copy
from typing import Final

import torch

from charrnn.model.recurrent import RecurrentNetwork

STRETCH: Final = 10
"""The average covers about the last tenth of the steps taken."""

STRIDE: Final = 8
DENSE: Final = 100
"""After DENSE steps, only every STRIDE-th is added, since each reads all weights from memory."""


class WeightAverage:
    """Polynomial-decay averaging (Shamir & Zhang, 2013, arXiv:1212.1824): after step t the average
    moves by the share STRETCH / (t + STRETCH - 1) towards the weights, so that old weights fade,
    however long the training will be.

    Args:
        network: the network whose weights are the first average.

    Attributes:
        network: a separate network with the averaged weights.
    """

    def __init__(self, network: RecurrentNetwork) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def add(self, network: RecurrentNetwork, step: int) -> None:
        """Add the weights after a step (1, 2, 3, ...). Which steps count does not depend on when a
        training is evaluated, saved or resumed."""
        if step > DENSE and step % STRIDE:
            return
        steps = 1 if step <= DENSE else STRIDE
        share = 1 - (1 - STRETCH / (step + STRETCH - 1)) ** steps
        averages, weights = (
            [parameter.detach() for parameter in each.parameters()]
            for each in (self.network, network)
        )
        torch._foreach_lerp_(averages, weights, share)
