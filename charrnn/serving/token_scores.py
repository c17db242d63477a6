"""TokenScorer: the scores of ids after texts whose states may be in a cache.

Legend: N ids, K likeliest ids.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from charrnn.engines import State
from charrnn.engines.engine import check_ids
from charrnn.errors import ConfigError
from charrnn.evaluation.token_scores import ScoredContinuation, TokenScores
from charrnn.generation.sampler import Sampler
from charrnn.serving.prefix_cache import PrefixCache

_CHUNK: Final = 512
"""The most ids that are read at once."""

_LARGEST_LOGITS: Final = 1 << 20
"""The most logits computed at once, which bounds the memory."""


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

    def begin(self, after: Sequence[int] | npt.NDArray[np.integer]) -> ScoredContinuation:
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
