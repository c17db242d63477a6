"""Accuracy of a masked language model: the share of masked characters that it predicts.

Legend: N characters, B windows, T time, V vocabulary.
"""

from typing import Final

import numpy as np

from charrnn.data.excerpt import AnyIds
from charrnn.errors import CorpusError
from charrnn.tasks.infill.masked_model import MaskedLM

SPANS: Final = 400
CONTEXT: Final = 64
"""The number of masked spans, each in its own window, and the characters on each side of a span."""

_WINDOWS_AT_ONCE: Final = 50


def masked_accuracy(
    masked_lm: MaskedLM, ids: AnyIds, length: int = 1, *, top_k: int = 1, spans: int = SPANS
) -> float:
    """Measure the share of masked characters of a text (N,) that are among the `top_k` most
    probable, where spans of `length` characters are masked and all predicted at once.

    The positions are seeded: the same for every model. Raises CorpusError when the text is too
    short.
    """
    window = length + 2 * CONTEXT
    if len(ids) < window:
        raise CorpusError(f"to measure accuracy on masked spans, a text needs {window} characters")
    random = np.random.default_rng([length, 0])
    begins = random.integers(len(ids) - window + 1, size=spans)
    span = slice(CONTEXT, CONTEXT + length)
    correct = 0
    for some in np.array_split(begins, -(-spans // _WINDOWS_AT_ONCE)):
        windows = ids[some[:, None] + np.arange(window)].astype(np.int64)  # (B, T)
        targets = windows[:, span].copy()
        windows[:, span] = masked_lm.mask
        read = masked_lm.log_probabilities(windows)[:, span]  # (B, length, V)
        of_target = np.take_along_axis(read, targets[..., None], axis=-1)
        correct += int(((read > of_target).sum(axis=-1) < top_k).sum())
    return correct / (spans * length)
