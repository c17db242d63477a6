from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.errors import ConfigError
from charrnn.generation.filters import (
    apply_filters,
    apply_temperature,
    apply_top_k,
    apply_top_p,
    check_filters,
    draw,
    probabilities,
)

Floats = npt.NDArray[np.float64]

FOUR = np.log([0.1, 0.4, 0.2, 0.3])
"""Four hand-made probabilities: from likeliest to least the ids are 1, 3, 2, 0."""

EVEN = np.log([0.25, 0.25, 0.25, 0.25])
TIED = np.log([0.1, 0.3, 0.3, 0.3])

logits_of_any_size = st.lists(st.floats(-40, 40, width=32), min_size=1, max_size=12).map(
    lambda values: np.array(values, dtype=np.float32)
)
uniforms = st.floats(0, 1, exclude_max=True)


def kept(logits: npt.NDArray[Any]) -> list[int]:
    return [int(i) for i in np.flatnonzero(logits > -np.inf)]


# Temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_temperature_is_a_power_of_the_probabilities(temperature: float) -> None:
    powers = np.array([0.1, 0.4, 0.2, 0.3]) ** (1 / temperature)
    warmed = probabilities(apply_temperature(FOUR, temperature))
    np.testing.assert_allclose(warmed, powers / powers.sum())


def test_temperature_zero_is_greedy() -> None:
    assert kept(apply_temperature(FOUR, 0.0)) == [1]


def test_temperature_zero_takes_the_first_of_ties() -> None:
    assert kept(apply_temperature(TIED, 0.0)) == [1]


def test_temperature_keeps_what_is_excluded_excluded() -> None:
    assert kept(apply_temperature(np.array([1.0, -np.inf, 2.0]), 0.7)) == [0, 2]


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-308, 5e-324])
def test_a_tiny_temperature_is_nearly_greedy(temperature: float) -> None:
    # Dividing by it overflows to inf, and inf - inf is nan: then anything is drawn.
    filtered = apply_filters(np.array([-1.0, 3.0, 2.0, 1.0]), temperature=temperature)
    assert {draw(filtered, uniform) for uniform in (0.0, 0.3, 0.999)} == {1}


def test_a_huge_temperature_makes_all_alike() -> None:
    filtered = apply_filters(np.array([-1.0, 3.0, 2.0, 1.0]), temperature=1e300)
    np.testing.assert_allclose(probabilities(filtered), 0.25)


# Top-k


@pytest.mark.parametrize(
    ("k", "expected"), [(1, [1]), (2, [1, 3]), (3, [1, 2, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])]
)
def test_top_k_keeps_the_k_likeliest(k: int, expected: list[int]) -> None:
    assert kept(apply_top_k(FOUR, k)) == expected


@pytest.mark.parametrize("k", [1, 2, 3])
def test_ties_never_leak_past_top_k(k: int) -> None:
    # `logits >= k-th largest`, the usual way, keeps all four.
    assert kept(apply_top_k(EVEN, k)) == list(range(k))
    assert kept(apply_top_k(TIED, k)) == list(range(1, k + 1))


def test_top_k_leaves_the_kept_logits_as_they_were() -> None:
    np.testing.assert_array_equal(apply_top_k(FOUR, 2)[[1, 3]], FOUR[[1, 3]])


# Top-p


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (1e-300, [1]),
        (0.39, [1]),
        (0.41, [1, 3]),
        (0.69, [1, 3]),
        (0.71, [1, 2, 3]),
        (0.89, [1, 2, 3]),
        (0.91, [0, 1, 2, 3]),
        (1.0, [0, 1, 2, 3]),
    ],
)
def test_top_p_keeps_the_fewest_that_reach_p(p: float, expected: list[int]) -> None:
    assert kept(apply_top_p(FOUR, p)) == expected


@pytest.mark.parametrize(("p", "count"), [(0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (1.0, 4)])
def test_top_p_takes_ties_in_the_order_of_their_ids(p: float, count: int) -> None:
    assert kept(apply_top_p(EVEN, p)) == list(range(count))


@given(logits=logits_of_any_size)
@example(logits=np.array([0.0, -50.0]))
def test_top_p_of_one_keeps_all(logits: Floats) -> None:
    # However small: p = 1 is the same as no filter.
    assert kept(apply_top_p(logits, 1.0)) == list(range(len(logits)))


@given(logits=logits_of_any_size, p=st.floats(0, 1, exclude_min=True))
def test_top_p_keeps_at_least_the_likeliest(logits: Floats, p: float) -> None:
    assert int(np.argmax(logits)) in kept(apply_top_p(logits, p))


# All together


def test_no_filter_is_temperature_one() -> None:
    np.testing.assert_allclose(probabilities(apply_filters(FOUR)), [0.1, 0.4, 0.2, 0.3])


def test_temperature_comes_before_top_p() -> None:
    # At temperature 1/2 the likeliest has 16/30: more than p, which alone it has not at 1.
    assert kept(apply_filters(FOUR, top_p=0.5)) == [1, 3]
    assert kept(apply_filters(FOUR, temperature=0.5, top_p=0.5)) == [1]


def test_top_k_comes_before_top_p() -> None:
    # Of the two that top-k leaves, the likeliest has 4/7: enough for 0.55, not without top-k.
    assert kept(apply_filters(FOUR, top_p=0.55)) == [1, 3]
    assert kept(apply_filters(FOUR, top_k=2, top_p=0.55)) == [1]


def test_filters_are_pure() -> None:
    logits = FOUR.copy()
    for temperature in (0.0, 0.5, 1.0):
        apply_filters(logits, temperature=temperature, top_k=2, top_p=0.5)
    np.testing.assert_array_equal(logits, FOUR)


@given(
    logits=logits_of_any_size,
    temperature=st.sampled_from([0.0, 0.1, 1.0, 3.0]),
    top_k=st.none() | st.integers(1, 15),
    top_p=st.none() | st.floats(0.01, 1),
)
def test_filters_always_leave_the_likeliest_and_never_more_than_k(
    logits: Floats, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    left = kept(apply_filters(logits, temperature=temperature, top_k=top_k, top_p=top_p))
    assert int(np.argmax(logits)) in left
    assert len(left) <= (top_k or len(logits))
    assert temperature > 0 or len(left) == 1


@pytest.mark.parametrize(
    "settings",
    [
        (-0.1, None, None),
        (float("nan"), None, None),
        (float("inf"), None, None),
        (1.0, 0, None),
        (1.0, -3, None),
        (1.0, None, 0.0),
        (1.0, None, 1.1),
        (1.0, None, float("nan")),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(
    settings: tuple[float, int | None, float | None],
) -> None:
    with pytest.raises(ConfigError):
        check_filters(*settings)


@pytest.mark.parametrize("settings", [(0.0, None, None), (1.0, 1, 1.0), (9.0, 5, 1e-9)], ids=str)
def test_settings_in_range_pass(settings: tuple[float, int | None, float | None]) -> None:
    check_filters(*settings)


# Probabilities and the draw


def test_probabilities_are_the_softmax() -> None:
    np.testing.assert_allclose(probabilities(FOUR), [0.1, 0.4, 0.2, 0.3])


def test_probabilities_of_huge_logits_are_finite() -> None:
    np.testing.assert_allclose(probabilities(np.array([1e30, 1e30, -1e30])), [0.5, 0.5, 0])


@pytest.mark.parametrize(
    ("uniform", "expected"),
    [(0.0, 0), (0.09, 0), (0.11, 1), (0.49, 1), (0.51, 2), (0.69, 2), (0.71, 3), (0.999, 3)],
)
def test_draw_inverts_the_cumulative_distribution(uniform: float, expected: int) -> None:
    assert draw(FOUR, uniform) == expected


@given(logits=logits_of_any_size, uniform=uniforms, data=st.data())
@example(logits=np.zeros(4), uniform=0.0, data=None)
@example(logits=np.zeros(4), uniform=float(np.nextafter(1, 0)), data=None)
def test_draw_never_picks_what_is_excluded(logits: Floats, uniform: float, data: Any) -> None:
    # The first id at 0 and the last at almost 1 are where an off-by-one shows.
    if data is None:
        allowed = {1, 2}
    else:
        allowed = data.draw(st.sets(st.integers(0, len(logits) - 1), min_size=1))
    for i in set(range(len(logits))) - allowed:
        logits[i] = -np.inf
    assert draw(logits, uniform) in allowed


def test_draw_picks_as_often_as_is_likely() -> None:
    random = np.random.default_rng(0)
    drawn = np.bincount([draw(FOUR, random.random()) for _ in range(20_000)], minlength=4)
    np.testing.assert_allclose(drawn / 20_000, [0.1, 0.4, 0.2, 0.3], atol=0.012)
