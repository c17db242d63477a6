"""Restorer: what stood at each place of a text, from what stands on both sides of it.

    place                     t-1   t   t+1
    read from the start   ... -> f ---.
    predicted                        ŷ
    read from the end                '--- b <- ...

A stack reads from the start and another from the end, and neither reads what the other made. The
character at t is predicted from the first's outputs after t - 1 and the second's after t + 1: never
from itself. So each place of a text is learned from at once, and what is missing, a mask in its
place, is but an id that is read like any other.

Legend: B batch, T time, V vocabulary, E embedding, H hidden, L layers.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import REVERSE, RecurrentNetwork, StackConfig, reset_linear


class Restorer(RecurrentNetwork):
    """A network that restores what is masked.

    Args:
        config: its sizes, of the task `restore`.
        kernel: the entry of KERNELS that computes its layers.
        generator: of the initial weights; PyTorch's global one unless given.

    Attributes:
        mask: the id of a character that is missing, V.
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
        self.to_empty(device="cpu")
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Fresh weights; see `reset_layers` and `reset_linear`."""
        self.reset_layers(generator)
        for linear in (self.join, self.head):
            reset_linear(linear.weight, linear.bias, generator=generator)

    def readout_weights(self) -> list[Tensor]:
        """Those that read outputs: between layers (G H, H), the join's (H, 2 H), the head's (V,
        H)."""
        return [*self.between_layers(), self.join.weight, self.head.weight]

    def forward(self, ids: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """The logits (B, T, V) of the character at each place of ids (B, T), given all others.

        Each text is whole: before its start and after its end there is nothing.

        Args:
            ids: (B, T), int64, masks among them.
            generator: of the dropout masks, while training.
        """
        steps, nothing = ids.T, self.zero_state(len(ids))
        forth, _ = self._read(steps, nothing, generator=generator)  # (T, B, H)
        back, _ = self._read(steps.flip(0), nothing, direction=REVERSE, generator=generator)
        before = pad(forth[:-1], (0, 0, 0, 0, 1, 0))  # of each place, after the one before it
        after = pad(back[:-1], (0, 0, 0, 0, 1, 0)).flip(0)
        joined = torch.tanh(self.join(torch.cat([before, after], dim=-1)))  # (T, B, H)
        logits: Tensor = self.head(joined)
        return logits.transpose(0, 1)
