"""Sequences of vectors: numbers measured step after step, as a person has them in NumPy.

Legend: N sequences, T steps (of each its own), E numbers of a step, B batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.data.dataloader import Int64Array
from charrnn.errors import ConfigError
from charrnn.estimators.arrays import as_numbers, check_finite, unwrap
from charrnn.tasks.classify.buckets import similar_in_length

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sequences:
    """N sequences, each (T, E) float32 and finite.

    Attributes:
        vectors: the sequences.
        lengths: (N,) their T, each at least 1.
        size: E.
    """

    vectors: tuple[Float32Array, ...]
    lengths: Int64Array
    size: int

    def __len__(self) -> int:
        return len(self.vectors)

    def padded(self, places: Int64Array) -> Float32Array:
        """Some of them side by side (T, B, E), each from step 0 on, zeros behind its end."""
        batch = np.zeros((self.lengths[places].max(), len(places), self.size), np.float32)
        for lane, place in enumerate(places):
            batch[: self.lengths[place], lane] = self.vectors[place]
        return batch

    def shuffled(self, batch_size: int, generator: np.random.Generator) -> Iterator[Int64Array]:
        """Each of them once, in batches (B,) of similar length, in an order by chance."""
        order = generator.permutation(len(self))
        batches = similar_in_length(self.lengths, order, batch_size)
        return (batches[number] for number in generator.permutation(len(batches)))

    def sorted(self, batch_size: int) -> Iterator[Int64Array]:
        """Each of them once, in batches (B,), the shortest first."""
        order = np.argsort(self.lengths, kind="stable")
        return (order[at : at + batch_size] for at in range(0, len(order), batch_size))


def read_sequences(x: Any, size: int | None = None) -> Sequences:
    """What a person has: an array (N, T, E), or N arrays (T, E) that may differ in T.

    Args:
        size: E; what the first sequence has unless given.

    Raises ConfigError where the shape is another, or a number is missing or infinite.
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
    """One sequence (T, E)."""
    numbers = as_numbers(sequence, what)
    if numbers.ndim != 2 or 0 in numbers.shape or size not in (None, numbers.shape[1]):
        wanted = "E" if size is None else size
        raise ConfigError(
            f"{what} has shape {numbers.shape}: expected (T, {wanted}), T from 1 on, numbers of a "
            f"step last"
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        vectors = numbers.astype(np.float32)
    check_finite(vectors, what)
    return vectors
