"""CharRNN: embedding -> stacked cells -> head.

Parameters carry the names and layout of a plain module of PyTorch's own, so that one loads them:

    class Plain(torch.nn.Module):
        def __init__(self, V, E, H, L):
            super().__init__()
            self.embedding = torch.nn.Embedding(V, E)
            self.rnn = torch.nn.LSTM(E, H, L, batch_first=True)
            self.head = torch.nn.Linear(H, V)

        def forward(self, ids, state=None):
            outputs, state = self.rnn(self.embedding(ids), state)
            return self.head(outputs), state

Legend: B batch, T time, V vocabulary, E embedding, H hidden, L layers, G gates.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from charrnn.model.cells import LayerWeights
from charrnn.model.config import GATES, STATES, ModelConfig
from charrnn.model.kernels import KERNELS

State = tuple[Tensor, ...]
"""What the network carries from one chunk to the next: (h,) or (h, c), each (L, B, H), of the
weights' type."""

_HOLDERS: dict[str, Callable[[int, int, int], nn.RNNBase]] = {
    "rnn": nn.RNN,
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}


class CharRNN(nn.Module):
    """A character-level recurrent language model.

    Args:
        config: its sizes.
        kernel: the entry of KERNELS that computes its layers.
        generator: of the initial weights; PyTorch's global one unless given.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        kernel: str = "fused",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self._kernel = KERNELS[kernel](config.cell)
        embedded, hidden = config.embedding_size, config.hidden_size
        # PyTorch's modules hold the parameters, under their names; on `meta` they cost nothing.
        with torch.device("meta"):
            self.embedding = nn.Embedding(config.vocabulary_size, embedded)
            self.rnn = _HOLDERS[config.cell](embedded, hidden, config.layers)
            self.head = nn.Linear(hidden, config.vocabulary_size)
        self.to_empty(device="cpu")
        self.reset_parameters(generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Fresh weights: inputs scaled to their fan-in (Glorot & Bengio, 2010), each gate's
        recurrent matrix orthogonal (Saxe et al., 2014, arXiv:1312.6120), biases zero but the LSTM's
        forget gate, which starts open at 1 (Jozefowicz et al., 2015)."""
        hidden = self.config.hidden_size
        gates = GATES[self.config.cell]
        nn.init.normal_(self.embedding.weight, generator=generator)
        for layer in range(self.config.layers):
            weights = self._weights(layer)
            for gate in range(gates):
                rows = slice(gate * hidden, (gate + 1) * hidden)
                nn.init.xavier_uniform_(weights.weight_ih[rows], generator=generator)
                nn.init.orthogonal_(weights.weight_hh[rows], generator=generator)
            nn.init.zeros_(weights.bias_ih)
            nn.init.zeros_(weights.bias_hh)
            if self.config.cell == "lstm":
                weights.bias_ih[hidden : 2 * hidden] = 1
        bound = 1 / math.sqrt(hidden)
        nn.init.uniform_(self.head.weight, -bound, bound, generator=generator)
        nn.init.zeros_(self.head.bias)

    def upward_weights(self) -> list[Tensor]:
        """Those that read the outputs of the layer below: between layers (G H, H), and the head's."""
        between = [self._weights(layer).weight_ih for layer in range(1, self.config.layers)]
        return [*between, self.head.weight]

    @torch.no_grad()
    def scale_upward(self, scale: float) -> None:
        """Makes the upward weights so many times as large.

        Outputs lie between -1 and 1, most of them near 0, and what is learned from them is learned
        slowly. Where upward weights begin larger, and learn faster by as much, the network learns as
        if each layer's outputs were multiplied, and stays what torch.nn has.
        """
        for weight in self.upward_weights():
            weight.mul_(scale)

    def zero_state(self, batch_size: int) -> State:
        """The state before the first character: zeros (L, B, H)."""
        shape = (self.config.layers, batch_size, self.config.hidden_size)
        return tuple(self.head.bias.new_zeros(shape) for _ in STATES[self.config.cell])

    def forward(
        self,
        ids: Tensor,
        state: State | None = None,
        *,
        generator: torch.Generator | None = None,
        batch_size: int | None = None,
        lanes: slice = slice(None),
    ) -> tuple[Tensor, State]:
        """Reads ids (B, T); gives the logits (B, T, V) of the character after each, and the state.

        Args:
            ids: (B, T), int64.
            state: what an earlier call gave; zeros when None.
            generator: of the dropout masks, while training.
            batch_size, lanes: where these are not all lanes that are trained on together: how many
                those are, and which of them these. Masks are drawn for all.
        """
        if state is None:
            state = self.zero_state(len(ids))
        # Time comes first inside, where each step's batch then lies in one piece of memory.
        states = []
        for layer in range(self.config.layers):
            before = tuple(part[layer] for part in state)  # each (B, H)
            weights = self._drop_weights(self._weights(layer), generator)
            if layer == 0:
                x, after = self._kernel.first(
                    ids.T, self.embedding.weight, before, weights
                )  # (T, B, H)
            else:
                x, after = self._kernel.layer(x, before, weights)  # (T, B, H)
            x = self._drop(x, generator, batch_size, lanes)
            states.append(after)
        logits = self.head(x)  # (T, B, V)
        kept = self.head.weight.dtype  # whatever autocast computes in
        state = tuple(torch.stack(parts).to(kept) for parts in zip(*states, strict=True))
        return logits.transpose(0, 1), state

    def _weights(self, layer: int) -> LayerWeights:
        return LayerWeights(*self.rnn.all_weights[layer])

    def _drop_weights(
        self, weights: LayerWeights, generator: torch.Generator | None
    ) -> LayerWeights:
        """DropConnect on the recurrent weights (Merity et al., 2018, arXiv:1708.02182): one mask for
        all of T and B. All gates share it, for it does as much good and is drawn in a fourth of the
        time."""
        share, hidden = self.config.weight_dropout, self.config.hidden_size
        if not self.training or share == 0:
            return weights
        mask = torch.empty((hidden, hidden), device=weights.weight_hh.device)
        mask.bernoulli_(1 - share, generator=generator).div_(1 - share)
        kept = weights.weight_hh.view(-1, hidden, hidden) * mask  # (G, H, H)
        return weights._replace(weight_hh=kept.flatten(0, 1))

    def _drop(
        self, x: Tensor, generator: torch.Generator | None, batch_size: int | None, lanes: slice
    ) -> Tensor:
        """Variational dropout (Gal & Ghahramani, 2016, arXiv:1512.05287): one mask for all of T."""
        if not self.training or self.config.dropout == 0:
            return x
        keep = 1 - self.config.dropout
        shape = (batch_size or x.shape[1], x.shape[2])
        mask = torch.empty(shape, device=x.device)  # (B, H), float32 under autocast too
        return x * (mask.bernoulli_(keep, generator=generator)[lanes] / keep).to(x.dtype)


def detach(state: State) -> State:
    """The state as values, so that backpropagation stops where the chunk began."""
    return tuple(part.detach() for part in state)
