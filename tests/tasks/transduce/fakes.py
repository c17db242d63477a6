"""A model of pairs without training, and an engine that translates by rule."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from charrnn.tasks.transduce.tokenizer import UNKNOWN, PairTokenizer
from tests.provenance import make_provenance

TOKENIZER = PairTokenizer("abc ", ("A", "B", "C"))
FEATURED = PairTokenizer("abc", ("A", "B", "C"), ("PL", "SG"))
PHONES = PairTokenizer("abc", ("a", "b:", "tʃ"), separator=" ")


@dataclass(frozen=True)
class FakeHypothesis:
    symbols: tuple[int, ...]
    log_probability: float
    positions: tuple[int, ...]
    copied: tuple[bool, ...]


class UpperCase:
    """An engine that writes the n-th symbol for the n-th character, copies unknown characters,
    leaves out blanks, and adds a symbol for a feature; the second hypothesis lacks the last one."""

    def __init__(self, tokenizer: PairTokenizer, *, copies: bool = True) -> None:
        self.tokenizer, self.copies = tokenizer, copies
        self.batches: list[int] = []

    def translate_batch(
        self, sources: Sequence[Sequence[int]], *, beam: int, n: int
    ) -> list[list[FakeHypothesis]]:
        self.batches.append(len(sources))
        return [self._translate(source)[:n] for source in sources]

    def _translate(self, source: Sequence[int]) -> list[FakeHypothesis]:
        symbols, positions = [], []
        for position, id_ in enumerate(source):
            number = id_ - 3
            if number >= len(self.tokenizer.source):
                number = 0
            if 0 <= number < len(self.tokenizer.target):
                symbols.append(number)
                positions.append(position)
            elif id_ == UNKNOWN and self.copies:
                symbols.append(-1)
                positions.append(position)
        copied = tuple(symbol < 0 for symbol in symbols)
        whole = FakeHypothesis(tuple(symbols), math.log(0.75), tuple(positions), copied)
        shorter = FakeHypothesis(
            tuple(symbols[:-1]), math.log(0.25), tuple(positions[:-1]), copied[:-1]
        )
        return [whole, shorter]


def make_pair_model(tokenizer: PairTokenizer = TOKENIZER, **changes: Any) -> Model:
    """A model with weights of 0."""
    config = ModelConfig(
        cell="lstm",
        vocabulary_size=tokenizer.vocabulary_size,
        layers=1,
        hidden_size=4,
        embedding_size=3,
        bidirectional=True,
        task="transduce",
        outputs=tokenizer.outputs,
    )
    tensors = {
        name: np.zeros(shape, dtype=np.float32) for name, shape in config.tensor_shapes().items()
    }
    return replace(Model(config, tokenizer, tensors, make_provenance()), **changes)
