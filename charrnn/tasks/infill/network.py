"""InfillNetwork: predicts each character of a text from the characters on both sides of it.

    position                  t-1   t   t+1
    read from the start   ... -> f ---.
    predicted                        ŷ
    read from the end                '--- b <- ...

One stack reads from the start and another from the end, and neither reads the other's outputs. The
character at t is predicted from the first stack's output after t - 1 and the second's after t + 1,
never from itself. So all positions of a text are trained at once, and a mask, which stands for a
missing character, is an id like any other.

Legend: B batch, T time, V vocabulary, E embedding, H hidden, L layers.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import REVERSE, RecurrentNetwork, StackConfig, reset_linear


class InfillNetwork(RecurrentNetwork):
    """A masked language model of two stacks, one for each direction.

    Args:
        config: the sizes of the network, of the task `restore`.
        kernel: the entry of KERNELS that computes the layers.
        generator: draws the initial weights; None: PyTorch's global generator.

    Attributes:
        mask: the id of a missing character, V.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        kernel: str = "fused",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(StackConfig.of(config), kernel=kernel)
        self.config = config
        self.mask = config.vocabulary_size
        hidden = config.hidden_size
        with torch.device("meta"):
            self.join = nn.Linear(2 * hidden, hidden)
            self.head = nn.Linear(hidden, config.vocabulary_size)
        self.allocate()
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights; see `reset_layers` and `reset_linear`."""
        self.reset_layers(generator)
        for linear in (self.join, self.head):
            reset_linear(linear.weight, linear.bias, generator=generator)

    def readout_weights(self) -> list[Tensor]:
        """Return the weights that read a layer's outputs: between layers (G H, H), the join's (H, 2
        H) and the head's (V, H)."""
        return [*self.between_layers(), self.join.weight, self.head.weight]

    def forward(self, ids: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Compute the logits (B, T, V) of the character at each position of ids (B, T), given all
        other characters. Each row is a whole text.

        Args:
            ids: (B, T), int64, masks among them.
            generator: draws the dropout masks during training.
        """
        steps, state = ids.T, self.zero_state(len(ids))
        forward, _ = self._read(steps, state, generator=generator)  # (T, B, H)
        backward, _ = self._read(steps.flip(0), state, direction=REVERSE, generator=generator)
        before = pad(forward[:-1], (0, 0, 0, 0, 1, 0))  # the output after the preceding position
        after = pad(backward[:-1], (0, 0, 0, 0, 1, 0)).flip(0)
        joined = torch.tanh(self.join(torch.cat([before, after], dim=-1)))  # (T, B, H)
        logits: Tensor = self.head(joined)
        return logits.transpose(0, 1)
