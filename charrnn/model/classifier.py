"""SequenceClassifier: embedding -> stacked cells -> pooling -> head; one output for a whole text.

Its stack is PyTorch's own, `torch.nn.LSTM(..., bidirectional=...)` and so on: a layer above the first
reads both directions of the one below. Texts of a batch are filled up to the same length, and nothing
that was filled up changes an output.

Legend: B batch, T time, V vocabulary, H hidden, L layers, D directions, C classes (1 for a number).
"""

import torch
from torch import Tensor, nn

from charrnn.model.config import ModelConfig
from charrnn.model.pooling import pool, reversed_steps
from charrnn.model.recurrent import RecurrentNetwork, reset_linear


class SequenceClassifier(RecurrentNetwork):
    """Tells the class of a text, or a number.

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
        super().__init__(
            cell=config.cell,
            input_size=config.embedding_size,
            vocabulary_size=config.vocabulary_size,
            hidden_size=config.hidden_size,
            layers=config.layers,
            dropout=config.dropout,
            weight_dropout=config.weight_dropout,
            bidirectional=config.bidirectional,
            kernel=kernel,
        )
        self.config = config
        assert config.outputs is not None and config.pooling is not None
        self._pooling = config.pooling
        top = len(self.directions) * config.hidden_size
        with torch.device("meta"):
            if config.pooling == "attention":
                self.pooling = nn.Linear(top, 1, bias=False)
            self.head = nn.Linear(top, config.outputs)
        self.to_empty(device="cpu")
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Fresh weights; see `reset_layers` and `reset_linear`."""
        self.reset_layers(generator)
        if self._pooling == "attention":
            reset_linear(self.pooling.weight, generator=generator)
        reset_linear(self.head.weight, self.head.bias, generator=generator)

    def upward_weights(self) -> list[Tensor]:
        """Those that read outputs of a layer: between layers (G H, D H), and the head's (C, D H)."""
        return [*self.between_layers(), self.head.weight]

    def forward(
        self, ids: Tensor, lengths: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Reads texts; gives the logits (B, C) of each one's class, or its number (B, 1).

        Args:
            ids: (B, T), int64; whatever stands behind a text's end is not looked at.
            lengths: (B,), int64, each from 1 to T.
            generator: of the dropout masks, while training.
        """
        x = ids.T  # (T, B)
        order = reversed_steps(lengths, len(x)) if len(self.directions) > 1 else None
        before = self.zero_state(len(ids))
        for layer in range(self.layers):
            state = tuple(part[layer] for part in before)
            read = []
            for direction in self.directions:
                way = order if direction else None
                outputs, _ = self._layer(
                    layer, _arranged(x, way), state, direction=direction, generator=generator
                )
                read.append(_arranged(outputs, way))
            x = self._drop(read[0] if len(read) == 1 else torch.cat(read, dim=2), generator)
        weight = self.pooling.weight if self._pooling == "attention" else None
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.head.weight.dtype)
            pooled = pool(x, lengths, self._pooling, weight, self.hidden_size)
            logits: Tensor = self.head(pooled)
        return logits


def _arranged(x: Tensor, order: Tensor | None) -> Tensor:
    """x (T, B) or (T, B, I) with its steps in another order (T, B)."""
    if order is None:
        return x
    if x.dim() == 3:
        order = order[..., None].expand_as(x)
    return x.gather(0, order)
