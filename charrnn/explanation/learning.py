"""Learning: what a model knew at each checkpoint that is kept.

Legend: N characters, K kinds of characters, P checkpoints.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from charrnn.array_types import Float64Array
from charrnn.explanation.concepts import KINDS, kinds_of, values_of
from charrnn.explanation.text_records import CheckpointLoss, Learning
from charrnn.storage.model_directory import Model

WORD_STARTS: Final = "first letters of words"
WORD_REST: Final = "other letters of words"

LEARNED: Final = 0.9
"""The share of what is gained from which a kind counts as learned."""


def explain_learning(
    models: Iterable[Model], text: str, measure: Callable[[Model], Float64Array]
) -> Learning | None:
    """Return the losses of the models of checkpoints by kind of character; None of fewer than two
    checkpoints.

    Args:
        models: the models, the earliest first.
        text: N characters.
        measure: returns the surprisals (N,) of the text under a model.
    """
    masks = _masks(text)
    losses, steps = [], []
    by_kind: list[list[float]] = [[] for _ in masks]
    for model in models:
        nats = measure(model)
        steps.append(model.provenance.step)
        for mask, bits in zip(masks.values(), by_kind, strict=True):
            bits.append(_bits(nats[mask]))
        losses.append(
            CheckpointLoss(
                step=model.provenance.step,
                characters=model.provenance.characters,
                bits=tuple(bits[-1] for bits in by_kind),
                total=_bits(nats),
            )
        )
    if len(losses) < 2:
        return None
    return Learning(
        kinds=tuple(masks),
        counts=tuple(int(mask.sum()) for mask in masks.values()),
        checkpoints=tuple(losses),
        learned=tuple(
            (kind, _learned(bits, steps)) for kind, bits in zip(masks, by_kind, strict=True)
        ),
    )


def _masks(text: str) -> dict[str, np.typing.NDArray[np.bool_]]:
    """Return the characters (N,) of each kind that the text has; and of letters, those that begin
    words and those that do not."""
    kinds = np.array(kinds_of(text))
    masks = {kind: kinds == kind for kind in KINDS}
    starts = values_of("beginning_of_word", text)
    masks[WORD_STARTS] = starts
    masks[WORD_REST] = values_of("inside_word", text) & ~starts
    return {kind: mask for kind, mask in masks.items() if mask.any()}


def _bits(nats: Float64Array) -> float:
    return float(nats.mean()) / math.log(2)


def _learned(bits: Sequence[float], steps: Sequence[int]) -> int | None:
    """Return the first step with LEARNED of what the best has gained on the first; None where
    nothing was gained."""
    gain = bits[0] - min(bits)
    if gain <= 0:
        return None
    return next(
        step for loss, step in zip(bits, steps, strict=True) if bits[0] - loss >= LEARNED * gain
    )
