"""An engine that is certain of what comes next, so that a test can say what a text is."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from charrnn.data.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from charrnn.engines import Array, State
from charrnn.generation.sampler import Sampler
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model
from tests.provenance import make_provenance


class Scripted:
    """An engine that is certain of what comes next: a script, over and over. Where it is in the
    script is its state."""

    precision = "float32"
    parallel = True

    def __init__(self, tokenizer: Tokenizer, script: str) -> None:
        self.ids = tokenizer.encode(script)
        self.vocabulary_size = tokenizer.vocabulary_size

    def advance(self, ids: npt.ArrayLike, state: State | None) -> tuple[Array, State]:
        # However long a prompt is, the script begins after it.
        logits = np.zeros((*np.asarray(ids).shape, self.vocabulary_size), dtype=np.float32)
        return logits, state or (0,)

    def read(self, ids: npt.ArrayLike, state: State | None) -> State:
        return state or (0,)

    def lanes(self, count: int) -> "ScriptedLanes":
        return ScriptedLanes(self, count)


class ScriptedLanes:
    def __init__(self, engine: Scripted, count: int) -> None:
        self.engine = engine
        self.positions = [0] * count

    def step(self, ids: npt.NDArray[np.intp]) -> Array:
        script = self.engine.ids
        logits = np.full((len(ids), self.engine.vocabulary_size), -50, dtype=np.float32)
        for lane, position in enumerate(self.positions):
            logits[lane, script[position % len(script)]] = 50
        self.positions = [position + 1 for position in self.positions]
        return logits

    def get(self, lane: int) -> State:
        return (self.positions[lane],)

    def put(self, lane: int | Sequence[int], state: State | None) -> None:
        for each in [lane] if isinstance(lane, int) else lane:
            self.positions[each] = state[0] if state else 0

    def take(self, lanes: npt.NDArray[np.intp]) -> None:
        self.positions = [self.positions[lane] for lane in lanes]


def scripted(script: str, *, byte: bool = False) -> Sampler:
    tokenizer: Tokenizer = ByteTokenizer() if byte else CharTokenizer(sorted({*script, "\n"}))
    config = ModelConfig(vocabulary_size=tokenizer.vocabulary_size)
    provenance = make_provenance(corpus="script")
    return Sampler(Model(config, tokenizer, {}, provenance), Scripted(tokenizer, script))
