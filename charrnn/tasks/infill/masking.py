"""Masks: what is hidden of a text, for a network to learn to restore it.

Legend: B windows, T time.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]

LONGEST_SPAN: Final = 8
"""Characters that are hidden in a row, or more where spans meet: each length from 1 on is as
likely."""

LARGEST_SHARE: Final = 0.3
"""Of the characters of a window: each share up to this one is as likely, so that texts are met that
are hardly damaged and others that are hardly legible."""

UNDAMAGED: Final = 0.15
"""Windows of which nothing is hidden; to read such a text, for what may be wrong in it, is a use
too."""


def mask_spans(ids: Int64Array, mask: int, random: np.random.Generator) -> Int64Array:
    """Windows (B, T) of which spans of characters are hidden, the mask's id in their place."""
    return np.where(spans(ids.shape[0], ids.shape[1], random), mask, ids)


def spans(batch: int, time: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """What is hidden of windows (B, T); see the constants above."""
    share = random.uniform(0, LARGEST_SHARE, size=(batch, 1))
    share[random.random((batch, 1)) < UNDAMAGED] = 0
    # A place is legible if none of the spans that begin here or shortly before reaches it.
    begin = -np.log1p(-share) / ((1 + LONGEST_SPAN) / 2)  # how likely a span begins at a place
    places = np.arange(time)
    ends = places + random.integers(1, LONGEST_SPAN + 1, size=(batch, time))
    reached = np.where(random.random((batch, time)) < begin, ends, 0)
    hidden: npt.NDArray[np.bool_] = np.maximum.accumulate(reached, axis=1) > places
    return hidden
