import numpy as np
import pytest

from charrnn.explanation.cells import (
    average_ranks,
    first_half,
    measure_concepts,
    score_concepts,
    scores,
)

TEXT = 'He said: "I am (not) a reed," and sang. ' * 60


def test_ranks_of_equal_values_are_their_mean() -> None:
    assert average_ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1, 3.5, 2]


def test_auc_is_the_share_of_pairs_in_order() -> None:
    random = np.random.default_rng(0)
    activity = random.integers(0, 4, (40, 3)).astype(np.float32)  # with ties
    concept = random.random(40) < 0.4
    pairs = activity[concept][:, None] - activity[~concept][None]
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean(axis=(0, 1))
    found = scores(activity, concept[:, None].astype(float), np.array([True]))
    np.testing.assert_allclose(found[:, 0], expected)


def test_graded_concepts_have_pearsons_correlation() -> None:
    random = np.random.default_rng(1)
    activity = random.standard_normal((50, 2)).astype(np.float32)
    values = activity[:, :1] * 2.0 + random.standard_normal((50, 1))
    found = scores(activity, values, np.array([False]))
    expected = np.corrcoef(activity[:, 0], values[:, 0])[0, 1]
    assert found[0, 0] == pytest.approx(expected, abs=1e-6)


def test_a_constant_unit_shows_nothing() -> None:
    values = np.stack([np.arange(10) % 2, np.arange(10)], axis=1).astype(float)
    found = scores(np.ones((10, 1), np.float32), values, np.array([True, False]))
    assert found.tolist() == [[0.5, 0.0]]


def planted(sign: float = 1.0, noise: float = 0.0) -> np.ndarray:
    """Activities (M, 6) of two layers with three units, of which the last shows quotes."""
    measured = measure_concepts(TEXT, ["inside_quotes"])
    activity = np.random.default_rng(2).standard_normal((len(TEXT), 6)).astype(np.float32)
    activity[:, 5] = sign * measured.values[:, 0] + noise * activity[:, 4]
    return activity


@pytest.mark.parametrize("sign", [1, -1])
def test_the_unit_that_shows_a_concept_is_found(sign: int) -> None:
    """A unit that is low inside quotes shows them as well as one that is high."""
    measured = measure_concepts(TEXT, ["inside_quotes", "inside_braces"])
    assert measured.missing == ("inside_braces",)
    (found,) = score_concepts(planted(sign), measured, hidden_size=3)
    best = found.units[0]
    assert (best.layer, best.unit, best.sign) == (1, 2, sign)
    assert best.score == best.chosen_score == 1
    assert found.units[1].score < 0.6
    assert found.kind == "binary"
    assert found.mean == pytest.approx(measured.values.mean())


def test_random_directions_are_worth_less_than_the_unit() -> None:
    (found,) = score_concepts(planted(), measure_concepts(TEXT, ["inside_quotes"]), 3)
    assert 0.4 < found.random_direction < 0.99


def test_two_units_that_share_a_concept_are_summed() -> None:
    """Each of them alone is drowned in the other's noise."""
    activity = planted(noise=2.0)
    (found,) = score_concepts(activity, measure_concepts(TEXT, ["inside_quotes"]), 3)
    assert found.units[0].score < 0.7
    assert found.sum_of_units.score > 0.99
    weights = {(layer, unit): weight for layer, unit, weight in found.sum_of_units.units}
    assert weights[1, 2] > 0 > weights[1, 1]


def test_scores_are_of_text_that_was_not_used_to_choose() -> None:
    """A unit that knows half of the text by heart is chosen, and found out."""
    measured = measure_concepts(TEXT, ["inside_quotes"])
    activity = planted()
    half = first_half(len(TEXT))
    activity[~half, 5] = np.random.default_rng(3).standard_normal(int((~half).sum()))
    (found,) = score_concepts(activity, measured, 3)
    assert (found.units[0].layer, found.units[0].unit) == (1, 2)
    assert found.units[0].chosen_score == 1
    assert abs(found.units[0].score - 0.5) < 0.1


def test_concepts_that_come_seldom_are_not_measured() -> None:
    assert measure_concepts("ab " * 100 + '"').names != ()
    assert "inside_quotes" in measure_concepts("ab " * 100 + '"').missing
    assert measure_concepts("").names == ()
    assert score_concepts(np.zeros((0, 2), np.float32), measure_concepts(""), 2) == ()
