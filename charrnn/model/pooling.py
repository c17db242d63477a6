"""Pooling: the outputs for all characters of a text become one.

Legend: T time, B batch, H hidden, D directions (1 or 2).
"""

import torch
from torch import Tensor


def real_steps(lengths: Tensor, time: int) -> Tensor:
    """Which of the steps (T, B) are of a text of such a length (B,), and not behind its end."""
    return torch.arange(time, device=lengths.device)[:, None] < lengths


def reversed_steps(lengths: Tensor, time: int) -> Tensor:
    """Where each step (T, B) of a text read from its own end comes from; behind the end, all stays in
    its place. What is reversed twice is as it was."""
    steps = torch.arange(time, device=lengths.device)[:, None]
    return torch.where(steps < lengths, lengths - 1 - steps, steps)


def pool(
    outputs: Tensor, lengths: Tensor, pooling: str, weight: Tensor | None, hidden_size: int
) -> Tensor:
    """One vector (B, D H) of the outputs (T, B, D H) for texts of lengths (B,).

    Args:
        pooling: an entry of POOLINGS. `last`: what each direction has come to at its end; `attention`:
            a mean whose weights are a softmax of one score for each output (Yang et al., 2016,
            without its hidden layer).
        weight: (1, D H), of those scores.
        hidden_size: H.
    """
    time = len(outputs)
    if pooling == "last":
        ends = (lengths - 1)[None, :, None].expand(1, -1, hidden_size)
        forward = outputs[..., :hidden_size].gather(0, ends)[0]
        return torch.cat([forward, outputs[0, :, hidden_size:]], dim=1)
    real = real_steps(lengths, time)[..., None]  # (T, B, 1)
    if pooling == "mean":
        return (outputs * real).sum(0) / lengths[:, None]
    if pooling == "max":
        return outputs.masked_fill(~real, -torch.inf).amax(0)
    assert weight is not None
    scores = (outputs @ weight.T).masked_fill(~real, -torch.inf)  # (T, B, 1)
    return (outputs * real * scores.softmax(0)).sum(0)
