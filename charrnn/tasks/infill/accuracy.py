"""How many of the characters that are missing in a text a model restores.

Legend: N characters, B windows, T time, V vocabulary.
"""

from typing import Final

import numpy as np

from charrnn.data.excerpt import AnyIds
from charrnn.errors import CorpusError
from charrnn.tasks.infill.masked_model import MaskedLM

PLACES: Final = 400
CONTEXT: Final = 64
"""How many places are damaged, each in a window of its own, and the characters on both sides of
it."""

_AT_ONCE: Final = 50


def share_restored(
    restorer: MaskedLM, ids: AnyIds, span: int = 1, *, best: int = 1, places: int = PLACES
) -> float:
    """The share of missing characters of a text (N,) that are among the model's `best`, where so
    many in a row are missing. All of them are told at once, none by the help of another.

    The places are seeded: the same for every model. Raises CorpusError when the text is too short.
    """
    length = span + 2 * CONTEXT
    if len(ids) < length:
        raise CorpusError(f"to measure what is restored, a text needs {length} characters")
    random = np.random.default_rng([span, 0])
    begins = random.integers(len(ids) - length + 1, size=places)
    gap = slice(CONTEXT, CONTEXT + span)
    restored = 0
    for some in np.array_split(begins, -(-places // _AT_ONCE)):
        windows = ids[some[:, None] + np.arange(length)].astype(np.int64)  # (B, T)
        missing = windows[:, gap].copy()
        windows[:, gap] = restorer.mask
        likely = restorer.log_probabilities(windows)[:, gap]  # (B, span, V)
        right = np.take_along_axis(likely, missing[..., None], axis=-1)
        restored += int(((likely > right).sum(axis=-1) < best).sum())
    return restored / (places * span)
