import numpy as np
import pytest

from charrnn.data.excerpt import Excerpt
from charrnn.data.tokenizer import CharTokenizer
from charrnn.engines.memory import Memory
from charrnn.evaluation import primed_memory as module
from charrnn.evaluation.primed_memory import primed_memory

TOKENIZER = CharTokenizer("\n abc")
IDS = np.random.default_rng(0).integers(5, size=300).astype(np.uint8)
PLACES = [[], [3], [1, 2], [0, 4, 4]]


def predictions(memory: Memory) -> list[list[float]]:
    return [memory.distribution(each).tolist() for each in PLACES]


def learned(ids: np.typing.NDArray[np.uint8]) -> Memory:
    memory = Memory.of(TOKENIZER)
    memory.learn(ids)
    return memory


def test_it_knows_the_training_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 70)
    told: list[tuple[int, int]] = []
    primed = primed_memory(TOKENIZER, IDS, progress=lambda *each: told.append(each))
    assert predictions(primed) == predictions(learned(IDS))
    assert told == [(70, 300), (140, 300), (210, 300), (280, 300), (300, 300)]
    held_out = Excerpt(IDS, np.array([0, 200]), np.array([90, 300]))
    both = np.concatenate([IDS[:90], IDS[200:]])
    assert predictions(primed_memory(TOKENIZER, held_out)) == predictions(learned(both))


def test_without_a_text_it_knows_nothing() -> None:
    assert predictions(primed_memory(TOKENIZER, None)) == predictions(Memory.of(TOKENIZER))


def test_of_a_long_text_it_knows_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LEARNED", 120)
    assert predictions(primed_memory(TOKENIZER, IDS)) == predictions(learned(IDS[-120:]))
