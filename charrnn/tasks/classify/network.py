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
    """A network that predicts the class of a text, or a number.

    Args:
        config: the sizes of the network.
        kernel: the entry of KERNELS that computes the layers.
        generator: draws the initial weights; None: PyTorch's global generator.
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
        """Compute the logits (B, C) of texts' classes, or their numbers (B, 1).

        Args:
            ids: (B, T), int64; what follows a text's end is ignored.
            lengths: (B,), int64; None where all have T characters.
            generator: draws the dropout masks during training.
        """
        return super().forward(ids.T, lengths, generator=generator)
