from datetime import date

import pytest

pytest.importorskip("babel")

from benchmarks.dates import FORMATS, date_pairs, write_date

LOCALES = ("en", "en_GB", "hu", "th")


def test_the_same_seed_gives_the_same_pairs() -> None:
    pairs = date_pairs(50, seed=1, locales=LOCALES)
    assert pairs == date_pairs(50, seed=1, locales=LOCALES)
    assert pairs != date_pairs(50, seed=2, locales=LOCALES)
    assert len({pair.written for pair in pairs}) == 50
    assert {pair.locale for pair in pairs} == set(LOCALES)
    assert {pair.format for pair in pairs} == set(FORMATS)


def test_a_pair_is_one_date_in_two_forms() -> None:
    for pair in date_pairs(50, seed=0, locales=LOCALES):
        day = date.fromisoformat(pair.iso)
        assert pair.written in {write_date(day, form, pair.locale) for form in FORMATS}
        assert str(day.year) in pair.written  # 3/7/24 of English does not say which century


def test_a_string_that_means_two_days_is_left_out() -> None:
    """07/03/2024 is in July where the month comes first, and in March elsewhere."""
    march = date(2024, 3, 7)
    assert [write_date(march, "short", each) for each in ("fr", "iu")] == [
        "07/03/2024",
        "03/07/2024",
    ]
    alone, both = (
        [pair.written for pair in date_pairs(300, seed=0, locales=locales, formats=["short"])]
        for locales in (["fr"], ["fr", "iu"])
    )
    assert any(map(has_two_months, alone))
    assert not any(map(has_two_months, both))
    assert any(int(written[3:5]) > 12 for written in both)  # 03/25/2024 is clear


def has_two_months(written: str) -> bool:
    """Whether the first two numbers differ, and each may be a month."""
    first, second = int(written[:2]), int(written[3:5])
    return max(first, second) <= 12 and first != second


def test_too_few_dates_are_an_error() -> None:
    with pytest.raises(ValueError, match="write only 0 different dates"):
        date_pairs(1, seed=0, locales=["en"], formats=["short"])
