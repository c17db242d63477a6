"""What tests of manuscripts share: an engine that counts what it reads, and surprisals."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from charrnn.engines import Array, Lanes, State
from charrnn.engines.numpy_engine import NumPyEngine
from charrnn.generation.sampler import Sampler
from charrnn.interactive.manuscript import Manuscript
from charrnn.storage.model_directory import Model
from tests.exact_scores import exact_log_probabilities

KINDS = pytest.mark.parametrize("characters", ["\n abc", None], ids=["char", "byte"])


class Counting:
    """The CPU's engine, which counts the characters that it reads, lanes side by side as one."""

    def __init__(self, model: Model) -> None:
        self._engine = NumPyEngine.of(model)
        self.vocabulary_size = self._engine.vocabulary_size
        self.precision, self.parallel = "float32", True
        self.steps = 0

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        self.steps += np.asarray(ids).shape[1]
        return self._engine.advance(ids, state)

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        return self.advance(ids, state)[1]

    def lanes(self, count: int) -> Lanes:
        lanes = self._engine.lanes(count)
        step = lanes.step

        def counted(ids: npt.NDArray[np.intp]) -> Array:
            self.steps += 1
            return step(ids)

        lanes.step = counted  # type: ignore[method-assign]
        return lanes

    def spent(self) -> int:
        steps, self.steps = self.steps, 0
        return steps


def collect(pieces: Iterator[str]) -> str:
    return "".join(pieces)


def costs(manuscript: Manuscript) -> list[float]:
    return [nats for _, nats in manuscript.surprisals()]


def same(one: list[float], other: list[float]) -> bool:
    return np.array_equal(np.array(one), np.array(other), equal_nan=True)


def read_at_once(sampler: Sampler, text: str, *, prompt: str = "") -> list[float]:
    """The surprisal of each character of a text, by one pass over all of it."""
    ids = sampler.model.tokenizer.encode(prompt + text)
    nats = [math.nan, *-exact_log_probabilities(sampler.engine, ids)]
    return nats[len(prompt) :]
