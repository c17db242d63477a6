"""Left-to-right models with the interface of a masked language model, for benchmarks.infilling.

Legend: B batch, T time, V vocabulary.
"""

import numpy as np
import numpy.typing as npt

from charrnn.engines import Reader
from charrnn.evaluation.baselines import NGram
from charrnn.generation.filters import log_softmax


class LeftToRightLM:
    """A language model that predicts each character only from the characters to its left.

    It reads masks as the first character of the alphabet, so that only its prediction for the first
    mask of a text is meaningful.
    """

    def __init__(self, engine: Reader) -> None:
        self.engine = engine
        self.vocabulary_size = self.mask = engine.vocabulary_size

    def log_probabilities(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return log-probabilities (B, T, V) of texts (B, T), uniform for each first character."""
        ids = np.asarray(ids, dtype=np.int64)
        size = self.vocabulary_size
        read = np.full((*ids.shape, size), -np.log(size), dtype=np.float32)
        if ids.shape[1] > 1:
            known = np.where(ids == self.mask, 0, ids)
            logits, _ = self.engine.advance(known[:, :-1], None)
            read[:, 1:] = log_softmax(logits.reshape(-1, size)).reshape(logits.shape)
        return read

    def read(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return log-probabilities (N, V) of one text (N,), read as one stream."""
        return self.log_probabilities(np.asarray(ids)[None]).reshape(-1, self.vocabulary_size)


class NGramLM:
    """An n-gram model that predicts each character only from the characters to its left."""

    def __init__(self, model: NGram) -> None:
        self.model = model
        self.vocabulary_size = self.mask = model.vocabulary_size

    def log_probabilities(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return log-probabilities (B, T, V) of texts (B, T)."""
        ids = np.asarray(ids, dtype=np.int64)
        known = np.where(ids == self.mask, 0, ids)
        columns = [
            self.model.next(known[:, max(0, place - self.model.context) : place])
            for place in range(ids.shape[1])
        ]
        return _log(np.stack(columns, axis=1))

    def read(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return log-probabilities (N, V) of one text (N,)."""
        return self.log_probabilities(np.asarray(ids)[None]).reshape(-1, self.vocabulary_size)


def _log(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.log(probabilities).astype(np.float32)
