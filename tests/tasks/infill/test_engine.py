from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from charrnn.engines import native_engine
from charrnn.engines.engine import Array
from charrnn.errors import ModelError
from charrnn.model.cells import CELLS
from charrnn.model.networks import build_network
from charrnn.storage.model_directory import Model
from charrnn.tasks.infill import engine as infill_engine
from charrnn.tasks.infill.engine import InfillEngine

MakeModel = Callable[..., Model]

NATIVE = [False, True] if native_engine.available() else [False]


def some_ids(model: Model, batch: int, time: int) -> npt.NDArray[np.int64]:
    """Every symbol among them, the mask too."""
    return np.random.default_rng(0).integers(model.config.vocabulary_size + 1, size=(batch, time))


def reference(model: Model, ids: npt.NDArray[np.int64]) -> Array:
    """What the training network says, in float64."""
    network = build_network(model.config)
    network.load_state_dict({name: torch.from_numpy(each) for name, each in model.tensors.items()})
    with torch.no_grad():
        logits = network.double().eval()(torch.from_numpy(ids))
    return np.asarray(logits.log_softmax(dim=-1).numpy(), dtype=np.float32)


def engine_of(model: Model, native: bool) -> InfillEngine:
    return InfillEngine(model.config, model.tensors, native=native)


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", sorted(CELLS))
@pytest.mark.parametrize("hidden_size", [12, 16])
def test_probabilities_are_those_of_the_training_network(
    hidden_size: int, cell: str, layers: int, native: bool, make_model: MakeModel
) -> None:
    model = make_model(cell=cell, layers=layers, hidden_size=hidden_size, task="restore")
    ids = some_ids(model, 5, 23)
    found = engine_of(model, native).log_probabilities(ids)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(model, ids), rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.exp(found).sum(axis=-1), 1, rtol=0, atol=1e-5)


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (2, 1), (1, 2)])
def test_texts_of_hardly_any_characters(
    shape: tuple[int, int], native: bool, make_model: MakeModel
) -> None:
    model = make_model(task="restore")
    found = engine_of(model, native).log_probabilities(some_ids(model, *shape))
    assert found.shape == (*shape, model.config.vocabulary_size)
    if found.size:
        np.testing.assert_allclose(found, reference(model, some_ids(model, *shape)), atol=1e-5)


@pytest.mark.parametrize("native", NATIVE)
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_text_is_the_same_to_the_last_bit_in_any_company(
    cell: str, native: bool, make_model: MakeModel
) -> None:
    model = make_model(cell=cell, hidden_size=20, task="restore")
    engine = engine_of(model, native)
    ids = some_ids(model, 7, 19)
    together = engine.log_probabilities(ids)
    for text, expected in zip(ids, together, strict=True):
        np.testing.assert_array_equal(engine.log_probabilities(text[None])[0], expected)
    np.testing.assert_array_equal(engine.log_probabilities(ids[2:5]), together[2:5])


@pytest.mark.parametrize("native", NATIVE)
def test_no_character_is_seen_where_it_is_predicted(native: bool, make_model: MakeModel) -> None:
    model = make_model(task="restore")
    engine = engine_of(model, native)
    symbols = model.config.vocabulary_size + 1
    ids = np.repeat(some_ids(model, 1, 9), symbols, axis=0)
    for t in range(9):
        changed = ids.copy()
        changed[:, t] = np.arange(symbols)
        read = engine.log_probabilities(changed)[:, t]
        np.testing.assert_array_equal(read, np.broadcast_to(read[0], read.shape))


def test_a_short_text_is_read_as_one(make_model: MakeModel) -> None:
    model = make_model(task="restore")
    engine = InfillEngine.of(model)
    assert engine.mask == engine.vocabulary_size == model.config.vocabulary_size
    for time in (0, 1, 50):
        ids = some_ids(model, 1, time)
        np.testing.assert_array_equal(engine.read(ids[0]), engine.log_probabilities(ids)[0])


def test_a_long_text_is_read_in_windows_that_know_enough_of_both_sides(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies beyond a margin of 40 is as good as forgotten; what lies nearer is not."""
    monkeypatch.setattr(infill_engine, "WINDOW", 120)
    monkeypatch.setattr(infill_engine, "MARGIN", 40)
    monkeypatch.setattr(infill_engine, "_LARGEST_AT_ONCE", 3000)
    model = make_model(cell="gru", layers=1, task="restore")
    engine = InfillEngine.of(model)
    ids = some_ids(model, 1, 1003)
    found = engine.read(ids[0])
    whole = engine.log_probabilities(ids)[0]
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-3)
    pieces = list(engine.read_in_pieces(ids[0]))
    assert len(pieces) > 3
    np.testing.assert_array_equal(np.concatenate([read for _, read in pieces]), found)
    assert [begin for begin, _ in pieces] == list(
        np.cumsum([0] + [len(read) for _, read in pieces[:-1]])
    )
    monkeypatch.setattr(infill_engine, "MARGIN", 0)
    assert np.abs(engine.read(ids[0]) - whole).max() > 0.1


@pytest.mark.parametrize("largest", [3e38, np.inf])
@pytest.mark.parametrize("native", NATIVE)
def test_sums_of_both_sides_that_overflow_are_told(
    native: bool, largest: float, make_model: MakeModel
) -> None:
    # Of 100,000 hostile models, seven made NumPy warn, which is an error here, where both sides'
    # sums were added: each a number, and together none.
    model = make_model(cell="rnn", layers=1, hidden_size=4, task="restore")
    model.tensors["rnn.bias_ih_l0"][:] = model.tensors["rnn.bias_ih_l0_reverse"][:] = 100
    model.tensors["join.weight"][:] = largest / 4
    model.tensors["head.weight"][0] = np.inf
    with pytest.raises(ModelError, match="overflow"):
        engine_of(model, native).log_probabilities(some_ids(model, 2, 5))
