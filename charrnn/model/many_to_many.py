"""ManyToMany: stacked cells -> head. K outputs for each step of a sequence.

Parameters have the names and layout of PyTorch's own modules: `rnn` is a `torch.nn.LSTM` (or GRU,
RNN), bidirectional or not, `head` a `torch.nn.Linear`.

Legend: B batch, T time, E input, F features (H, or 2 H of both directions), K outputs.
"""

import torch
from torch import Tensor, nn

from charrnn.model.recurrent import RecurrentNetwork, StackConfig, reset_linear


class ManyToMany(RecurrentNetwork):
    """A network that reads a sequence and returns K numbers for each step.

    Args:
        stack: the sizes of the stacked cells; see StackConfig.
        outputs: K.
        kernel: the entry of KERNELS that computes the layers.
        generator: draws the initial weights; None: PyTorch's global generator.
    """

    def __init__(
        self,
        stack: StackConfig,
        *,
        outputs: int,
        kernel: str = "fused",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(stack, kernel=kernel)
        features = stack.hidden_size * len(self.directions)
        with torch.device("meta"):
            self.head = nn.Linear(features, outputs)
        self.allocate()
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights; see `reset_layers` and `reset_linear`."""
        self.reset_layers(generator)
        reset_linear(self.head.weight, self.head.bias, generator=generator)

    def readout_weights(self) -> list[Tensor]:
        """Return the weights that read a layer's outputs: between layers (G H, F), and the head's
        (K, F)."""
        return [*self.between_layers(), self.head.weight]

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Compute the K numbers (T, B, K) of each step; those after a sequence's end mean nothing.

        Args:
            inputs: vectors (T, B, E), each sequence from step 0 on.
            lengths: (B,), int64; None where all have T steps.
            generator: draws the dropout masks during training.
        """
        outputs = self.read(inputs, lengths, generator=generator)
        with torch.autocast(outputs.device.type, enabled=False):
            answers: Tensor = self.head(outputs.float())
        return answers
