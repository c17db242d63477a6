import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from charrnn.generation.engines import ENGINES, Array, NumPyEngine, State, TorchEngine
from charrnn.model.cells import CELLS
from charrnn.model.network import CharRNN
from charrnn.storage.model_directory import Model

MakeModel = Callable[..., Model]


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


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_logits_are_those_of_the_training_network(
    engine: str, cell: str, layers: int, batch: int, make_model: MakeModel
) -> None:
    model = make_model(cell=cell, layers=layers, sharpness=1.0)
    ids = some_ids(model, batch, 1000)
    logits, _ = ENGINES[engine](model).advance(ids, None)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, reference(model, ids), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_chunks_are_single_steps(
    engine: str, cell: str, layers: int, make_model: MakeModel
) -> None:
    model = make_model(cell=cell, layers=layers)
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
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_state_is_a_value_that_can_be_gone_back_to(
    engine: str, cell: str, time: int, make_model: MakeModel
) -> None:
    model = make_model(cell=cell)
    running = ENGINES[engine](model)
    ids = some_ids(model, 3, time)
    _, kept = running.advance(ids, None)
    before = copy(kept)
    first, _ = running.advance(ids, kept)
    first = first.copy()
    running.advance(
        (ids + 1) % model.config.vocabulary_size, kept
    )  # another way on from the same state
    for part, expected in zip(kept, before, strict=True):
        np.testing.assert_array_equal(part, expected)
    np.testing.assert_array_equal(running.advance(ids, kept)[0], first)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_lanes_do_not_see_each_other(engine: str, cell: str, make_model: MakeModel) -> None:
    model = make_model(cell=cell)
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


@pytest.mark.parametrize("cell", CELLS)
def test_saturated_gates_neither_warn_nor_overflow(cell: str, make_model: MakeModel) -> None:
    # exp(-x) of a plain sigmoid overflows from x = -89 on; warnings are errors here.
    model = make_model(cell=cell)
    tensors = {
        name: array * np.float32(1e4) if name.startswith("rnn") else array
        for name, array in model.tensors.items()
    }
    logits, _ = NumPyEngine(model.config, tensors).advance(some_ids(model, 2, 30), None)
    assert np.isfinite(logits).all()


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
