"""Drawing the next id: from logits, constraints and random numbers. All writers share it.

Legend: B lanes, V vocabulary.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.engines import Array
from charrnn.errors import CharRNNError, ConfigError, ModelError
from charrnn.generation.constraints import Constraints, Draft
from charrnn.generation.filters import Logits, draw

LONGEST: Final = 1 << 17
"""Ids that a text without a length may have where it is wanted whole; hardly any ends later."""

NOTHING_MAY_COME: Final = "ban, only, min-length: together they leave nothing that may come next"


def choose(
    logits: Array,
    constraints: Constraints,
    drafts: Sequence[Draft],
    uniform: npt.NDArray[np.float64],
) -> npt.NDArray[np.intp]:
    """The next ids (B,) of the drafts, from logits (B, V) and random numbers (B,).

    Raises ModelError when the model's numbers overflow, ConfigError when nothing may come.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # `pick` says it
        return pick(logits, constraints.filtered(logits, *constraints.masks(drafts)), uniform)


def pick(logits: Array, filtered: Logits, uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """The ids (B,) that random numbers (B,) pick from filtered logits (B, V). Raises as
    `choose`."""
    check_finite(logits)
    ids = draw(filtered, uniform)
    if ids.max() == logits.shape[-1]:
        raise ConfigError(NOTHING_MAY_COME)
    return ids


def check_not_endless(constraints: Constraints, index: int, made: int) -> None:
    """Raises CharRNNError where a text that is wanted whole has no end so far, and no length."""
    if constraints.config.length is None and made >= LONGEST:
        raise CharRNNError(f"text {index} has {made:,} characters and no end; give a length")


def check_finite(logits: Logits) -> None:
    """Raises ModelError when the model's numbers overflow."""
    # The sum is finite where all are, and quick; where it is not, large numbers may be the reason.
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add.reduce(logits, axis=None)
    if not math.isfinite(total) and not np.isfinite(logits).all():
        raise ModelError("the model's weights are so large that its numbers overflow")


def log_probabilities(logits: Array, ids: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Of ids (B,) under logits (B, V), in nats (B,)."""
    shifted = logits.astype(np.float64)
    shifted -= np.maximum.reduce(logits, axis=-1, keepdims=True)
    chosen = shifted[np.arange(len(ids)), ids]
    np.exp(shifted, out=shifted)
    return chosen - np.log(np.add.reduce(shifted, axis=-1))  # type: ignore[no-any-return]
