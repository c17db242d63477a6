"""The draw of the next id from logits, constraints and random numbers. All writers share it.

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
from charrnn.generation.elementary import exponents, log, total
from charrnn.generation.filters import Logits, draw

LONGEST: Final = 1 << 17
"""The largest number of ids in a text without a length that is returned as a whole."""

OVERFLOW: Final = "the model's weights are so large that its numbers overflow"

NOTHING_MAY_COME: Final = "ban, only and min-length together leave no character that may come next"


def choose(
    logits: Array,
    constraints: Constraints,
    drafts: Sequence[Draft],
    uniform: npt.NDArray[np.float64],
) -> npt.NDArray[np.intp]:
    """Return the next ids (B,) of the drafts, from logits (B, V) and random numbers (B,).

    Raises ModelError when the model's numbers overflow, ConfigError when no id is allowed.
    """
    (allowed, recent), counts = constraints.masks(drafts), constraints.counts(drafts)
    if constraints.native_filters is None:
        with np.errstate(over="ignore", invalid="ignore"):  # `pick` raises the error
            return pick(logits, constraints.filtered(logits, allowed, recent, counts), uniform)
    ids = constraints.native_filters.choose(logits, allowed, recent, uniform, counts)
    check_chosen(ids, logits)
    return ids


def check_chosen(ids: npt.NDArray[np.intp], logits: Array) -> None:
    """Raise ModelError or ConfigError if a row of logits (B, V) has no next id."""
    if ids.max() >= logits.shape[-1]:
        check_finite(logits)
        raise ConfigError(NOTHING_MAY_COME)


def pick(logits: Array, filtered: Logits, uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return the ids (B,) that random numbers (B,) draw from filtered logits (B, V).

    Raises as `choose` does.
    """
    check_finite(logits)
    ids = draw(filtered, uniform)
    check_chosen(ids, logits)
    return ids


def check_not_endless(constraints: Constraints, index: int, made: int) -> None:
    """Raise CharRNNError for a text without a length that has become too long."""
    if constraints.config.length is None and made >= LONGEST:
        raise CharRNNError(f"text {index} has no end after {made:,} characters; give a length")


def check_finite(logits: Logits) -> None:
    """Raise ModelError when the model's numbers overflow."""
    # The sum is quick to check. It may overflow although all numbers are finite.
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add.reduce(logits, axis=None)
    if not math.isfinite(total) and not np.isfinite(logits).all():
        raise ModelError(OVERFLOW)


def log_probabilities(logits: Array, ids: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the log-probabilities (B,) of ids (B,) under logits (B, V), in nats."""
    chosen = logits[np.arange(len(ids)), ids].astype(np.float64)
    chosen -= np.maximum.reduce(logits, axis=-1)
    return chosen - log(total(exponents(logits)))[:, 0]
