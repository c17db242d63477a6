"""Sequences of vectors: validated arrays of numbers, one vector per step.

Legend: N sequences, T steps (may differ between sequences), E numbers of a step, B batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from charrnn.array_types import Float32Array, Float64Array, Int64Array
from charrnn.data.buckets import similar_in_length
from charrnn.errors import ConfigError
from charrnn.estimators.arrays import Array, as_numbers, check_finite, unwrap

LARGEST_SCALED: Final = 0.1
"""The scale of a number as a share of its largest distance from the mean, at least."""


@dataclass(frozen=True)
class Sequences:
    """N sequences, each (T, E) float32 and finite.

    Attributes:
        vectors: the sequences.
        lengths: (N,) the T of each, at least 1.
        size: E.
    """

    vectors: tuple[Float32Array, ...]
    lengths: Int64Array
    size: int

    def __len__(self) -> int:
        return len(self.vectors)

    def padded(self, chosen: Int64Array) -> Float32Array:
        """Stack some sequences into a batch (T, B, E), with zeros after the end of each."""
        batch = np.zeros((self.lengths[chosen].max(), len(chosen), self.size), np.float32)
        for row, number in enumerate(chosen):
            batch[: self.lengths[number], row] = self.vectors[number]
        return batch

    def shuffled(
        self, batch_size: int, generator: np.random.Generator, places: Int64Array
    ) -> Iterator[Int64Array]:
        """Yield the sequences at some places in random batches (B,) of similar length."""
        order = generator.permutation(places)
        batches = similar_in_length(self.lengths, order, batch_size)
        return (batches[number] for number in generator.permutation(len(batches)))

    def sorted(self, batch_size: int, places: Int64Array) -> Iterator[Int64Array]:
        """Yield the sequences at some places in batches (B,), the shortest first."""
        order = places[np.argsort(self.lengths[places], kind="stable")]
        return (order[at : at + batch_size] for at in range(0, len(order), batch_size))

    def scaling(self) -> tuple[Float64Array, Float64Array]:
        """Return the mean and the scale (E,) of the numbers over all steps of all sequences.

        The scale is the standard deviation, but at least a tenth of the largest distance from the
        mean: a number that is nearly always the same would otherwise be very large where it is not.
        It is 1 for a number that is always the same.
        """
        count = int(self.lengths.sum())
        first = self.vectors[0][0].astype(np.float64)  # subtracted, so that equal numbers give 0
        mean = first + sum((each - first).sum(0) for each in self.vectors) / count
        squares = sum(np.square(each - mean).sum(0) for each in self.vectors) / count
        largest = np.max([np.abs(each - mean).max(0) for each in self.vectors], axis=0)
        scale = np.maximum(np.sqrt(squares), LARGEST_SCALED * largest)
        same = np.all([(each == self.vectors[0][0]).all(0) for each in self.vectors], axis=0)
        scale[same | (scale == 0)] = 1.0
        return mean, scale

    def scaled(self, mean: Float64Array, scale: Float64Array) -> "Sequences":
        """Return the sequences with (numbers - mean) / scale. Raises ConfigError for numbers that
        are then too large for float32."""
        with np.errstate(over="ignore"):  # infinities are refused below
            vectors = [((each - mean) / scale).astype(np.float32) for each in self.vectors]
        for number, each in enumerate(vectors):
            check_finite(each, f"sequence {number} of X, standardized,")
        return Sequences(tuple(vectors), self.lengths, self.size)

    def joined(self, count: int) -> "Sequences":
        """Return the sequences with each `count` neighbouring steps as one step of `count` E
        numbers, the earliest first. Zeros fill the last one."""
        if count == 1:
            return self
        lengths = -(-self.lengths // count)
        vectors = []
        for each, length in zip(self.vectors, lengths.tolist(), strict=True):
            filled = np.zeros((length * count, self.size), np.float32)
            filled[: len(each)] = each
            vectors.append(filled.reshape(length, -1))
        return Sequences(tuple(vectors), lengths, count * self.size)


@dataclass(frozen=True)
class Targets:
    """What a network is to compute for N sequences.

    Attributes:
        values: (N, ...), one for each sequence.
        order: (N,), the places of the sequences in an order in which every tenth is a fair sample.
    """

    values: Array
    order: Int64Array


def read_sequences(x: Any, size: int | None = None) -> Sequences:
    """Read an array (N, T, E), or N arrays (T, E) that may differ in T.

    Args:
        size: E; None takes it from the first sequence.

    Raises ConfigError for another shape, and for missing or infinite numbers.
    """
    x = unwrap(x, "X")
    if isinstance(x, np.ndarray) and x.dtype != object and x.ndim != 3:
        hint = "; for one number a step, X[..., None]" if x.ndim == 2 else ". Reshape your data"
        raise ConfigError(f"X has shape {x.shape}: expected (N, T, E), or N arrays (T, E){hint}")
    if not isinstance(x, np.ndarray | list | tuple) or (isinstance(x, np.ndarray) and x.ndim == 0):
        name = "None" if x is None else f"a {type(x).__name__}"
        raise ConfigError(f"X is {name}: expected an array (N, T, E)")
    if len(x) == 0:
        raise ConfigError("X has no sequences; give one at least")
    vectors = []
    for number, sequence in enumerate(x):
        vectors.append(_vectors(sequence, f"sequence {number} of X", size))
        size = vectors[0].shape[1]
    lengths = np.array([len(each) for each in vectors], np.int64)
    return Sequences(tuple(vectors), lengths, vectors[0].shape[1])


def _vectors(sequence: Any, what: str, size: int | None) -> Float32Array:
    """Read one sequence (T, E)."""
    numbers = as_numbers(sequence, what)
    if numbers.ndim != 2 or 0 in numbers.shape or size not in (None, numbers.shape[1]):
        wanted = "E" if size is None else size
        raise ConfigError(
            f"{what} has shape {numbers.shape}: expected (T, {wanted}), T from 1 on, numbers of a "
            "step last"
        )
    with np.errstate(over="ignore"):  # infinities are refused below
        vectors = numbers.astype(np.float32)
    check_finite(vectors, what)
    return vectors
