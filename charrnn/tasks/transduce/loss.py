"""The loss of a transducer: nats per target, summed over all alignments.

Legend: S source positions, U target symbols, B batch, K outputs.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from charrnn.model.recurrent import State
from charrnn.tasks.transduce import ADVANCE, COPY, FIRST_SYMBOL
from charrnn.tasks.transduce.batches import PairBatch
from charrnn.tasks.transduce.lattice import Posterior, align
from charrnn.tasks.transduce.network import Transducer
from charrnn.tasks.transduce.tokenizer import SPECIAL, UNKNOWN
from charrnn.training.loss import Learned

TINY: Final = 1e-30
"""The least probability of an edge, so that its logarithm is finite."""

HIDDEN: Final = 0.005
"""The share of characters, and of written symbols, that are hidden from a step; many times as much
leaves less to learn from."""


def pair_loss(
    network: Transducer,
    batch: PairBatch,
    state: State | None,
    *,
    random: np.random.Generator,
    masks: torch.Generator,
) -> Learned:
    """Return nats per target, the mean of the members; see Loss. No state is carried.

    Where it copies, some characters of the sources are hidden from it, so that it learns to copy
    those that it has never seen, and some written symbols, as it reads none after such a copy.
    """
    if (batch.copies >= 0).any():
        hidden = (batch.sources >= SPECIAL) & (random.random(batch.sources.shape) < HIDDEN)
        unread = random.random(batch.targets.shape) < HIDDEN
        sources = np.where(hidden, UNKNOWN, batch.sources)
        batch = replace(batch, sources=sources, unread=unread)
    return Learned(member_nats(network, batch, generator=masks).mean(), ())


def member_nats(
    network: Transducer, batch: PairBatch, *, generator: torch.Generator | None = None
) -> Tensor:
    """Return the nats of each target given its source, by each member (members, B)."""
    backwards = batch.backwards() if len(network.members) > 1 else batch
    return torch.stack(
        [
            target_nats(member, backwards if number % 2 else batch, generator=generator)
            for number, member in enumerate(network.members)
        ]
    )


def target_nats(
    network: Transducer, batch: PairBatch, *, generator: torch.Generator | None = None
) -> Tensor:
    """Return the nats of each target (B,) given its source, by one member."""
    device = network.head.bias.device
    sources, targets, lengths = (
        torch.from_numpy(each).to(device)
        for each in (batch.sources, batch.targets, batch.source_lengths)
    )
    nothing = (
        torch.zeros_like(targets[:1]) if len(targets) else sources.new_zeros(1, sources.shape[1])
    )
    read = targets + 1
    if batch.unread is not None:
        read = read.masked_fill(torch.from_numpy(batch.unread).to(device), 0)
    written = torch.cat([nothing, read])
    logits = network(sources, lengths, written, generator=generator)
    nats: Tensor = _AlignmentLoss.apply(logits, targets, batch)  # type: ignore[no-untyped-call]
    return nats


class _AlignmentLoss(torch.autograd.Function):
    """Nats (B,) of the targets, of logits (S, U + 1, B, K).

    The gradient of a logit is p(output) p(node) - p(edges with this output), where p(node) and
    p(edge) are the probabilities that an alignment, given source and target, contains them.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, batch: PairBatch) -> Tensor:
        """Sum over all alignments; the gradient is computed on the way."""
        probabilities = torch.softmax(logits, dim=-1)
        length, width = probabilities.shape[:2]
        symbols = targets[None, :, :, None].expand(length, -1, -1, 1) + FIRST_SYMBOL
        before = probabilities[:, : width - 1]  # nodes from which a symbol may be written
        written = before.gather(3, symbols)[..., 0]  # (S, U, B)
        equal = torch.from_numpy(batch.copies[:, None] == batch.targets).to(logits.device)
        copied = before[..., COPY] * equal
        found = _align(probabilities[..., ADVANCE], written + copied, batch)
        advance, write = (
            torch.from_numpy(each).to(probabilities) for each in (found.advance, found.write)
        )
        gradient = (advance + write)[..., None] * probabilities
        gradient[..., ADVANCE] -= advance
        share = write[:, : width - 1] / (written + copied).clamp_min(TINY)
        gradient[:, : width - 1, :, COPY] -= share * copied
        gradient[:, : width - 1].scatter_add_(3, symbols, -(share * written)[..., None])
        ctx.save_for_backward(gradient)
        return torch.from_numpy(found.nats).to(probabilities)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradient."""
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0][:, None], None, None


def _align(advance: Tensor, write: Tensor, batch: PairBatch) -> Posterior:
    """Align on the CPU, in float64: advance (S, U + 1, B) and write (S, U, B) are probabilities."""
    edges = torch.stack([advance, torch.nn.functional.pad(write, (0, 0, 0, 1))])
    logarithms = edges.double().clamp_min(TINY).log().cpu().numpy()
    return align(logarithms[0], logarithms[1], batch.source_lengths, batch.target_lengths)
