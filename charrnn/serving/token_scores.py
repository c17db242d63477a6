"""TokenScorer: how likely each id of a text is under the model, and which others are likelier.

Legend: N ids, K likeliest ids, T ids of a chunk, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.engines import Engine, State
from charrnn.engines.engine import check_ids
from charrnn.errors import ConfigError
from charrnn.generation.draw import check_finite
from charrnn.generation.filters import largest, log_softmax
from charrnn.generation.sampler import Sampler
from charrnn.serving.prefix_cache import PrefixCache

_CHUNK: Final = 512
"""The most ids that are read at once."""

_LARGEST_LOGITS: Final = 1 << 20
"""The most logits computed at once, which bounds the memory."""

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


class TokenScorer:
    """Scores of ids under a model.

    Args:
        sampler: the model and its engine. With the int8 engine, the numbers are those from which
            a text is written.
        cache: the states of the beginnings of texts; None keeps none.
    """

    def __init__(self, sampler: Sampler, cache: PrefixCache | None = None) -> None:
        self._engine = sampler.engine
        self._beginning = sampler.prompt_ids("")[:1]
        self._cache = PrefixCache() if cache is None else cache

    def score(
        self,
        ids: Sequence[int] | npt.NDArray[np.integer],
        *,
        after: Sequence[int] | npt.NDArray[np.integer] | None = None,
        top: int = 0,
    ) -> TokenScores:
        """Return the scores of ids (N,); see `stream`."""
        found = list(self.stream(ids, after=after, top=top))
        return TokenScores(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def stream(
        self,
        ids: Sequence[int] | npt.NDArray[np.integer],
        *,
        after: Sequence[int] | npt.NDArray[np.integer] | None = None,
        top: int = 0,
    ) -> Iterator[TokenScores]:
        """Yield the scores of ids (N,) in chunks, at least one; the memory does not grow with N.

        Args:
            ids: what is scored; nothing after it is read.
            after: (M,) what the model reads before, at least one id; None for the beginning of a
                text, as after a newline (see `charrnn.score`).
            top: K, how many of the likeliest ids are found in each place.

        Raises ConfigError for ids that the model does not know and for too many likeliest ids,
        ModelError when the model's numbers overflow.
        """
        targets = np.asarray(ids, dtype=np.int64)
        continuation = self.begin(self._beginning if after is None else after)
        size = self._engine.vocabulary_size
        if not 0 <= top <= size:
            raise ConfigError(f"{top} likeliest characters: choose from 0 to {size}")
        check_ids(targets, size)
        chunk = max(min(_LARGEST_LOGITS // size, _CHUNK), 1)
        for begin in range(0, max(len(targets), 1), chunk):
            yield continuation.score(targets[begin : begin + chunk], top=top)

    def begin(self, after: Sequence[int] | npt.NDArray[np.integer]) -> "ScoredContinuation":
        """Return what scores a text that comes in parts.

        Args:
            after: (M,) what the model reads before, at least one id.

        Raises ConfigError for ids that the model does not know.
        """
        before = np.asarray(after, dtype=np.int64)
        if not before.size:
            raise ConfigError("nothing to read before the text: the model reads at least one id")
        check_ids(before, self._engine.vocabulary_size)
        return ScoredContinuation(self._engine, self.state(before[:-1]), int(before[-1]))

    def state(self, ids: Sequence[int] | npt.NDArray[np.integer]) -> State | None:
        """Return the state after ids (M,), which may be in the cache."""
        read = np.asarray(ids, dtype=np.int64)
        if not read.size:
            return None
        prefixes = self._cache.prefixes(read)
        length, state = self._cache.longest(prefixes)
        if length < len(read):
            state = self._engine.read(read[None, length:], state)
            self._cache.keep(prefixes, len(read), state)
        return state


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
            return _scores(empty, targets, top)
        inputs = np.concatenate([[self._last], targets[:-1]])
        logits, self._state = self._engine.advance(inputs[None], self._state)  # (1, T, V)
        self._last = int(targets[-1])
        check_finite(logits)
        return _scores(logits[0], targets, top)


def _scores(logits: npt.NDArray[np.float32], targets: Int64Array, top: int) -> TokenScores:
    """Return the scores of targets (T,) under logits (T, V)."""
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
    if logits.shape[1] <= _SORTED or not len(logits):
        return np.argsort(-logits, axis=1, kind="stable")[:, :count].astype(np.int64)
    rows = [largest(row.astype(np.float64), count) for row in logits]
    return np.stack(rows).astype(np.int64)
