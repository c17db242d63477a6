"""Pooling chunk by chunk: the pooling of `model/pooling.py`, in constant memory.

Sums are added up step after step in float64, so that they are the same to the last bit in any
batch.

Legend: B texts, b those that have not ended, T time, F features.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from charrnn.array_types import Float64Array, Int64Array
from charrnn.engines.deterministic_matmul import multiply
from charrnn.engines.engine import Array


class Pool(Protocol):
    """Pools the outputs of texts, given chunk after chunk, into one vector for each text."""

    def add(self, begin: int, outputs: Array) -> None:
        """Add the outputs (b, T, F) of the first b texts from step `begin` on; those after a text's
        end are ignored."""
        ...

    def result(self) -> Array:
        """Return the pooled vectors (B, F) of everything that was added."""
        ...


def pooler(pooling: str, lengths: Int64Array, hidden_size: int, weight: Array | None) -> Pool:
    """Return the Pool of an entry of POOLINGS, for texts of lengths (B,), the longest first.

    `weight` (1, F) belongs to the entry `attention`.
    """
    if pooling == "last":
        return _Last(lengths, hidden_size)
    if pooling == "attention":
        assert weight is not None
        return _Attention(lengths, weight)
    return _Mean(lengths) if pooling == "mean" else _Max(lengths)


class _Base:
    def __init__(self, lengths: Int64Array) -> None:
        self._lengths = lengths

    def _real(self, begin: int, outputs: Array) -> npt.NDArray[np.bool_]:
        """Return (b, T, 1): true for the steps of a text, false for padding."""
        count, time, _ = outputs.shape
        return (begin + np.arange(time) < self._lengths[:count, None])[..., None]


class _Last(_Base):
    def __init__(self, lengths: Int64Array, hidden_size: int) -> None:
        super().__init__(lengths)
        self._hidden_size = hidden_size
        self._found: Array | None = None

    def add(self, begin: int, outputs: Array) -> None:
        count, time, features = outputs.shape
        hidden = self._hidden_size
        if self._found is None:
            self._found = np.zeros((len(self._lengths), features), dtype=np.float32)
            self._found[:count, hidden:] = outputs[:, 0, hidden:]  # read from the end
        last = self._lengths[:count] - 1 - begin
        ended = np.flatnonzero(last < time)
        self._found[ended, :hidden] = outputs[ended, last[ended], :hidden]

    def result(self) -> Array:
        assert self._found is not None
        return self._found


class _Mean(_Base):
    def __init__(self, lengths: Int64Array) -> None:
        super().__init__(lengths)
        self._sum: Float64Array | None = None

    def add(self, begin: int, outputs: Array) -> None:
        count, _, features = outputs.shape
        if self._sum is None:
            self._sum = np.zeros((len(self._lengths), features))
        self._sum[:count] += _sum(np.where(self._real(begin, outputs), outputs, 0))

    def result(self) -> Array:
        assert self._sum is not None
        return (self._sum / self._lengths[:, None]).astype(np.float32)


class _Max(_Base):
    def __init__(self, lengths: Int64Array) -> None:
        super().__init__(lengths)
        self._largest: Array | None = None

    def add(self, begin: int, outputs: Array) -> None:
        count, _, features = outputs.shape
        if self._largest is None:
            self._largest = np.full((len(self._lengths), features), -np.inf, dtype=np.float32)
        real = np.where(self._real(begin, outputs), outputs, -np.inf)
        np.maximum(self._largest[:count], real.max(axis=1), out=self._largest[:count])

    def result(self) -> Array:
        assert self._largest is not None
        return self._largest


class _Attention(_Base):
    """A softmax over steps in one pass (Milakov & Gimelshein, 2018, arXiv:1805.02867): the sums
    shrink when a larger score comes."""

    def __init__(self, lengths: Int64Array, weight: Array) -> None:
        super().__init__(lengths)
        self._weight = np.ascontiguousarray(weight.T)  # (F, 1)
        self._largest = np.full((len(lengths), 1), -np.inf)
        self._total = np.zeros((len(lengths), 1))
        self._sum = np.zeros((len(lengths), weight.shape[1]))

    def add(self, begin: int, outputs: Array) -> None:
        count, time, features = outputs.shape
        scores = multiply(outputs.reshape(-1, features), self._weight).reshape(count, time, 1)
        scores = np.where(self._real(begin, outputs), scores, -np.inf).astype(np.float64)
        before = self._largest[:count]
        largest = np.maximum(before, scores.max(axis=1))
        shrunk = np.exp(before - largest)
        weights = np.exp(scores - largest[:, None])  # (b, T, 1)
        self._total[:count] = self._total[:count] * shrunk + _sum(weights)
        weighted = np.where(weights > 0, outputs, 0) * weights
        self._sum[:count] = self._sum[:count] * shrunk + _sum(weighted)
        self._largest[:count] = largest

    def result(self) -> Array:
        return (self._sum / self._total).astype(np.float32)


def _sum(each: npt.NDArray[np.floating]) -> Float64Array:
    """Sum over time, (b, T, F) -> (b, F), in order: zeros at the end change nothing."""
    return np.add.accumulate(each, axis=1, dtype=np.float64)[:, -1]
