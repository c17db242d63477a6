from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.generation.filters import (
    Mask,
    apply_count_penalties,
    apply_filters,
    apply_min_p,
    apply_repetition_penalty,
    apply_temperature,
    apply_top_k,
    apply_top_p,
    apply_typical,
    draw,
    exclude,
    largest,
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


def only(*ids: int) -> Mask:
    return np.isin(np.arange(4), ids)


def pick(logits: npt.NDArray[Any], uniform: float) -> int:
    """What a number picks from one row of logits (V,)."""
    return int(draw(logits[None], np.array([uniform]))[0])


# Exclude


def test_exclude_leaves_what_is_allowed_as_it_was() -> None:
    left = exclude(FOUR, only(0, 2))
    assert kept(left) == [0, 2]
    np.testing.assert_array_equal(left[[0, 2]], FOUR[[0, 2]])


# Repetition penalty


def test_the_penalty_is_a_power_of_the_probability_of_what_came_recently() -> None:
    penalized = probabilities(apply_repetition_penalty(FOUR, 2.0, only(1, 2)))
    expected = np.array([0.1, 0.4**2, 0.2**2, 0.3])
    np.testing.assert_allclose(penalized, expected / expected.sum())


def test_a_penalty_below_one_is_a_reward() -> None:
    rewarded = probabilities(apply_repetition_penalty(FOUR, 0.5, only(0)))
    assert rewarded[0] > 0.1


@pytest.mark.parametrize("shift", [-7.0, 0.0, 7.0])
def test_the_sign_of_a_logit_means_nothing_to_the_penalty(shift: float) -> None:
    # Logits multiplied or divided by the penalty, the usual way, depend on it.
    penalized = probabilities(apply_repetition_penalty(FOUR + shift, 1.3, only(1)))
    np.testing.assert_allclose(
        penalized, probabilities(apply_repetition_penalty(FOUR, 1.3, only(1)))
    )


def test_what_did_not_come_recently_keeps_its_proportions() -> None:
    penalized = probabilities(apply_repetition_penalty(FOUR, 3.0, only(1)))
    assert penalized[3] / penalized[2] == pytest.approx(1.5)


def test_the_penalty_keeps_what_is_excluded_excluded() -> None:
    assert kept(apply_repetition_penalty(exclude(FOUR, only(0, 2)), 0.5, only(1, 2))) == [0, 2]


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
    assert {pick(filtered, uniform) for uniform in (0.0, 0.3, 0.999)} == {1}


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


def test_top_k_never_brings_back_what_is_excluded() -> None:
    assert kept(apply_top_k(exclude(FOUR, only(0, 2)), 3)) == [0, 2]


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
def test_a_share_of_one_keeps_all(logits: Floats) -> None:
    # However small: p = 1 is the same as no filter.
    for apply in (apply_top_p, apply_typical):
        assert kept(apply(logits, 1.0)) == list(range(len(logits)))


@given(logits=logits_of_any_size, p=st.floats(0, 1, exclude_min=True))
def test_top_p_keeps_at_least_the_likeliest(logits: Floats, p: float) -> None:
    assert int(np.argmax(logits)) in kept(apply_top_p(logits, p))


# Min-p


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (1e-300, [0, 1, 2, 3]),
        (0.24, [0, 1, 2, 3]),
        (0.26, [1, 2, 3]),
        (0.49, [1, 2, 3]),
        (0.51, [1, 3]),
        (0.74, [1, 3]),
        (0.76, [1]),
        (1.0, [1]),
    ],
)
def test_min_p_keeps_what_is_at_least_so_many_times_as_likely_as_the_likeliest(
    p: float, expected: list[int]
) -> None:
    assert kept(apply_min_p(FOUR, p)) == expected


def test_min_p_of_one_keeps_all_that_are_likeliest() -> None:
    assert kept(apply_min_p(TIED, 1.0)) == [1, 2, 3]


# Typical


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (1e-300, [3]),
        (0.29, [3]),
        (0.31, [2, 3]),
        (0.49, [2, 3]),
        (0.51, [1, 2, 3]),
        (0.89, [1, 2, 3]),
        (0.91, [0, 1, 2, 3]),
        (1.0, [0, 1, 2, 3]),
    ],
)
def test_typical_keeps_the_fewest_of_average_surprise_that_reach_p(
    p: float, expected: list[int]
) -> None:
    # Surprisals: 2.303, 0.916, 1.609, 1.204 nats; on average, weighed by probability, 1.280.
    # So far from it are they: 1.023, 0.364, 0.330, 0.076. The likeliest is the last but one.
    assert kept(apply_typical(FOUR, p)) == expected


@pytest.mark.parametrize(("p", "count"), [(0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3)])
def test_typical_takes_ties_in_the_order_of_their_ids(p: float, count: int) -> None:
    assert kept(apply_typical(EVEN, p)) == list(range(count))


def test_typical_counts_only_what_is_not_excluded() -> None:
    # Of 1/3 and 2/3: surprisals 1.099 and 0.405, on average 0.637; the second is nearer.
    left = exclude(np.log([0.1, 0.4, 0.2, 0.3]), only(0, 2))
    assert kept(apply_typical(left, 0.6)) == [2]
    assert kept(apply_typical(left, 0.7)) == [0, 2]


# All together


def test_what_is_none_is_off() -> None:
    np.testing.assert_array_equal(
        apply_filters(
            FOUR,
            allowed=None,
            repetition_penalty=None,
            recent=None,
            top_k=None,
            top_p=None,
            min_p=None,
            typical=None,
        ),
        FOUR,
    )
    # A penalty where nothing is said of what came, and what came where there is no penalty.
    np.testing.assert_array_equal(apply_filters(FOUR, repetition_penalty=2.0), FOUR)
    np.testing.assert_array_equal(apply_filters(FOUR, recent=only(1)), FOUR)


def test_what_is_excluded_is_excluded_before_the_penalty() -> None:
    # Of 0.1, 0.2, 0.3 in 0.6 the last becomes (1/2)**2; before, it would be 0.3**2.
    filtered = apply_filters(
        FOUR, allowed=only(0, 2, 3), repetition_penalty=2.0, recent=only(3), temperature=1.0
    )
    expected = np.array([1 / 6, 0, 1 / 3, 1 / 4])
    np.testing.assert_allclose(probabilities(filtered), expected / expected.sum())


def test_what_is_excluded_is_excluded_before_it_is_counted() -> None:
    assert kept(apply_filters(FOUR, allowed=only(0, 2, 3), top_k=2)) == [2, 3]
    assert kept(apply_filters(FOUR, allowed=only(0, 2, 3), temperature=0.0)) == [3]


def test_the_penalty_comes_before_the_temperature() -> None:
    # (0.4**2)**2, and not (0.4**2 / sum)**2 with the sum of all squares.
    filtered = apply_filters(FOUR, repetition_penalty=2.0, recent=only(1), temperature=0.5)
    expected = np.array([0.1, 0.4**2, 0.2, 0.3]) ** 2
    np.testing.assert_allclose(probabilities(filtered), expected / expected.sum())


def test_count_penalties_are_subtracted_from_logits_of_what_was_written() -> None:
    counts = np.array([0, 1, 3, 0], dtype=np.uint32)
    both = apply_count_penalties(FOUR, counts, presence=0.5, frequency=0.25)
    np.testing.assert_allclose(both, FOUR - [0, 0.75, 1.25, 0])
    rewarded = apply_count_penalties(FOUR, counts, presence=0.0, frequency=-2.0)
    np.testing.assert_allclose(rewarded, FOUR - [0, -2, -6, 0])
    excluded = apply_count_penalties(exclude(FOUR, only(1)), counts, presence=-2, frequency=-2)
    assert kept(excluded) == [1]


def test_a_bias_is_added_after_the_exclusion_and_before_the_repetition_penalty() -> None:
    bias = np.array([0, 100, 0, 1.0])
    assert kept(apply_filters(FOUR, allowed=only(0, 2), bias=bias)) == [0, 2]
    filtered = apply_filters(FOUR, bias=bias, repetition_penalty=2.0, recent=only(3))
    expected = apply_repetition_penalty(FOUR + bias, 2.0, only(3))
    np.testing.assert_array_equal(filtered, expected)


def test_count_penalties_come_between_the_repetition_penalty_and_the_temperature() -> None:
    counts = np.array([2, 0, 1, 0], dtype=np.uint32)
    settings: dict[str, Any] = {"repetition_penalty": 1.5, "recent": only(0)}
    filtered = apply_filters(
        FOUR, presence_penalty=1, frequency_penalty=0.5, counts=counts, temperature=0.5, **settings
    )
    expected = (apply_filters(FOUR, **settings) - [2, 0, 1.5, 0]) / 0.5
    np.testing.assert_allclose(filtered, expected)


def test_count_penalties_of_zero_are_off() -> None:
    counts = np.ones(4, dtype=np.uint32)
    off: list[dict[str, Any]] = [{}, {"presence_penalty": 0.0, "frequency_penalty": 0.0}]
    for penalties in off:
        np.testing.assert_array_equal(apply_filters(FOUR, counts=counts, **penalties), FOUR)
    np.testing.assert_array_equal(apply_filters(FOUR, presence_penalty=1.0), FOUR)


def test_a_bias_of_100_bans_or_chooses() -> None:
    left = probabilities(apply_filters(FOUR, bias=np.array([0, -100.0, 0, 0])))
    assert left[1] < 1e-40
    assert probabilities(apply_filters(FOUR, bias=np.array([100.0, 0, 0, 0])))[0] == 1


def test_the_penalty_comes_before_top_k() -> None:
    # The likeliest, 0.4, becomes 0.064: less likely than all others.
    assert kept(apply_filters(FOUR, repetition_penalty=3.0, recent=only(1), top_k=2)) == [2, 3]
    assert kept(apply_filters(FOUR, repetition_penalty=3.0, recent=only(1), temperature=0.0)) == [3]


# Temperature and top-k may change places: dividing changes no order.


def test_temperature_comes_before_top_p() -> None:
    # At temperature 1/2 the likeliest has 16/30: more than p, which alone it has not at 1.
    assert kept(apply_filters(FOUR, top_p=0.5)) == [1, 3]
    assert kept(apply_filters(FOUR, temperature=0.5, top_p=0.5)) == [1]


def test_temperature_comes_before_min_p() -> None:
    # 0.3 is three quarters of 0.4, and 0.3**2 is 9/16 of 0.4**2.
    assert kept(apply_filters(FOUR, min_p=0.7)) == [1, 3]
    assert kept(apply_filters(FOUR, temperature=0.5, min_p=0.7)) == [1]


def test_top_k_comes_before_top_p() -> None:
    # Of the two that top-k leaves, the likeliest has 4/7: enough for 0.55, not without top-k.
    assert kept(apply_filters(FOUR, top_p=0.55)) == [1, 3]
    assert kept(apply_filters(FOUR, top_k=2, top_p=0.55)) == [1]


def test_top_p_comes_before_min_p() -> None:
    # Of the two that min-p leaves, the likeliest alone would be enough for top-p.
    assert kept(apply_filters(FOUR, top_p=0.55, min_p=0.6)) == [1, 3]


def test_min_p_comes_before_typical() -> None:
    # Of 4/9, 2/9, 3/9, which min-p leaves, the first is more typical than the second.
    assert kept(apply_typical(FOUR, 0.45)) == [2, 3]
    assert kept(apply_filters(FOUR, min_p=0.3, typical=0.45)) == [1, 3]


def test_typical_does_not_warn_where_something_is_excluded() -> None:
    apply_filters(FOUR, top_k=2, typical=0.5)


EVERY_FILTER: list[dict[str, Any]] = [
    {},
    {"temperature": 0.0},
    {"temperature": 0.7},
    {"temperature": 1e-250},
    {"top_k": 1},
    {"top_k": 3},
    {"top_p": 0.6},
    {"min_p": 0.2},
    {"typical": 0.6},
    {"repetition_penalty": 1.3},
    {"presence_penalty": 0.7},
    {"frequency_penalty": -0.3},
    {
        "repetition_penalty": 0.8,
        "presence_penalty": -1.1,
        "frequency_penalty": 0.4,
        "temperature": 1.4,
        "top_k": 40,
        "top_p": 0.9,
        "min_p": 0.01,
        "typical": 0.8,
    },
]
every_filter = pytest.mark.parametrize("settings", EVERY_FILTER, ids=str)


@every_filter
def test_filters_are_pure(settings: dict[str, Any]) -> None:
    logits, recent = np.stack([FOUR, TIED]), np.stack([only(1), only(2)])
    allowed = np.stack([only(0, 1, 2, 3)] * 2)
    apply_filters(logits, allowed=allowed, recent=recent, **settings)
    np.testing.assert_array_equal(logits, [FOUR, TIED])
    np.testing.assert_array_equal(recent, [only(1), only(2)])
    assert allowed.all()


@pytest.mark.parametrize("size", [1, 4, 9, 100, 257])
@every_filter
def test_each_row_is_treated_by_itself(settings: dict[str, Any], size: int) -> None:
    # To the last bit: a sample must not depend on what is made beside it.
    random = np.random.default_rng(size)
    logits = (4 * random.normal(size=(40, size))).astype(np.float32)
    logits[3] = 0  # nothing but ties
    allowed, recent = random.random((2, 40, size)) < 0.7
    allowed[:, 0] = True
    counts = random.poisson(1, (40, size)).astype(np.uint32)
    together = apply_filters(logits, allowed=allowed, recent=recent, counts=counts, **settings)
    for row in range(40):
        given = {"allowed": allowed[row], "recent": recent[row], "counts": counts[row], **settings}
        np.testing.assert_array_equal(apply_filters(logits[row], **given), together[row])
        few = slice(max(row - 2, 0), row + 1)
        given = {"allowed": allowed[few], "recent": recent[few], "counts": counts[few], **settings}
        np.testing.assert_array_equal(apply_filters(logits[few], **given)[-1], together[row])


def test_one_mask_may_serve_all_rows() -> None:
    both = apply_filters(np.stack([FOUR, TIED]), allowed=only(0, 2))
    assert [kept(row) for row in both] == [[0, 2], [0, 2]]


@given(
    logits=logits_of_any_size,
    settings=st.fixed_dictionaries(
        {"temperature": st.sampled_from([0.0, 0.1, 1.0, 3.0])},
        optional={
            "top_k": st.integers(1, 15),
            "top_p": st.floats(0.01, 1),
            "min_p": st.floats(0.01, 1),
        },
    ),
    typical=st.none() | st.floats(0.01, 1),
    data=st.data(),
)
def test_filters_always_leave_some_of_what_is_allowed_and_never_more_than_k(
    logits: Floats, settings: dict[str, Any], typical: float | None, data: Any
) -> None:
    ids = range(len(logits))
    allowed = np.isin(ids, list(data.draw(st.sets(st.sampled_from(ids), min_size=1))))
    left = kept(apply_filters(logits, allowed=allowed, typical=typical, **settings))
    assert left
    assert allowed[left].all()
    assert len(left) <= settings.get("top_k", len(logits))
    assert settings["temperature"] > 0 or len(left) == 1
    if typical is None:  # which may drop even the likeliest
        assert int(np.argmax(exclude(logits, allowed))) in left


# Probabilities and the draw


def test_probabilities_are_the_softmax() -> None:
    np.testing.assert_allclose(probabilities(FOUR), [0.1, 0.4, 0.2, 0.3])


def test_probabilities_of_huge_logits_are_finite() -> None:
    np.testing.assert_allclose(probabilities(np.array([1e30, 1e30, -1e30])), [0.5, 0.5, 0])


UNIFORMS = [0.0, 0.09, 0.11, 0.49, 0.51, 0.69, 0.71, 0.999]


def test_draw_inverts_the_cumulative_distribution() -> None:
    # Logits may be off by a constant, as a model's are.
    drawn = draw(np.tile(FOUR + 3, (8, 1)), np.array(UNIFORMS))
    np.testing.assert_array_equal(drawn, [0, 0, 1, 1, 2, 2, 3, 3])


def test_draw_treats_each_row_by_itself() -> None:
    random = np.random.default_rng(0)
    logits, uniform = random.normal(size=(50, 30)), random.random(50)
    logits[random.random((50, 30)) < 0.3] = -np.inf
    drawn = draw(logits, uniform)
    for count in (1, 2, 7):
        for row in range(50 - count):
            few = slice(row, row + count)
            np.testing.assert_array_equal(draw(logits[few], uniform[few]), drawn[few])
    assert len(set(drawn.tolist())) > 10


@pytest.mark.parametrize("rows", [1, 2])
@given(logits=logits_of_any_size, uniform=uniforms, data=st.data())
@example(logits=np.zeros(4), uniform=0.0, data=None)
@example(logits=np.zeros(4), uniform=float(np.nextafter(1, 0)), data=None)
def test_draw_never_picks_what_is_excluded(
    rows: int, logits: Floats, uniform: float, data: Any
) -> None:
    # The first id at 0 and the last at almost 1 are where an off-by-one shows.
    if data is None:
        allowed = {1, 2}
    else:
        allowed = data.draw(st.sets(st.integers(0, len(logits) - 1), min_size=1))
    left = exclude(logits, np.isin(range(len(logits)), list(allowed)))
    drawn = draw(np.tile(left, (rows, 1)), np.full(rows, uniform))
    assert set(drawn.tolist()) <= allowed


@pytest.mark.parametrize("size", [3, 7, 11, 49])
def test_a_number_just_below_one_picks_the_last_that_may_come(size: int) -> None:
    # Were it, times the sum, rounded to the sum itself, nothing would lie above it.
    logits = np.append(np.zeros(size), [-np.inf, -np.inf])
    almost = float(np.nextafter(1, 0))
    assert pick(logits, almost) == size - 1
    assert draw(np.tile(logits, (2, 1)), np.array([almost, almost])).tolist() == [size - 1] * 2


@pytest.mark.parametrize("wrong", [np.nan, np.inf, "all excluded"])
@pytest.mark.parametrize("place", [0, 3])
def test_a_row_of_no_numbers_gives_the_size_of_the_vocabulary(wrong: Any, place: int) -> None:
    broken = FOUR.copy()
    if isinstance(wrong, str):
        broken[:] = -np.inf
    else:
        broken[place] = wrong
    for uniform in (0.0, 0.5, 0.999):
        with np.errstate(invalid="ignore"):
            assert pick(broken, uniform) == 4
            drawn = draw(np.stack([FOUR, broken, FOUR]), np.array([0.0, uniform, 0.0]))
        assert drawn.tolist() == [0, 4, 0]  # the others are as they would be


def test_draw_picks_as_often_as_is_likely() -> None:
    random = np.random.default_rng(0)
    drawn = draw(np.tile(FOUR, (20_000, 1)), random.random(20_000))
    counts = np.bincount(drawn, minlength=4)
    np.testing.assert_allclose(counts / 20_000, [0.1, 0.4, 0.2, 0.3], atol=0.012)


# The largest


@given(
    scores=st.lists(st.sampled_from([-np.inf, -2.0, -1.0, 0.0, 1.0]), min_size=1, max_size=40),
    count=st.integers(1, 45),
)
def test_the_largest_of_equals_are_those_that_come_first(scores: list[float], count: int) -> None:
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    expected = [place for place in order if scores[place] > -np.inf][:count]
    assert largest(np.array(scores), count).tolist() == expected


def test_a_penalty_leaves_what_is_far_from_likely_in_its_order() -> None:
    """Below e^-745 a probability is 0 in float64, and its logarithm -inf."""
    logits = np.array([0.0, -800.0, -900.0, -2000.0])
    recent = np.array([True, False, True, False])
    with_penalty = apply_repetition_penalty(logits, 2.0, recent)
    np.testing.assert_allclose(with_penalty, [0.0, -800.0, -1800.0, -2000.0])
