import dataclasses
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from charrnn.engines import ENGINES, Array, Int8NumPyEngine, Lanes, NumPyEngine, State, TorchEngine
from charrnn.errors import ConfigError
from charrnn.model.cells import CELLS
from charrnn.model.language_model import CharRNN
from charrnn.storage.model_directory import Model

MakeModel = Callable[..., Model]

EXACT = ("float32", "numpy", "native", "int8")
"""Engines whose numbers are the same to the last bit alone and in any company."""

NEAR = {"float32": 1e-5, "int8": 0.05}
"""How near an engine of a precision is to the training network."""

exact_engines = pytest.mark.parametrize("engine", [name for name in ENGINES if name in EXACT])


NETWORKS = [*CELLS, "attention"]
"""The cells, and what else a network may have."""


def sizes(network: str) -> dict[str, Any]:
    """The arguments of `make_model` for one of NETWORKS."""
    return {"attention": 6} if network == "attention" else {"cell": network}


def some_ids(model: Model, batch: int, time: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).integers(model.config.vocabulary_size, size=(batch, time))


def reference(model: Model, ids: npt.NDArray[np.int64]) -> Array:
    """The logits of the training network, in float64."""
    network = CharRNN(model.config)
    network.load_state_dict(
        {name: torch.from_numpy(array) for name, array in model.tensors.items()}
    )
    with torch.no_grad():
        logits, _ = network.double().eval()(torch.from_numpy(ids))
    return np.asarray(logits.numpy(), dtype=np.float32)


def copy(state: State) -> list[Array]:
    return [np.asarray(part).copy() for part in state]


def assert_equal_states(found: State, expected: State | list[Array]) -> None:
    for part, each in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(part), np.asarray(each))


def assert_same(engine: str, found: Any, expected: Any) -> None:
    """To the last bit, where an engine promises it."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=0 if engine in EXACT else 1e-5)


def steps(lanes: Lanes, ids: npt.NDArray[np.int64]) -> Array:
    """The logits (B, T, V) of steps through ids (B, T)."""
    return np.stack([lanes.step(column).copy() for column in ids.T], axis=1)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_logits_are_those_of_the_training_network(
    engine: str, cell: str, layers: int, batch: int, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell), layers=layers, sharpness=1.0)
    ids = some_ids(model, batch, 1000)
    running = ENGINES[engine](model)
    logits, _ = running.advance(ids, None)
    assert logits.dtype == np.float32
    atol = NEAR[running.precision]
    np.testing.assert_allclose(logits, reference(model, ids), rtol=0, atol=atol)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_chunks_are_single_steps(
    engine: str, cell: str, layers: int, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell), layers=layers)
    running = ENGINES[engine](model)
    ids = some_ids(model, 2, 60)
    whole, end = running.advance(ids, None)
    for lengths in ([1] * 60, [7, 50, 3]):
        state: State | None = None
        pieces = []
        for chunk in np.split(ids, np.cumsum(lengths)[:-1], axis=1):
            logits, state = running.advance(chunk, state)
            pieces.append(logits)
        np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=0, atol=1e-5)
        assert state is not None
        for part, expected in zip(state, end, strict=True):
            np.testing.assert_allclose(part, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("time", [1, 9])
@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_state_is_a_value_that_can_be_gone_back_to(
    engine: str, cell: str, time: int, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell))
    running = ENGINES[engine](model)
    ids = some_ids(model, 3, time)
    _, kept = running.advance(ids, None)
    before = copy(kept)
    first, _ = running.advance(ids, kept)
    first = first.copy()
    running.advance(
        (ids + 1) % model.config.vocabulary_size, kept
    )  # another way on from the same state
    assert_equal_states(kept, before)
    np.testing.assert_array_equal(running.advance(ids, kept)[0], first)


@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_lanes_do_not_see_each_other(engine: str, cell: str, make_model: MakeModel) -> None:
    model = make_model(**sizes(cell))
    running = ENGINES[engine](model)
    ids = some_ids(model, 4, 20)
    together, _ = running.advance(ids, None)
    for lane in range(4):
        alone, _ = running.advance(ids[lane : lane + 1], None)
        np.testing.assert_allclose(together[lane], alone[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "ids",
    [
        np.array([[1, 2, 3]], dtype=np.uint8),
        np.array([[3, 2, 1]])[:, ::-1],  # a view that runs backwards
        np.array([[1], [2], [3]]).T,
        [np.array([1, 2, 3], dtype=np.uint16)],
    ],
    ids=["smallest-type", "backwards", "transposed", "list-of-arrays"],
)
def test_ids_may_be_anything_like_an_array(
    engine: str, ids: npt.ArrayLike, make_model: MakeModel
) -> None:
    running = ENGINES[engine](make_model())
    listed, _ = running.advance([[1, 2, 3]], None)
    np.testing.assert_array_equal(running.advance(ids, None)[0], listed)


@pytest.mark.parametrize("cell", NETWORKS)
def test_saturated_gates_neither_warn_nor_overflow(cell: str, make_model: MakeModel) -> None:
    # exp(-x) of a plain sigmoid overflows from x = -89 on; warnings are errors here.
    model = make_model(**sizes(cell))
    tensors = {
        name: array * np.float32(1e4) if name.startswith("rnn") else array
        for name, array in model.tensors.items()
    }
    logits, _ = NumPyEngine(model.config, tensors).advance(some_ids(model, 2, 30), None)
    assert np.isfinite(logits).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("network", NETWORKS)
def test_the_torch_engine_on_a_gpu_writes_what_the_others_do(
    network: str, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    model = make_model(**sizes(network))
    ids = some_ids(model, 4, 9)
    on_gpu = TorchEngine.of(model)
    assert on_gpu.network.head.bias.is_cuda
    expected, _ = NumPyEngine.of(model).advance(ids, None)
    np.testing.assert_allclose(on_gpu.advance(ids, None)[0], expected, rtol=0, atol=1e-4)

    # In lanes, with one put back to the beginning and the others exchanged.
    lanes, others = on_gpu.lanes(4), NumPyEngine.of(model).lanes(4)
    for column in ids.T:
        found, expected = lanes.step(column), others.step(column)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        for each in (lanes, others):
            each.put(0, None)
            each.put([1, 2], each.get(3))
            each.take(np.array([2, 1, 0, 3]))


@pytest.mark.parametrize("training", [True, False])
def test_the_torch_engine_gives_the_network_back_as_it_was(
    training: bool, make_model: MakeModel
) -> None:
    network = CharRNN(make_model().config).train(training)
    TorchEngine(network).advance([[1, 2, 3]], None)
    assert network.training is training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_torch_engine_does_not_drop_while_training(make_model: MakeModel) -> None:
    config = dataclasses.replace(make_model().config, dropout=0.5)
    engine = TorchEngine(CharRNN(config).train())
    first, _ = engine.advance([[1, 2, 3, 4]], None)
    np.testing.assert_array_equal(engine.advance([[1, 2, 3, 4]], None)[0], first)


def test_a_state_of_the_torch_engine_may_be_learned_from(make_model: MakeModel) -> None:
    # Evaluation happens in the middle of training; its tensors must not poison what comes after.
    network = CharRNN(make_model().config).train()
    engine = TorchEngine(network)
    engine.advance([[1, 2, 3]], None)
    logits, _ = network(torch.tensor([[1, 2, 3]]))
    logits.sum().backward()
    assert network.head.weight.grad is not None


@pytest.mark.parametrize("state", ["none", "some"])
@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_characters_change_no_state(
    engine: str, cell: str, state: str, make_model: MakeModel
) -> None:
    # NumPy and C gave no logits and the state before; PyTorch's own network raised.
    model = make_model(**sizes(cell))
    running = ENGINES[engine](model)
    before = running.read(some_ids(model, 2, 5), None) if state == "some" else None
    logits, after = running.advance(np.zeros((2, 0), dtype=np.int64), before)
    assert logits.shape == (2, 0, 10)
    assert logits.dtype == np.float32
    read = running.read(np.zeros((2, 0), dtype=np.int64), before)
    expected = before or tuple(np.zeros_like(part) for part in map(np.asarray, after))
    assert_equal_states(after, expected)
    assert_equal_states(read, expected)


@pytest.mark.parametrize("wrong", [-1, 10, -(2**62), 2**62])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_refuses_ids_that_are_none_of_the_models(
    engine: str, wrong: int, make_model: MakeModel
) -> None:
    # One took the nearest id, one the last character for -1, one raised IndexError.
    running = ENGINES[engine](make_model())
    for bad in ([[1, wrong]], [[1, 2], [wrong, 3]]):
        with pytest.raises(ConfigError, match=f"id {wrong}: .* 0 to 9"):
            running.advance(bad, None)
        with pytest.raises(ConfigError, match=f"id {wrong}: .* 0 to 9"):
            running.read(bad, None)
    lanes, undisturbed = running.lanes(3), running.lanes(3)
    with pytest.raises(ConfigError, match=f"id {wrong}: .* 0 to 9"):
        lanes.step(np.array([1, wrong, 2]))
    ids = np.array([1, 2, 3])
    np.testing.assert_array_equal(lanes.step(ids), undisturbed.step(ids))  # nothing was read


@pytest.mark.parametrize("ids", [[[0.5, 1.0]], [1, 2], [[[1]]], [[True, False]]], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_refuses_what_are_no_ids(
    engine: str, ids: npt.ArrayLike, make_model: MakeModel
) -> None:
    with pytest.raises(ConfigError, match="whole numbers"):
        ENGINES[engine](make_model()).advance(ids, None)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_reading_without_logits_gives_the_same_state(
    engine: str, cell: str, batch: int, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell), layers=3)
    running = ENGINES[engine](model)
    ids = some_ids(model, batch, 1301)  # so that pieces of every engine have borders in it
    _, end = running.advance(ids, None)
    for part, expected in zip(running.read(ids, None), end, strict=True):
        assert_same(engine, np.asarray(part), np.asarray(expected))
    middle = running.read(ids[:, :700], None)
    for part, expected in zip(running.read(ids[:, 700:], middle), end, strict=True):
        assert_same(engine, np.asarray(part), np.asarray(expected))


@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", [name for name in ENGINES if name in EXACT])
def test_a_long_prompt_takes_no_more_memory_than_a_short_one(
    engine: str, cell: str, make_model: MakeModel
) -> None:
    # It was read in one piece with all its logits: 12.7 kB a character at a hidden size of 128.
    model = make_model(None, **sizes(cell), hidden_size=64)
    running = ENGINES[engine](model)

    def peak(time: int) -> int:
        ids = some_ids(model, 1, time).astype(np.uint8)
        tracemalloc.start()
        try:
            running.read(ids, None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(600)
    assert peak(6000) < peak(600) + 5000  # an array of all characters' states would be a megabyte


# Lanes


@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_steps_are_what_reading_at_once_is(
    engine: str, cell: str, batch: int, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell), layers=3)
    running = ENGINES[engine](model)
    ids = some_ids(model, batch, 40)
    whole, end = running.advance(ids, None)
    lanes = running.lanes(batch)
    logits = steps(lanes, ids)
    assert logits.dtype == np.float32
    assert_same(engine, logits, whole)
    for lane in range(batch):
        for part, expected in zip(lanes.get(lane), end, strict=True):
            assert_same(engine, part, expected[:, lane : lane + 1])


@pytest.mark.parametrize("size", [5, 16, 100, 128, 300])
@pytest.mark.parametrize("cell", NETWORKS)
@exact_engines
def test_bits_are_the_same_alone_and_in_any_company(
    engine: str, cell: str, size: int, make_model: MakeModel
) -> None:
    # BLAS adds a matrix's odd ends, long sums and single rows in orders of their own.
    model = make_model("".join(map(chr, range(32, 69))), **sizes(cell), hidden_size=size)
    running = ENGINES[engine](model)
    ids = some_ids(model, 40, 6)
    alone = np.concatenate([running.advance(ids[lane : lane + 1], None)[0] for lane in range(40)])
    for count in (1, 2, 3, 7, 40):
        first = (40 - count) // 2  # other neighbours, and another place, for most lanes
        these = slice(first, first + count)
        np.testing.assert_array_equal(steps(running.lanes(count), ids[these]), alone[these])
        np.testing.assert_array_equal(running.advance(ids[these], None)[0], alone[these])


@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_lane_goes_on_from_the_state_that_is_put_there(
    engine: str, cell: str, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell))
    running = ENGINES[engine](model)
    prompt, ids = some_ids(model, 1, 9), some_ids(model, 3, 12)
    _, state = running.advance(prompt, None)
    lanes = running.lanes(3)
    before = steps(lanes, ids[:, :6])
    lanes.put(1, state)
    after = steps(lanes, ids[:, 6:])
    going_on, _ = running.advance(ids[:, :6], None)
    assert_same(engine, before, going_on)
    assert_same(engine, after[1], running.advance(ids[1:2, 6:], state)[0][0])
    for lane in (0, 2):  # the others notice nothing
        assert_same(engine, after[lane], running.advance(ids[lane : lane + 1], None)[0][0, 6:])


@pytest.mark.parametrize("lanes", [[0, 2], [3, 1], [1]], ids=str)
@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_several_lanes_may_go_on_from_one_state(
    engine: str, cell: str, lanes: list[int], make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell))
    running = ENGINES[engine](model)
    _, state = running.advance(some_ids(model, 1, 9), None)
    ids = some_ids(model, 4, 12)
    for given in (state, None):
        at_once, one_by_one = running.lanes(4), running.lanes(4)
        steps(at_once, ids), steps(one_by_one, ids)
        at_once.put(lanes, given)
        for lane in lanes:
            one_by_one.put(lane, given)
        assert_same(engine, steps(at_once, ids), steps(one_by_one, ids))


@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_lane_begins_anew_where_no_state_is_put(
    engine: str, cell: str, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell))
    running = ENGINES[engine](model)
    ids = some_ids(model, 2, 12)
    lanes = running.lanes(2)
    steps(lanes, ids)
    lanes.put(0, None)
    assert_same(engine, steps(lanes, ids)[0], running.advance(ids[:1], None)[0][0])


@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_that_a_lane_gave_never_changes(
    engine: str, cell: str, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell))
    running = ENGINES[engine](model)
    ids = some_ids(model, 2, 12)
    lanes = running.lanes(2)
    steps(lanes, ids)
    state = lanes.get(1)
    before = copy(state)
    first = steps(lanes, ids)[1]
    lanes.put(1, None)
    lanes.take(np.array([1, 0]))
    assert_equal_states(state, before)
    # Nor does one that was put into a lane, which then goes on.
    lanes.put(1, state)
    steps(lanes, ids)
    lanes.put(1, state)
    assert_same(engine, steps(lanes, ids)[1], first)
    assert_equal_states(state, before)


@pytest.mark.parametrize("places", [[2, 0, 0, 3], [3, 2, 1, 0], [1, 1, 1, 1], [0, 1, 2, 3]])
@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_take_makes_each_lane_what_another_was(
    engine: str, cell: str, places: list[int], make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell))
    running = ENGINES[engine](model)
    ids = some_ids(model, 4, 10)
    lanes, apart = running.lanes(4), running.lanes(4)
    steps(lanes, ids)
    for lane, place in enumerate(places):
        apart.put(lane, lanes.get(place))
    lanes.take(np.array(places))
    assert_same(engine, steps(lanes, ids), steps(apart, ids))


@pytest.mark.parametrize("cell", NETWORKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_take_of_a_few_leaves_the_other_lanes_as_they_are(
    engine: str, cell: str, make_model: MakeModel
) -> None:
    model = make_model(**sizes(cell))
    running = ENGINES[engine](model)
    ids = some_ids(model, 4, 10)
    lanes, apart = running.lanes(4), running.lanes(4)
    steps(lanes, ids), steps(apart, ids)
    lanes.take(np.array([3, 0]))
    apart.take(np.array([3, 0, 2, 3]))
    assert_same(engine, steps(lanes, ids), steps(apart, ids))


@exact_engines
def test_lanes_say_how_much_they_looked_up(engine: str, make_model: MakeModel) -> None:
    # The native engine's lanes said zeros.
    model = make_model(attention=6)
    running = ENGINES[engine](model)
    lanes, expected = running.lanes(3), NumPyEngine.of(model).lanes(3)
    ids = some_ids(model, 3, 20)
    for column in ids.T:
        lanes.step(column), expected.step(column)
        found = lanes.attended  # type: ignore[attr-defined]
        assert found.shape == (3, 6)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-5)
        assert expected.attended is not None
        atol = NEAR[running.precision]
        np.testing.assert_allclose(found, expected.attended, rtol=0, atol=atol)
    assert found.std() > 0.001
    assert ENGINES[engine](make_model()).lanes(1).attended is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", ENGINES)
def test_lanes_of_one_engine_do_not_see_each_other(engine: str, make_model: MakeModel) -> None:
    model = make_model()
    running = ENGINES[engine](model)
    ids = some_ids(model, 2, 10)
    one, other = running.lanes(1), running.lanes(1)
    found = [
        (one.step(ids[:1, t]).copy(), other.step(ids[1:, t]).copy()) for t in range(ids.shape[1])
    ]
    together = steps(running.lanes(2), ids)
    for t, (first, second) in enumerate(found):
        assert_same(engine, first[0], together[0, t])
        assert_same(engine, second[0], together[1, t])


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_says_whether_its_lanes_may_step_in_several_threads(
    engine: str, make_model: MakeModel
) -> None:
    model = make_model(hidden_size=64)
    running = ENGINES[engine](model)
    assert running.parallel is (engine in EXACT)
    if not running.parallel:
        return
    ids = some_ids(model, 4, 200)
    found: dict[int, Array] = {}

    def work(lane: int) -> None:
        found[lane] = steps(running.lanes(1), ids[lane : lane + 1])

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected, _ = running.advance(ids, None)
    np.testing.assert_array_equal(np.concatenate([found[lane] for lane in range(4)]), expected)


@pytest.mark.parametrize("cell", NETWORKS)
@exact_engines
def test_a_step_allocates_none_of_its_arrays(engine: str, cell: str, make_model: MakeModel) -> None:
    # NumPy keeps 8192 numbers of its own for a moment where it goes through parts of arrays; the
    # smallest array of a step, the state of one layer, has four times as many.
    model = make_model(**sizes(cell), hidden_size=256)
    running = ENGINES[engine](model)
    if isinstance(running, Int8NumPyEngine):
        pytest.skip("the int8 engine in NumPy is written to be read; that in C allocates nothing")
    lanes = running.lanes(128)
    ids = some_ids(model, 1, 128)[0]
    for _ in range(3):
        lanes.step(ids)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200):
            lanes.step(ids)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1000
    assert peak - before < 8192 * 4 + 4000 < 128 * 256 * 4
