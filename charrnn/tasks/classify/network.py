"""SequenceClassifier: embedding -> stacked cells -> pooling -> head; one output for a whole text.

Texts of a batch are padded to the same length, and padding changes no output.

Legend: B batch, T time, C classes (1 for a number).
"""

import torch
from torch import Tensor

from charrnn.model.config import ModelConfig
from charrnn.model.many_to_one import ManyToOne
from charrnn.model.recurrent import StackConfig


class SequenceClassifier(ManyToOne):
    """Predicts the class of a text, or a number.

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
        assert config.outputs is not None and config.pooling is not None
        super().__init__(
            StackConfig.of(config),
            outputs=config.outputs,
            pooling=config.pooling,
            kernel=kernel,
            generator=generator,
        )
        self.config = config

    def forward(
        self,
        ids: Tensor,
        lengths: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Reads texts; returns the logits (B, C) of each one's class, or its number (B, 1).

        Args:
            ids: (B, T), int64; what follows a text's end is ignored.
            lengths: (B,), int64; None where all have T characters.
            generator: of the dropout masks, while training.
        """
        return super().forward(ids.T, lengths, generator=generator)
