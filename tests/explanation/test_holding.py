from collections.abc import Callable

import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.explanation.activations import read_activations
from charrnn.explanation.holding import HELD_BIASES, hold_unit
from charrnn.model.config import GATES
from charrnn.storage.model_directory import Model


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("value", [-0.5, 0.0, 0.9])
def test_a_held_unit_has_its_value_after_every_character(
    cell: str, value: float, make_model: Callable[..., Model]
) -> None:
    model = make_model("\n abc", cell=cell, hidden_size=6)
    ids = np.random.default_rng(0).integers(0, 5, 60)
    usual = read_activations(model, ids, 1)
    held = read_activations(hold_unit(model, 0, 2, value), ids, 1)
    np.testing.assert_allclose(held[25:, 2], value, atol=1e-5)
    others = [0, 1, 3, 4, 5, *range(6, 12)]
    assert np.abs(held[:, others] - usual[:, others]).max() > 1e-4  # they read it


def test_what_does_not_read_the_unit_stays(make_model: Callable[..., Model]) -> None:
    model = make_model("\n abc", hidden_size=6)
    ids = np.random.default_rng(0).integers(0, 5, 30)
    usual = read_activations(model, ids, 1)
    held = read_activations(hold_unit(model, 1, 0, 0.3), ids, 1)
    np.testing.assert_array_equal(held[:, :6], usual[:, :6])  # the layer below


def test_the_model_itself_does_not_change(make_model: Callable[..., Model]) -> None:
    model = make_model("\n abc")
    before = {name: tensor.copy() for name, tensor in model.tensors.items()}
    hold_unit(model, 0, 0, 0.5)
    for name, tensor in before.items():
        np.testing.assert_array_equal(model.tensors[name], tensor)


def test_a_cell_without_a_way_is_refused(
    make_model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model("\n abc")
    monkeypatch.delitem(HELD_BIASES, "lstm")
    with pytest.raises(ConfigError, match="lstm"):
        hold_unit(model, 0, 0, 0.5)


def test_every_cell_has_a_way() -> None:
    assert HELD_BIASES.keys() == GATES.keys()
