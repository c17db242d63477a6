from collections.abc import Callable

import numpy as np
import pytest

from charrnn.engines.engine import Array
from charrnn.engines.int8_numbers import fold
from charrnn.engines.int8_weights import int8_layers, quantize
from charrnn.engines.layers import prepared_layer
from charrnn.model.cells import CELLS
from charrnn.storage.model_directory import Model
from tests.engines.int8_models import floats

MakeModel = Callable[..., Model]
ONE = np.ones(1, dtype=np.float32)


def restored(weight: Array, halves: Array = ONE) -> Array:
    rows = quantize(weight, halves)
    assert rows.weight.dtype == np.int8
    assert rows.scale.dtype == np.float32
    rest = 0 if rows.rest is None else rows.rest / np.float32(254)
    with np.errstate(invalid="ignore"):
        return np.asarray((rows.weight + rest) * (rows.scale * 127)[..., None])


@pytest.mark.parametrize(("inputs", "steps"), [(97, 127), (40, 127 * 254)])
def test_a_row_is_rounded_to_steps_of_its_own(inputs: int, steps: int) -> None:
    random = np.random.default_rng(0)
    weight = random.normal(size=(2, 9, inputs)) * 10.0 ** random.integers(-9, 0, (2, 9, 1))
    weight = weight.astype(np.float32)
    halves = floats([0.5, 1])
    rows = quantize(weight, halves)
    assert (rows.rest is None) == (steps == 127)
    assert (np.abs(rows.weight).max(axis=-1) == 127).all()
    largest = np.abs(weight).max(axis=-1, keepdims=True)
    error = np.abs(restored(weight, halves) - weight * halves[:, None, None])
    assert (error <= halves[:, None, None] * largest / steps * 0.51).all()


def test_a_matrix_with_an_outlier_has_16_bits() -> None:
    weight = np.random.default_rng(0).normal(scale=0.8, size=(1, 9, 256)).astype(np.float32)
    assert quantize(weight, ONE).rest is None
    for outlier in (4.0, -4.0):  # times the square root of 256: more than 56
        changed = weight.copy()
        changed[0, 3, 5] = outlier
        assert quantize(changed, ONE).rest is not None
        np.testing.assert_allclose(restored(changed), changed, rtol=0, atol=1e-4)


def test_rows_of_zeros_and_of_the_smallest_numbers_become_zeros() -> None:
    weight = floats([[[0, 0, -0.0], [1e-45, -1e-40, 0], [1e-31, 0, 0]]])
    np.testing.assert_array_equal(restored(weight), np.zeros_like(weight))


def test_what_is_no_number_stays_visible() -> None:
    weight = floats([[[np.inf, 1, -np.inf], [np.nan, 2, 3], [3e38, -3e38, 0], [np.nan, 0, 1]]])
    rows = quantize(weight, ONE)
    assert rows.weight[0, 0].tolist() == [1, 0, -1]
    assert np.isposinf(rows.scale[0, 0])
    assert np.isnan(rows.scale[0, [1, 3]]).all()
    assert rows.weight[0, 2].tolist() == [127, -127, 0]
    assert np.isfinite(rows.scale[0, 2])


@pytest.mark.parametrize("cell", CELLS)
def test_layers_are_near_those_of_the_other_engines(cell: str, make_model: MakeModel) -> None:
    model = make_model(cell=cell, hidden_size=20)
    first, second, head = int8_layers(model.config, model.tensors, fold)
    expected = (
        prepared_layer(cell, model.tensors, "_l0"),
        prepared_layer(cell, model.tensors, "_l1"),
    )
    embedding = model.tensors["embedding.weight"]
    inputs = expected[0].weight_ih[:, : embedding.shape[1], :20]
    table = np.einsum("ve,geh->vgh", embedding, inputs) + expected[0].bias[None, :, 0, :20]
    np.testing.assert_allclose(first.start, table, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(second.start[0], expected[1].bias[:, 0, :20])
    np.testing.assert_array_equal(second.inner, expected[1].inner_bias[0, :20])
    pairs = [
        (first.recurrent, expected[0].weight_hh[:, :20, :20].swapaxes(1, 2)),
        (second.recurrent, expected[1].weight_hh[:, :20, :20].swapaxes(1, 2)),
        (second.input, expected[1].weight_ih[:, :20, :20].swapaxes(1, 2)),
        (head.input, model.tensors["head.weight"][None]),
    ]
    for rows, exact in pairs:
        assert rows is not None
        assert rows.rest is not None
        near = (rows.weight + rows.rest / np.float32(254)) * (rows.scale * 127)[..., None]
        np.testing.assert_allclose(near, exact, rtol=0, atol=np.abs(exact).max() / 60_000)
    np.testing.assert_array_equal(head.start[0, 0], model.tensors["head.bias"])
