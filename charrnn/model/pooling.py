"""Pooling: turns the outputs of all steps of a sequence into one vector; padding changes nothing.

Sequences of different lengths share a batch, each from step 0 on, with padding after its end.

Legend: T time, B batch, H hidden, F features (H, or 2 H of both directions).
"""

import torch
from torch import Tensor, nn

from charrnn.errors import ConfigError
from charrnn.model.config import POOLINGS


class Pooling(nn.Module):
    """Outputs (T, B, F) and lengths (B,) -> (B, F); zeros for a sequence without steps.

    Args:
        kind: an entry of POOLINGS.

            last: the output of each direction after it has read the whole sequence: the first half
                of the features at the last step, the second half (of a bidirectional network) at
                the first.
            mean: the mean of all steps.
            max: the maximum of each feature over all steps.
            attention: the mean, weighted by a softmax of w . output over the steps (a simple form
                of Yang et al., 2016). It begins as the mean: w is zero.
        features: F.
        bidirectional: whether the second half of the features comes from the reverse direction.

    Attributes:
        weight: w, (1, F), for attention only.
    """

    weight: nn.Parameter

    def __init__(self, kind: str, features: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise ConfigError(f"pooling {kind!r}: choose from {', '.join(POOLINGS)}")
        self.kind, self.bidirectional = kind, bidirectional
        if kind == "attention":
            self.weight = nn.Parameter(torch.empty(1, features))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the attention weights to zero: equal attention to all steps."""
        for weight in self.parameters():
            nn.init.zeros_(weight)

    def forward(self, outputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pool outputs (T, B, F) -> (B, F), in float32 where they are bf16.

        Args:
            lengths: (B,), int64; None where all have T steps.
        """
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        if lengths is None:
            lengths = torch.full((outputs.shape[1],), len(outputs), device=outputs.device)
        if self.kind == "last":
            return last(outputs, lengths, bidirectional=self.bidirectional)
        if self.kind == "mean":
            return mean(outputs, lengths)
        if self.kind == "max":
            return maximum(outputs, lengths)
        return attended(outputs, lengths, self.weight)


def within(steps: int, lengths: Tensor) -> Tensor:
    """Return (T, B, 1): true for the steps of the sequences, false for padding."""
    return (torch.arange(steps, device=lengths.device)[:, None] < lengths)[:, :, None]


def last(outputs: Tensor, lengths: Tensor, *, bidirectional: bool = False) -> Tensor:
    """Return the outputs (B, F) at the last step, and those of the reverse direction at the
    first."""
    lanes = torch.arange(outputs.shape[1], device=outputs.device)
    final = outputs[(lengths - 1).clamp(min=0), lanes]  # (B, F)
    if bidirectional:
        half = outputs.shape[2] // 2
        final = torch.cat([final[:, :half], outputs[0, :, half:]], dim=1)
    return final.masked_fill(lengths[:, None] == 0, 0.0)


def mean(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean (B, F) over all steps."""
    total = outputs.masked_fill(~within(len(outputs), lengths), 0.0).sum(0)
    return total / lengths.clamp(min=1)[:, None]


def maximum(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Return the maximum (B, F) over all steps."""
    padded = outputs.masked_fill(~within(len(outputs), lengths), -torch.inf)
    return padded.amax(0).masked_fill(lengths[:, None] == 0, 0.0)


def attended(outputs: Tensor, lengths: Tensor, weight: Tensor) -> Tensor:
    """Return the mean (B, F) over all steps, weighted by the softmax of w . output; weight (1,
    F)."""
    padding = ~within(len(outputs), lengths)
    scores = outputs.masked_fill(padding, 0.0) @ weight[0].to(outputs.dtype)  # (T, B)
    # The lowest number and not -inf, since a softmax over -inf alone is NaN.
    scores = scores[:, :, None].masked_fill(padding, torch.finfo(scores.dtype).min)
    shares = scores.softmax(0).masked_fill(padding, 0.0)  # (T, B, 1)
    return (shares * outputs.masked_fill(padding, 0.0)).sum(0)


def reversed_within(x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Reverse each sequence within its length and leave padding where it is. Applied twice, this
    returns x.

    Args:
        x: (T, B) or (T, B, F).
        lengths: (B,), int64; None where all have T steps.
    """
    if lengths is None:
        return x.flip(0)
    steps = torch.arange(len(x), device=x.device)[:, None]  # (T, 1)
    order = torch.where(steps < lengths, lengths - 1 - steps, steps)  # (T, B)
    if x.dim() == 3:
        order = order[:, :, None].expand(-1, -1, x.shape[2])
    return x.gather(0, order)
