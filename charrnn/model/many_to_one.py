"""ManyToOne: stacked cells -> pooling -> head. One output for a whole sequence.

Parameters have the names and layout of PyTorch's own modules: `rnn` is a `torch.nn.LSTM` (or GRU,
RNN), bidirectional or not, `head` a `torch.nn.Linear`.

Legend: B batch, T time, E input, H hidden, L layers, F features (H, or 2 H of both directions), K
outputs.
"""

import torch
from torch import Tensor, nn

from charrnn.model.pooling import Pooling
from charrnn.model.recurrent import RecurrentNetwork, StackConfig, reset_linear


class ManyToOne(RecurrentNetwork):
    """A network that reads a sequence and returns K numbers.

    Args:
        stack: the sizes of the stacked cells; see StackConfig.
        outputs: K.
        pooling: an entry of POOLINGS; see Pooling.
        kernel: the entry of KERNELS that computes the layers.
        generator: draws the initial weights; None: PyTorch's global generator.
    """

    def __init__(
        self,
        stack: StackConfig,
        *,
        outputs: int,
        pooling: str = "last",
        kernel: str = "fused",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(stack, kernel=kernel)
        features = stack.hidden_size * len(self.directions)
        with torch.device("meta"):
            self.pooling = Pooling(pooling, features, bidirectional=stack.bidirectional)
            self.head = nn.Linear(features, outputs)
        self.allocate()
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights; see `reset_layers`, Pooling and `reset_linear`."""
        self.reset_layers(generator)
        self.pooling.reset_parameters()
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
        """Compute the K numbers (B, K) of each sequence; padding changes nothing.

        Args:
            inputs: ids (T, B), or vectors (T, B, E), each sequence from step 0 on.
            lengths: (B,), int64; None where all have T steps.
            generator: draws the dropout masks during training.
        """
        outputs = self.read(inputs, lengths, generator=generator)
        with torch.autocast(outputs.device.type, enabled=False):
            answers: Tensor = self.head(self.pooling(outputs, lengths))
        return answers
