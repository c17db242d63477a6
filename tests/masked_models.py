"""Fake masked language models, for tests of filling and proofreading."""

import math

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import Tokenizer

_REACH = 4
_SHARPNESS = 7.0
_DOUBT = 1e-12
_STRANGE = math.exp(-2.5 * _SHARPNESS)


class KnownText:
    """Predicts a character from all positions of a known text with similar surroundings.

    The surroundings are four characters on each side: the weight of a position is exp(-7) for each
    that differs, and with three different ones the prediction is nearly uniform. Masks, and the
    positions beyond the ends, never differ.
    """

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self.vocabulary_size = self.mask = tokenizer.vocabulary_size
        ids = tokenizer.encode(text).astype(np.int64)
        self._ids = np.pad(ids, _REACH, constant_values=-1)
        self._is = np.eye(self.vocabulary_size)[ids]  # (N, V)

    def log_probabilities(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        return np.stack([self._read(each) for each in np.asarray(ids)])

    def read(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        return self._read(np.asarray(ids, dtype=np.int64))

    def _read(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        count = len(self._ids) - 2 * _REACH
        padded = np.pad(ids, _REACH, constant_values=self.mask)
        differing = np.zeros((len(ids), count))
        for offset in [*range(_REACH), *range(_REACH + 1, 2 * _REACH + 1)]:
            here = padded[offset : offset + len(ids), None]
            there = self._ids[None, offset : offset + count]
            differing += (here != there) & (here != self.mask)
        weights = np.exp(-_SHARPNESS * differing)
        probabilities = weights @ self._is + _STRANGE / self.vocabulary_size
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        doubtful = (1 - _DOUBT) * probabilities + _DOUBT / self.vocabulary_size
        return np.log(doubtful).astype(np.float32)


class Arbitrary:
    """Predicts characters at random, seeded by all other characters of the window."""

    def __init__(self, vocabulary_size: int) -> None:
        self.vocabulary_size = self.mask = vocabulary_size

    def log_probabilities(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        return np.stack([self.read(each) for each in np.asarray(ids)])

    def read(self, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
        ids = np.asarray(ids, dtype=np.int64)
        rows = []
        for place in range(len(ids)):
            others = [*ids[:place].tolist(), -1, *ids[place + 1 :].tolist()]
            seed = [each + 1 for each in others]
            scores = np.random.default_rng(seed).normal(0, 2, self.vocabulary_size)
            rows.append(scores - np.logaddexp.reduce(scores))
        return np.array(rows, dtype=np.float32).reshape(-1, self.vocabulary_size)
