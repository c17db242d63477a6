from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.engines.int8_structures import available, processors
from charrnn.engines.native_choice import Filters
from charrnn.generation.elementary import log
from charrnn.generation.filters import apply_filters, draw

pytestmark = pytest.mark.skipif(
    not available(), reason="int8.c was not built: no C compiler, or CHARRNN_NATIVE=0"
)

FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.sampled_from([0.0, 5e-324, 1e-250, 0.1, 0.8, 1.0, 3.0]),
    "repetition_penalty": st.floats(0.3, 3),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "bias": st.sampled_from([0.1, 1.0, 100.0]),  # the largest of drawn ones
    "top_k": st.integers(1, 60),
    "top_p": st.floats(0.01, 1),
    "min_p": st.floats(1e-9, 1),
    "typical": st.floats(0.01, 1),
}


def compare(seed: int, chosen: dict[str, Any], **masks: bool) -> None:
    """Compare the draws of C, on every processor, with those of NumPy."""
    random = np.random.default_rng(seed)
    size, rows = int(random.integers(1, 130)), int(random.integers(1, 6))
    logits = (random.normal(size=(rows, size)) * random.choice([0.1, 3, 40])).astype(np.float32)
    if seed % 3 == 0:
        logits = np.round(logits)  # there are ties
    allowed, recent = random.random((2, rows, size)) < 0.6
    counts = random.poisson(2, (rows, size)).astype(np.uint32)
    given_masks: dict[str, Any] = {
        "allowed": allowed if masks.get("allowed") else None,
        "recent": recent if masks.get("recent") else None,
        "counts": counts if masks.get("counts") else None,
    }
    if "bias" in chosen:
        chosen = chosen | {"bias": random.uniform(-1, 1, size) * chosen["bias"]}
    uniform = random.random(rows)
    with np.errstate(all="ignore"):
        expected = draw(apply_filters(logits, **given_masks, **chosen), uniform)
    chosen = {"temperature": 1.0, **chosen}
    min_p = chosen.pop("min_p", None)
    least = None if min_p is None else float(log(min_p))
    for processor in processors().values():
        filters = Filters(size, log_min_p=least, processor=processor, **chosen)
        found = filters.choose(logits, uniform=uniform, **given_masks)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", FILTERS)
@given(seed=st.integers(0, 2**32), data=st.data())
@settings(max_examples=40)
def test_each_filter_draws_what_numpy_draws(name: str, seed: int, data: st.DataObject) -> None:
    compare(seed, {name: data.draw(FILTERS[name])}, recent=True, counts=True)


@given(
    seed=st.integers(0, 2**32),
    chosen=st.fixed_dictionaries({}, optional=FILTERS),
    allowed=st.booleans(),
    recent=st.booleans(),
    counts=st.booleans(),
)
@settings(max_examples=300)
def test_filters_together_draw_what_numpy_draws(
    seed: int, chosen: dict[str, Any], allowed: bool, recent: bool, counts: bool
) -> None:
    compare(seed, chosen, allowed=allowed, recent=recent, counts=counts)


def test_one_mask_may_serve_all_rows_and_rows_may_be_apart() -> None:
    logits = np.zeros((3, 8), dtype=np.float32)[:, :5]
    allowed = np.array([False, True, False, False, True])
    uniform = np.array([0.1, 0.6, 0.4])
    filters = Filters(5, temperature=1.0)
    assert filters.choose(logits, allowed, None, uniform).tolist() == [1, 4, 1]
    both = np.stack([allowed, ~allowed, allowed])
    assert filters.choose(logits, both, None, uniform).tolist() == [1, 2, 1]
    assert filters.choose(np.asfortranarray(logits), both, None, uniform).tolist() == [1, 2, 1]
    penalized = Filters(5, temperature=0.0, frequency_penalty=1.0)
    counts = np.array([[3, 1, 0, 2, 2], [0, 1, 1, 1, 1], [2, 2, 2, 2, 1]], dtype=np.uint32)
    assert penalized.choose(logits, None, None, uniform, counts).tolist() == [2, 0, 4]
    assert penalized.choose(logits, None, None, uniform, counts[0]).tolist() == [2, 2, 2]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_rows_without_an_id_are_told_apart(wrong: float) -> None:
    logits = np.zeros((3, 5), dtype=np.float32)
    logits[2, 4] = wrong
    allowed = np.ones((3, 5), dtype=np.bool_)
    allowed[1] = False
    filters = Filters(5, temperature=0.7)
    assert filters.choose(logits, allowed, None, np.zeros(3)).tolist() == [0, 5, 6]


def test_large_logits_are_finite() -> None:
    logits = np.array([[3e38, 3e38, -3e38, 0]], dtype=np.float32)
    for temperature in (5e-324, 1e-3, 1.0):
        filters = Filters(4, temperature=temperature)
        assert filters.choose(logits, None, None, np.array([0.6])).tolist() == [1]
