from collections.abc import Callable

import numpy as np
import pytest

from charrnn.engines import ENGINES, Array, State
from charrnn.engines.memory import CONTEXT, Memory
from charrnn.errors import ModelError
from charrnn.generation.config import SamplingConfig
from charrnn.generation.filters import probabilities
from charrnn.generation.memory_engine import MemoryEngine
from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model

MakeModel = Callable[..., Model]
TEXT = "ab cab\nbad cab ab\n" * 6


def memory_of(model: Model, text: str = TEXT) -> Memory:
    memory = Memory.of(model.tokenizer)
    memory.learn(model.tokenizer.encode(text))
    return memory


def mixed_engine(model: Model, weight: float | None, engine: str = "int8") -> MemoryEngine:
    return MemoryEngine(ENGINES[engine](model), memory_of(model), weight=weight)


def same_states(first: State, second: State) -> bool:
    return all(np.array_equal(*each) for each in zip(first, second, strict=True))


@pytest.mark.parametrize("weight", [None, 0.25, 1.0])
@pytest.mark.parametrize("engine", ["int8", "numpy"])
def test_a_text_may_be_read_at_once_in_parts_or_by_the_character(
    engine: str, weight: float | None, make_model: MakeModel
) -> None:
    mixed = mixed_engine(make_model(attention=3), weight, engine)
    ids = np.random.default_rng(0).integers(9, size=(2, CONTEXT + 8))
    logits, state = mixed.advance(ids, None)
    first, between = mixed.advance(ids[:, :7], None)
    second, end = mixed.advance(ids[:, 7:], between)
    assert np.array_equal(np.concatenate([first, second], axis=1), logits)
    assert same_states(state, end) and same_states(state, mixed.read(ids[:, 7:], between))
    assert same_states(between, mixed.read(ids[:, :0], between))
    lanes = mixed.lanes(2)
    for step in range(ids.shape[1]):
        assert np.array_equal(lanes.step(ids[:, step]), logits[:, step])
    for lane in range(2):
        assert same_states(lanes.get(lane), tuple(part[:, lane : lane + 1] for part in state))


def test_lanes_are_set_and_exchanged(make_model: MakeModel) -> None:
    mixed = mixed_engine(make_model(), None)
    ids = np.array([[1, 2, 3], [4, 5, 6]])
    states = [mixed.read(each[None], None) for each in ids]
    lanes = mixed.lanes(3)
    lanes.step(np.array([7, 7, 7]))
    lanes.put([0, 2], states[0])
    lanes.put(1, states[1])
    lanes.take(np.array([1, 0]))
    for lane, expected in enumerate([states[1], states[0], states[0]]):
        assert same_states(lanes.get(lane), expected)
    lanes.put(range(3), None)
    logits = lanes.step(np.array([4, 4, 4]))
    assert np.array_equal(logits[0], mixed.advance([[4]], None)[0][0, 0])
    assert same_states(states[1], mixed.read(ids[1:], None)), "a state is a value"


@pytest.mark.parametrize("weight", [0.2, 1.0])
def test_the_weight_is_that_of_the_memory_in_a_mixture_of_probabilities(
    weight: float, make_model: MakeModel
) -> None:
    model = make_model()
    mixed = mixed_engine(model, weight)
    ids = model.tokenizer.encode("bad cab")
    own = mixed.memory.distribution(ids)
    network = probabilities(mixed.engine.advance([ids], None)[0][0, -1:])[0]
    found = probabilities(mixed.advance([ids], None)[0][0, -1:])[0]
    np.testing.assert_allclose(found, (1 - weight) * network + weight * own, rtol=2e-6)


def test_without_a_weight_the_memory_mixes_as_it_has_learned_to(make_model: MakeModel) -> None:
    model = make_model()
    mixed = mixed_engine(model, None)
    ids = model.tokenizer.encode("bad cab")
    network = mixed.engine.advance([ids], None)[0][0, -1]
    found = probabilities(mixed.advance([ids], None)[0][0, -1:])[0]
    np.testing.assert_allclose(found, mixed.memory.distribution(ids, network), rtol=2e-6)


@pytest.mark.parametrize("weight", [None, 0.4])
def test_a_sample_is_the_same_alone_and_in_any_batch(
    weight: float | None, make_model: MakeModel
) -> None:
    sampler = Sampler(model := make_model(), mixed_engine(model, weight))
    config = SamplingConfig(length=40, seed=3, lines=True, top_p=0.95)
    before = sampler.engine.memory.distribution([1, 2])  # type: ignore[attr-defined]
    alone = [sampler.sample("ab", config, index=index) for index in range(20)]
    for threads, batch_size in ((1, 20), (2, 8), (1, 3)):
        samples = sampler.samples(
            "ab", config, indices=range(20), batch_size=batch_size, threads=threads
        )
        assert [each.text for each in samples] == alone
    assert len(set(alone)) > 1
    after = sampler.engine.memory.distribution([1, 2])  # type: ignore[attr-defined]
    assert np.array_equal(before, after), "what is written is not learned"


def test_a_text_is_the_same_with_c_and_without(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    config = SamplingConfig(length=25, seed=5)
    texts = [Sampler(model, mixed_engine(model, each)).sample("ab", config) for each in (None, 0.5)]
    monkeypatch.setenv("CHARRNN_NATIVE", "0")
    assert texts == [
        Sampler(model, mixed_engine(model, each)).sample("ab", config) for each in (None, 0.5)
    ]


def test_more_weight_writes_more_like_the_text_of_the_memory(make_model: MakeModel) -> None:
    model = make_model("\n abcd", sharpness=0.1)
    text = "ab cad\n" * 300
    pairs = {text[place : place + 2] for place in range(7)}

    def known(weight: float) -> float:
        mixed = MemoryEngine(ENGINES["int8"](model), memory_of(model, text), weight=weight)
        written = Sampler(model, mixed).sample("ab", SamplingConfig(length=200, temperature=1.0))
        return float(np.mean([written[place : place + 2] in pairs for place in range(199)]))

    assert known(0.01) < known(0.6) < known(1.0)


def test_what_the_memory_learns_later_changes_what_follows_a_state(make_model: MakeModel) -> None:
    model = make_model()
    mixed = mixed_engine(model, None)
    ids = model.tokenizer.encode("fed g")
    _, state = mixed.advance([ids[:-1]], None)
    before = mixed.advance([ids[-1:]], state)[0][0, -1]
    typed = model.tokenizer.encode("fed gh" * 20)
    mixed.memory.score(typed[1:], mixed.engine.advance([typed], None)[0][0, :-1])
    after = mixed.advance([ids[-1:]], state)[0][0, -1]
    expected = int(model.tokenizer.encode("h")[0])
    assert after[expected] > before[expected]


class Overflowing:
    """An engine whose logits are not finite."""

    vocabulary_size, precision, parallel = 9, "int8", False

    def advance(self, ids: np.typing.ArrayLike, state: State | None) -> tuple[Array, State]:
        return np.full((*np.shape(ids), 9), np.nan, dtype=np.float32), ()

    def read(self, ids: np.typing.ArrayLike, state: State | None) -> State:
        return ()

    def lanes(self, count: int) -> "Overflowing":
        return self

    def step(self, ids: np.typing.NDArray[np.intp]) -> Array:
        return np.full((len(ids), 9), np.nan, dtype=np.float32)

    def put(self, lane: object, state: State | None) -> None: ...
    def get(self, lane: int) -> State:
        return ()

    def take(self, lanes: np.typing.NDArray[np.intp]) -> None: ...


def test_numbers_that_overflow_are_an_error(make_model: MakeModel) -> None:
    model = make_model()
    mixed = MemoryEngine(Overflowing(), memory_of(model), weight=0.5)
    with pytest.raises(ModelError, match="overflow"):
        Sampler(model, mixed).sample("ab", SamplingConfig(length=3))
