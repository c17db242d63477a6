import itertools

import numpy as np
import pytest

from charrnn.tasks.infill.beam import Region, infill
from charrnn.tasks.infill.masked_model import MaskedIds
from tests.masked_models import Arbitrary

V = 3
MASKED_LM = Arbitrary(V)
EVERYTHING = np.ones(V, dtype=np.bool_)


def region(ids: list[int]) -> Region:
    array = np.array(ids, dtype=np.int64)
    return Region(array, np.flatnonzero(array == V))


def by_hand(ids: MaskedIds, places: list[int], values: tuple[int, ...]) -> float:
    """The chain rule: each place given those before it, and masks for those after it."""
    ids, total = ids.copy(), 0.0
    for place, value in zip(places, values, strict=True):
        total += float(MASKED_LM.read(ids)[place, value])
        ids[place] = value
    return total


REGIONS = [region([0, V, 1, V, V, 2]), region([V]), region([2, 1, V, V, 0, 0, V])]


@pytest.mark.parametrize("each", REGIONS, ids=lambda each: str(each.ids))
def test_a_beam_that_keeps_all_is_the_chain_rule(each: Region) -> None:
    count = V ** len(each.positions)
    (found,) = infill(MASKED_LM, [each], width=count, context=99, allowed=EVERYTHING)
    assert sorted(map(tuple, found.values)) == list(
        itertools.product(range(V), repeat=len(each.positions))
    )
    expected = [by_hand(each.ids, each.positions.tolist(), tuple(row)) for row in found.values]
    np.testing.assert_allclose(found.log_probabilities, expected, rtol=1e-5)
    assert (np.diff(found.log_probabilities) <= 0).all()
    assert np.exp(found.log_probabilities).sum() == pytest.approx(1, abs=1e-5)


def test_regions_side_by_side_are_what_each_is_alone() -> None:
    together = list(infill(MASKED_LM, REGIONS, width=4, context=2, allowed=EVERYTHING))
    for each, found in zip(REGIONS, together, strict=True):
        (alone,) = infill(MASKED_LM, [each], width=4, context=2, allowed=EVERYTHING)
        np.testing.assert_array_equal(found.values, alone.values)
        np.testing.assert_array_equal(found.log_probabilities, alone.log_probabilities)


def test_only_what_is_allowed_is_written() -> None:
    allowed = np.array([True, False, True])
    for found in infill(MASKED_LM, REGIONS, width=50, context=9, allowed=allowed):
        assert set(found.values.ravel()) <= {0, 2}
        assert np.isfinite(found.log_probabilities).all()


def test_what_lies_beyond_the_context_is_not_read() -> None:
    near, far = region([0, 1, 2, V, 1, 0, 2]), region([2, 1, 2, V, 1, 0, 0])
    first, second = infill(MASKED_LM, [near, far], width=3, context=2, allowed=EVERYTHING)
    np.testing.assert_array_equal(first.values, second.values)


def test_progress_counts_every_place() -> None:
    told: list[int] = []
    list(infill(MASKED_LM, REGIONS, width=2, context=4, allowed=EVERYTHING, progress=told.append))
    assert sum(told) == sum(len(each.positions) for each in REGIONS)
