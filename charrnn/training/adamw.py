"""AdamW (Loshchilov & Hutter, 2019, arXiv:1711.05101), without weight decay."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from charrnn.training.loss import BETAS

EPSILON: Final = 1e-8
"""What is added to the root of the second moment, as in PyTorch."""


class AdamW:
    """torch.optim.AdamW without what it imports: it takes the same steps to the last bit, by the
    same function.

    When torch.optim.AdamW is made, it imports PyTorch's compiler (torch._dynamo), which nothing
    here uses; that takes longer than all else until the first step.

    Args:
        groups: lists of parameters, each with the factor of its learning rate.
        betas: see BETAS.

    Attributes:
        state: what is kept for each parameter, by torch.optim.AdamW's names: `step`, the number of
            steps, and the moments `exp_avg` and `exp_avg_sq`.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[Tensor], float]],
        betas: tuple[float, float] = BETAS,
    ) -> None:
        self._groups, self._betas = groups, betas
        self.state: dict[Tensor, dict[str, Tensor]] = {
            parameter: {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
            for parameters, _ in groups
            for parameter in parameters
        }

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Take a step. All parameters have gradients."""
        for parameters, scale in self._groups:
            states = [self.state[parameter] for parameter in parameters]
            adamw(
                list(parameters),
                [parameter.grad for parameter in parameters if parameter.grad is not None],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [state["step"] for state in states],
                fused=parameters[0].device.type in ("cpu", "cuda"),
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=learning_rate * scale,
                weight_decay=0.0,
                eps=EPSILON,
                maximize=False,
            )
