"""Transducer: a recurrent neural transducer (Graves, 2012, arXiv:1211.3711).

    source ids -> encoder, both directions ->  e_i  --.
              attention of d_j to all e -----> c_j  --tanh(A e_i + B d_j + c_j) -> head
    symbols written so far -> decoder -------> d_j  --'

At each node (i, j) of the lattice of source positions and written symbols, the head has an output
for advancing to the next position (ADVANCE), one for copying the character at i (COPY), and one for
each symbol of targets. The loss sums over all alignments; see `lattice.py`.

The position i goes from left to right. What stands elsewhere, as the year in a date, is found by
attention with scaled dot products (Luong et al., 2015, arXiv:1508.04025). It does not depend on i,
so all nodes of a pair are computed at once. `python -m benchmarks.transduction dates --budget 60s`
found less than 1 % of dates wrong with it, and 64 % without.

Several such networks (members) learn side by side, and their probabilities are averaged, which is
better than any one of them. Every other one reads and writes from the end, since networks that err
in different places correct each other best.

Legend: B batch, S source positions, U written symbols, E embedding, H hidden, K outputs.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn

from charrnn.model.config import ModelConfig
from charrnn.model.recurrent import RecurrentNetwork, StackConfig, reset_linear
from charrnn.tasks.transduce import FIRST_SYMBOL

EMBEDDING_SCALE: Final = 0.3
"""The standard deviation of fresh embeddings. With 1, a network learns a few hundred words by heart
before it learns their rules, and more of other words are wrong."""


class Transducer(RecurrentNetwork):
    """An encoder, a decoder, and what joins them; and the other members, where there are several.

    Args:
        config: the sizes of the network, of the task `transduce`.
        kernel: the entry of KERNELS that computes the layers.
        generator: draws the initial weights; None: PyTorch's global generator.

    Attributes:
        decoder: reads the symbols written so far.
        others: the other members, each a transducer of the same sizes.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        kernel: str = "fused",
        generator: torch.Generator | None = None,
    ) -> None:
        stack = StackConfig.of(config)
        super().__init__(stack, kernel=kernel)
        assert config.outputs is not None
        self.config = config
        hidden = config.hidden_size
        self.decoder = Decoder(config.outputs, stack, kernel=kernel)
        with torch.device("meta"):
            self.join = Join(hidden)
            self.attention = SourceAttention(hidden)
            self.head = nn.Linear(hidden, config.outputs + FIRST_SYMBOL)
        self.allocate()
        self.reset_parameters(generator)
        one = replace(config, members=1)
        self.others = nn.ModuleList(
            Transducer(one, kernel=kernel, generator=generator) for _ in range(config.members - 1)
        )

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights; see `reset_layers` and `reset_linear`."""
        self.reset_layers(generator)
        self.decoder.reset_layers(generator)
        with torch.no_grad():
            for stack in (self, self.decoder):
                stack.embedding.weight.mul_(EMBEDDING_SCALE)
        reset_linear(self.join.source.weight, self.join.source.bias, generator=generator)
        reset_linear(self.join.target.weight, generator=generator)
        self.attention.reset_parameters(generator)
        reset_linear(self.head.weight, self.head.bias, generator=generator)

    @property
    def members(self) -> "list[Transducer]":
        """This network and the other members."""
        return [self, *self._others()]

    def _others(self) -> "Iterator[Transducer]":
        for other in self.others:
            assert isinstance(other, Transducer)
            yield other

    def readout_weights(self) -> list[Tensor]:
        """Return the weights that read a layer's outputs: between layers, the join's (H, 2 H) and
        (H, H), the attention's, and the head's (K, H)."""
        found = [*self.between_layers(), *self.decoder.between_layers()]
        found += [self.join.source.weight, self.join.target.weight, self.head.weight]
        found += self.attention.weights()
        return found + [weight for other in self._others() for weight in other.readout_weights()]

    def forward(
        self,
        sources: Tensor,
        lengths: Tensor,
        written: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Compute the logits (S, U + 1, B, K) of every node, of this member alone.

        Args:
            sources: ids (S, B), int64; what follows a source's end is ignored.
            lengths: (B,), int64, of the sources.
            written: (U + 1, B), int64: 0, and then each symbol's number + 1.
            generator: draws the dropout masks during training.
        """
        encoded = self.read(sources, lengths, generator=generator)  # (S, B, 2 H)
        decoded = self.decoder.read(written, generator=generator)  # (U + 1, B, H)
        with torch.autocast(encoded.device.type, enabled=False):
            # Under autocast, layers return bfloat16.
            dtype = self.head.weight.dtype
            encoded, decoded = encoded.to(dtype), decoded.to(dtype)
            source, target = self.join(encoded, decoded)
            target = target + self.attention(encoded, decoded, lengths)
            joined = torch.tanh(source[:, None] + target)  # (S, U + 1, B, H)
            joined = self._drop_joined(joined, generator)
            logits: Tensor = self.head(joined)
        return logits

    def _drop_joined(self, joined: Tensor, generator: torch.Generator | None) -> Tensor:
        """Apply dropout at half of its share: one mask for all nodes of a pair."""
        if not self.training or self.dropout == 0:
            return joined
        keep = 1 - self.dropout / 2
        mask = torch.empty(joined.shape[2:], device=joined.device)
        return joined * (mask.bernoulli_(keep, generator=generator) / keep)


class Decoder(RecurrentNetwork):
    """A stack that reads the symbols written so far, of which the first is none."""

    def __init__(self, outputs: int, stack: StackConfig, *, kernel: str) -> None:
        sizes = replace(stack, symbols=outputs + 1, bidirectional=False)
        super().__init__(sizes, kernel=kernel)


class Join(nn.Module):
    """The first half of what joins encoder and decoder: A e_i + b and B d_j."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.source = nn.Linear(2 * hidden, hidden)
        self.target = nn.Linear(hidden, hidden, bias=False)

    def forward(self, encoded: Tensor, decoded: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (S, B, H) of the encoder's outputs (S, B, 2 H), and (U + 1, B, H) of the
        decoder's (U + 1, B, H)."""
        return self.source(encoded), self.target(decoded)


class SourceAttention(nn.Module):
    """Attention of each decoder output to the encoder's outputs at all positions of its source."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(2 * hidden, hidden, bias=False)
        self.value = nn.Linear(2 * hidden, hidden, bias=False)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights; see `reset_linear`."""
        reset_linear(self.query.weight, self.query.bias, generator=generator)
        reset_linear(self.key.weight, generator=generator)
        reset_linear(self.value.weight, generator=generator)

    def weights(self) -> list[Tensor]:
        """Return the weights without the bias."""
        return [self.query.weight, self.key.weight, self.value.weight]

    def forward(self, encoded: Tensor, decoded: Tensor, lengths: Tensor) -> Tensor:
        """Compute c (U + 1, B, H) of encoded (S, B, 2 H) and decoded (U + 1, B, H); positions from
        `lengths` (B,) on are padding."""
        query = self.query(decoded).transpose(0, 1)  # (B, U + 1, H)
        key = self.key(encoded).permute(1, 2, 0)  # (B, H, S)
        value = self.value(encoded).transpose(0, 1)  # (B, S, H)
        scores = query @ key * query.shape[-1] ** -0.5  # (B, U + 1, S)
        padding = torch.arange(len(encoded), device=lengths.device) >= lengths[:, None]  # (B, S)
        weights = scores.masked_fill(padding[:, None], -torch.inf).softmax(dim=-1)
        found: Tensor = (weights @ value).transpose(0, 1)
        return found
