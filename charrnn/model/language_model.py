"""CharRNN: embedding -> stacked cells -> head; with attention before the head if configured.

Parameters have the names and layout of a plain PyTorch module, so that this module loads them:

    class Plain(torch.nn.Module):
        def __init__(self, V, E, H, L):
            super().__init__()
            self.embedding = torch.nn.Embedding(V, E)
            self.rnn = torch.nn.LSTM(E, H, L, batch_first=True)
            self.head = torch.nn.Linear(H, V)

        def forward(self, ids, state=None):
            outputs, state = self.rnn(self.embedding(ids), state)
            return self.head(outputs), state

Legend: B batch, T time, V vocabulary, E embedding, H hidden, L layers.
"""

import torch
from torch import Tensor, nn

from charrnn.ambient import as_usual
from charrnn.model.attention import Attention
from charrnn.model.config import STATES, ModelConfig
from charrnn.model.recurrent import RecurrentNetwork, StackConfig, State, detach, reset_linear

__all__ = ["CharRNN", "State", "detach"]


class CharRNN(RecurrentNetwork):
    """A character-level recurrent language model.

    Args:
        config: the sizes of the network.
        kernel: the entry of KERNELS that computes the layers.
        generator: draws the initial weights; None: PyTorch's global generator.
    """

    @as_usual
    def __init__(
        self,
        config: ModelConfig,
        *,
        kernel: str = "fused",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(StackConfig.of(config), kernel=kernel)
        self.config = config
        self.attention: Attention | None = None
        with torch.device("meta"):
            if config.attention is not None:
                self.attention = Attention(
                    config.hidden_size, config.attention_size, config.attention
                )
            self.head = nn.Linear(config.hidden_size, config.vocabulary_size)
        self.allocate()
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights; see `reset_layers` and `reset_linear`."""
        self.reset_layers(generator)
        if self.attention is not None:
            self.attention.reset_parameters(generator)
        reset_linear(self.head.weight, self.head.bias, generator=generator)

    def readout_weights(self) -> list[Tensor]:
        """Return the weights that read a layer's outputs: between layers (G H, H), and the head's
        (V, H); with attention, its weights (D, H) instead of the head's, since the head reads
        normalized vectors."""
        if self.attention is None:
            return [*self.between_layers(), self.head.weight]
        return [*self.between_layers(), *self.attention.readout_weights()]

    def zero_state(self, batch_size: int) -> State:
        """Return the state before the first character: zeros of `config.state_shapes`."""
        like = self.head.bias
        return tuple(like.new_zeros(each) for each in self.config.state_shapes(batch_size).values())

    def forward(
        self,
        ids: Tensor,
        state: State | None = None,
        *,
        generator: torch.Generator | None = None,
        batch_size: int | None = None,
        lanes: slice = slice(None),
    ) -> tuple[Tensor, State]:
        """Read ids (B, T); return the logits (B, T, V) of the next characters, and the state.

        Args:
            ids: (B, T), int64.
            state: the state that an earlier call returned; zeros when None.
            generator: draws the dropout masks during training.
            batch_size, lanes: the size of the whole batch and the given part of it, where that is
                not all. Dropout masks are drawn for the whole batch.
        """
        before = self.zero_state(len(ids)) if state is None else state
        parts = len(STATES[self.cell])
        x, after = self._read(
            ids.T, before[:parts], generator=generator, batch_size=batch_size, lanes=lanes
        )  # (T, B, H)
        if self.attention is not None:
            found, memory = self.attention(x, before[-1])
            x = self.attention.norm(x + self._drop(found, generator, batch_size, lanes))
            after = (*after, memory)
        return self.head(x).transpose(0, 1), after
