"""Masking of random spans, from which a masked language model learns.

Legend: B windows, T time.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Int64Array

LONGEST_SPAN: Final = 8
"""The longest span of masks, before spans that meet become one; each length from 1 to this one is
equally probable."""

LARGEST_SHARE: Final = 0.3
"""The largest share of the characters of a window that is masked; each share up to this one is
equally probable, so that the model sees texts with few masks and texts with many."""

UNMASKED: Final = 0.15
"""The share of windows without any mask, because proofreading reads texts without masks."""


def mask_spans(ids: Int64Array, mask: int, random: np.random.Generator) -> Int64Array:
    """Replace random spans of windows (B, T) with the mask's id."""
    return np.where(random_spans(ids.shape[0], ids.shape[1], random), mask, ids)


def random_spans(batch: int, time: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Choose the positions (B, T) that are masked; see the constants above."""
    share = random.uniform(0, LARGEST_SHARE, size=(batch, 1))
    share[random.random((batch, 1)) < UNMASKED] = 0
    # A position stays visible if no span that begins at or shortly before it reaches it.
    begin = -np.log1p(-share) / ((1 + LONGEST_SPAN) / 2)  # the probability that a span begins
    positions = np.arange(time)
    ends = positions + random.integers(1, LONGEST_SPAN + 1, size=(batch, time))
    reached = np.where(random.random((batch, time)) < begin, ends, 0)
    masked: npt.NDArray[np.bool_] = np.maximum.accumulate(reached, axis=1) > positions
    return masked
