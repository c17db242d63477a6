"""TokenScores: how likely each id of a text is under the model, and which others are likelier.

Legend: N ids, K likeliest ids, T ids of a chunk, V vocabulary.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.engines import Engine, State
from charrnn.generation.draw import check_finite
from charrnn.generation.filters import largest, log_softmax

_SORTED: Final = 1024
"""The largest vocabulary that is sorted as a whole, which is quicker than to look for the largest
of each row."""


class TokenScores(NamedTuple):
    """The scores of ids, without temperature and filters.

    Attributes:
        log_probabilities: (N,) of each id, given all before it, in nats.
        ranks: (N,) 1 for the likeliest id. Of equals, those with the smaller ids come first.
        top_ids: (N, K) the likeliest ids in each place, the likeliest first.
        top_log_probabilities: (N, K) their log-probabilities.
    """

    log_probabilities: Float64Array
    ranks: Int64Array
    top_ids: Int64Array
    top_log_probabilities: Float64Array


class ScoredContinuation:
    """The scores of a text that comes in parts, each of which is read once.

    Args:
        engine: the engine of the model.
        state: the state after all but the last id before the text.
        last: that id.
    """

    def __init__(self, engine: Engine, state: State | None, last: int) -> None:
        self._engine, self._state, self._last = engine, state, last

    def score(self, ids: Sequence[int] | npt.NDArray[np.integer], *, top: int = 0) -> TokenScores:
        """Return the scores of the next ids (N,), which the model knows. All of their logits are in
        memory at once.

        Raises ModelError when the model's numbers overflow.
        """
        targets = np.asarray(ids, dtype=np.int64)
        if not targets.size:
            empty = np.empty((0, self._engine.vocabulary_size), dtype=np.float32)
            return score_logits(empty, targets, top)
        inputs = np.concatenate([[self._last], targets[:-1]])
        logits, self._state = self._engine.advance(inputs[None], self._state)  # (1, T, V)
        self._last = int(targets[-1])
        check_finite(logits)
        return score_logits(logits[0], targets, top)


def score_logits(logits: npt.NDArray[np.float32], targets: Int64Array, top: int) -> TokenScores:
    """Return the scores of targets (T,) under logits (T, V), with the `top` likeliest ids."""
    places = np.arange(len(targets))
    all_scores = log_softmax(logits) if len(logits) else logits.astype(np.float64)
    chosen = logits[places, targets][:, None]
    before = np.arange(logits.shape[1]) < targets[:, None]  # of equals
    ranks = 1 + ((logits > chosen) | ((logits == chosen) & before)).sum(axis=1, dtype=np.int64)
    top_ids = _likeliest(logits, top)
    top_scores = np.take_along_axis(all_scores, top_ids, axis=1)
    return TokenScores(all_scores[places, targets], ranks, top_ids, top_scores)


def _likeliest(logits: npt.NDArray[np.float32], count: int) -> Int64Array:
    """Return the ids (T, K) of the largest logits (T, V); of equals, the smaller ids first."""
    if not count:
        return np.empty((len(logits), 0), dtype=np.int64)
    if logits.shape[1] <= _SORTED or not len(logits):
        return np.argsort(-logits, axis=1, kind="stable")[:, :count].astype(np.int64)
    rows = [largest(row.astype(np.float64), count) for row in logits]
    return np.stack(rows).astype(np.int64)
