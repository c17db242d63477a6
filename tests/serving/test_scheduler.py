import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from charrnn.engines import Engine, Int8NumPyEngine, NativeEngine, NumPyEngine, native_choice
from charrnn.generation.config import SamplingConfig
from charrnn.generation.sampler import Sampler
from charrnn.serving.scheduler import Scheduler
from charrnn.serving.texts import Piece
from tests.serving.reader import Reader, model_of, request_of, write

pytestmark = pytest.mark.filterwarnings("ignore::charrnn.errors.CharRNNWarning")


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler(model_of())


@pytest.fixture
def scheduler(sampler: Sampler) -> Iterator[Scheduler]:
    scheduler = Scheduler(sampler, max_concurrent=64, max_queue=2000, threads=2)
    yield scheduler
    scheduler.close()


SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.0},
    {"top_k": 5, "temperature": 1.5},
    {"top_p": 0.7, "min_p": 0.01},
    {"typical": 0.5},
    {"repetition_penalty": 1.5, "repetition_window": 9},
    {"ban": "aeiou"},
    {"only": "abc ", "stop": ("ab", "ca c")},
    {"lines": True},
    {"lines": True, "min_length": 20, "temperature": 1.2, "length": 60},
    {"stop": ("B", "c d")},
    {"no_repeat_ngram": 2},
]


def test_one_text_is_that_of_the_sampler(scheduler: Scheduler, sampler: Sampler) -> None:
    for chosen in SETTINGS:
        settings = {"length": 90, "seed": 7, **chosen}
        config = SamplingConfig(**settings)
        expected = next(sampler.samples("AB", config, indices=[3], score=True))
        reader = write(scheduler, request_of(sampler, "AB", 3, scored=True, **settings))
        assert reader.text(0, sampler) == expected.text, settings
        assert tuple(reader.log_probabilities(0)) == expected.log_probabilities
        assert reader.end(0).stop_reason == expected.stop_reason


def test_a_text_that_matches_a_pattern(scheduler: Scheduler, sampler: Sampler) -> None:
    pytest.importorskip("outlines_core")
    for settings in ({"regex": "[ab]{3}c"}, {"regex": "[A-F]+", "lines": True, "length": 9}):
        expected = next(sampler.samples("A", SamplingConfig(**settings), indices=[1], score=True))
        reader = write(scheduler, request_of(sampler, "A", 1, scored=True, **settings))
        assert reader.text(0, sampler) == expected.text
        scores = expected.log_probabilities[: len(expected.text)]
        assert tuple(reader.log_probabilities(0)) == scores
        assert reader.end(0).stop_reason == expected.stop_reason


def test_a_text_is_the_same_in_any_company(scheduler: Scheduler, sampler: Sampler) -> None:
    """Among 256 others that come and go, with other prompts, settings and lengths, and that pause."""
    choices = random.Random(5)
    requests = [
        request_of(
            sampler,
            choices.choice(["", "AB", "the same", "x" * choices.randrange(1, 300)]),
            choices.randrange(5),
            scored=choices.random() < 0.3,
            **{
                "length": choices.choice([1, 2, 30, 100, 200]),
                "seed": choices.randrange(3),
                **choices.choice(SETTINGS),
            },
        )
        for _ in range(256)
    ]
    readers, tickets = [], []
    for begin in range(0, 256, 8):
        some = requests[begin : begin + 8]
        readers.append(Reader())
        tickets.append(scheduler.submit(some, readers[-1]))
        dropped = scheduler.submit(choices.sample(requests, 2), Reader())
        place = choices.randrange(8)
        tickets[-1].pause(place)
        time.sleep(choices.random() / 500)
        tickets[-1].resume(place)
        dropped.cancel()
    for begin, reader in zip(range(0, 256, 8), readers, strict=True):
        reader.wait(*range(8))
        for place in range(8):
            request = requests[begin + place]
            prompt = sampler.model.tokenizer.decode(list(request.prompt_ids))
            if request.config.lines:
                prompt = prompt[1:]
            elif prompt == "\n":
                prompt = ""
            expected = next(
                sampler.samples(prompt, request.config, indices=[request.index], score=True)
            )
            assert reader.text(place, sampler) == expected.text, request
            if request.scored:
                assert tuple(reader.log_probabilities(place)) == expected.log_probabilities
            else:
                assert reader.log_probabilities(place) == []
    assert scheduler.count == 0


@pytest.mark.parametrize("kind", [Int8NumPyEngine, NumPyEngine, NativeEngine])
def test_every_engine_writes_its_texts(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(hidden_size=12)
    if kind is NativeEngine and not native_choice.available():
        pytest.skip("step.c was not built, or CHARRNN_NATIVE=0")
    engine: Engine = kind.of(model)
    sampler = Sampler(model, engine)
    scheduler = Scheduler(sampler, max_concurrent=2, max_queue=100)
    requests = [request_of(sampler, "ABC" * 100, k, length=30) for k in range(5)]
    reader = write(scheduler, *requests)
    config = SamplingConfig(length=30)
    expected = [each.text for each in sampler.samples("ABC" * 100, config, indices=range(5))]
    assert [reader.text(place, sampler) for place in range(5)] == expected
    scheduler.close()


def test_a_text_of_no_length_ends_at_once(scheduler: Scheduler, sampler: Sampler) -> None:
    reader = write(scheduler, request_of(sampler, "AB", length=0))
    assert reader.pieces[0] == [Piece([], [], "length")]
