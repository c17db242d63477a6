"""The loss of connectionist temporal classification.

Legend: T steps, B batch, L characters, K outputs, of which 0 is the blank.
"""

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from charrnn.estimators.transcription.strings import BLANK


def ctc_losses(outputs: Tensor, targets: Tensor, lengths: Tensor | None) -> Tensor:
    """Compute the nats (B, 1) per character of each string, summed over all alignments.

    Args:
        outputs: (T, B, K).
        targets: ids (B, L), with blanks after the end of each.
        lengths: the steps (B,) of the sequences; None where all have T.
    """
    steps, count, _ = outputs.shape
    characters = (targets != BLANK).sum(1)  # (B,)
    if lengths is None:
        lengths = torch.full((count,), steps, device=outputs.device)
    losses = ctc_loss(
        outputs.log_softmax(2), targets, lengths, characters, blank=BLANK, reduction="none"
    )
    return (losses / characters.clamp(min=1))[:, None]
