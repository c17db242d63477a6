import numpy as np
import pytest

from charrnn.tasks.infill.masking import (
    LARGEST_SHARE,
    LONGEST_SPAN,
    UNMASKED,
    mask_spans,
    random_spans,
)


def runs(row: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> list[int]:
    """Gives the lengths of the runs of masks in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]])))
    return [int(length) for length in edges[1::2] - edges[::2]]


def test_only_masked_characters_change() -> None:
    ids = np.arange(4 * 50).reshape(4, 50)
    hidden = mask_spans(ids, 999, np.random.default_rng(3))
    masked = hidden == 999
    np.testing.assert_array_equal(masked, random_spans(4, 50, np.random.default_rng(3)))
    np.testing.assert_array_equal(hidden[~masked], ids[~masked])
    assert masked.any() and not masked.all()


def test_masks_follow_their_generator_alone() -> None:
    one, same, other = (random_spans(8, 40, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_each_share_of_masks_up_to_the_largest_is_as_probable() -> None:
    shares = random_spans(2000, 1000, np.random.default_rng(0))[:, LONGEST_SPAN:].mean(axis=1)
    assert (shares == 0).mean() == pytest.approx(UNMASKED, abs=0.03)
    masked = shares[shares > 0]
    assert masked.mean() == pytest.approx(LARGEST_SHARE / 2, abs=0.02)
    assert np.quantile(masked, 0.95) == pytest.approx(0.95 * LARGEST_SHARE, abs=0.06)


def test_every_length_of_span_occurs() -> None:
    hidden = random_spans(1000, 1000, np.random.default_rng(0))
    lengths = [length for row in hidden if row.mean() < 0.1 for length in runs(row)]
    counts = np.bincount(lengths)[1 : LONGEST_SPAN + 1]
    assert counts.min() > 0.6 * counts.max()
    assert np.mean(np.array(lengths) > LONGEST_SPAN) < 0.1


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (1, 1)])
def test_hardly_any_characters(shape: tuple[int, int]) -> None:
    assert random_spans(*shape, np.random.default_rng(0)).shape == shape
