"""Sequences of vectors: validated arrays of numbers, one vector per step.

Legend: N sequences, T steps (may differ between sequences), E numbers of a step, B batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.array_types import Float32Array, Int64Array
from charrnn.data.buckets import similar_in_length
from charrnn.errors import ConfigError
from charrnn.estimators.arrays import as_numbers, check_finite, unwrap


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

    def shuffled(self, batch_size: int, generator: np.random.Generator) -> Iterator[Int64Array]:
        """Yield the numbers of all sequences in random batches (B,) of similar length."""
        order = generator.permutation(len(self))
        batches = similar_in_length(self.lengths, order, batch_size)
        return (batches[number] for number in generator.permutation(len(batches)))

    def sorted(self, batch_size: int) -> Iterator[Int64Array]:
        """Yield the numbers of all sequences in batches (B,), the shortest first."""
        order = np.argsort(self.lengths, kind="stable")
        return (order[at : at + batch_size] for at in range(0, len(order), batch_size))


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
