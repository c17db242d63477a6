"""A reader whose answers are known: a table says how likely each id follows each."""

from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.engines.engine import Array, State


class Bigrams:
    """Logits of the next id are a row of a table (V, V), chosen by the last id alone. The state,
    which changes nothing, counts what was read."""

    precision = "float32"
    parallel = True

    def __init__(self, table: npt.ArrayLike) -> None:
        self.table = np.asarray(table, dtype=np.float32)
        self.vocabulary_size = len(self.table)
        self.read_at_once: list[tuple[int, ...]] = []

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        read = np.asarray(ids)
        self.read_at_once.append(read.shape)
        before = np.zeros((1, len(read), 1), np.float32) if state is None else state[0]
        return self.table[read], (before + read.shape[1],)

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        return self.advance(ids, state)[1]

    def lanes(self, count: int) -> Any:
        raise NotImplementedError


def log_softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The log-probabilities of logits (..., V), in the plainest way."""
    exponents = np.exp(logits.astype(np.float64))
    found: npt.NDArray[np.float64] = np.log(exponents / exponents.sum(axis=-1, keepdims=True))
    return found
