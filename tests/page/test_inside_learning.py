"""The section Learning of the part Inside."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.accessibility import check_for_everyone
from tests.page.inside_records import card, curves, heights, open_record, record_of, table

pytestmark = pytest.mark.browser

KINDS = ["spaces", "capitals", "digits"]
BITS = {1000: [3.0, 5.0, 4.0], 2000: [1.0, 4.8, 4.2], 4000: [0.8, 3.0, 4.1]}
TOTALS = [3.5, 2.0, 1.5]


def learning(characters: tuple[int, ...] = tuple(BITS)) -> dict[str, Any]:
    checkpoints = [
        {"step": 10 * (k + 1), "characters": read, "bits": bits, "total": TOTALS[k]}
        for k, (read, bits) in enumerate(zip(characters, BITS.values(), strict=True))
    ]
    return {
        "kinds": KINDS,
        "counts": [1234, 30, 2],
        "checkpoints": checkpoints,
        "learned": [["digits", None], ["capitals", 30], ["spaces", 20]],
    }


def test_losses_are_drawn_over_the_characters_read(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(learning=learning()))
    found = card(page, "Learning")
    chart = found.locator(".chart")
    expected = [TOTALS, *([bits[k] for bits in BITS.values()] for k in range(3))]
    assert heights(chart) == [pytest.approx(each, abs=0.02) for each in expected]
    xs = [x for x, _ in curves(chart)[0]]
    assert (xs[2] - xs[0]) / (xs[1] - xs[0]) == pytest.approx(3, abs=0.05)
    assert "From 3.50 bits per character after 1,000 characters read to 1.50 after 4,000." in (
        found.inner_text()
    )
    keys = chart.get_by_role("listitem").all_inner_texts()
    assert keys == ["all characters", *KINDS]
    assert table(chart)[2] == ["2,000", "2.00 bits", "1.00 bits", "4.80 bits", "4.20 bits"]


def test_checkpoints_far_apart_are_drawn_by_doublings(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(learning=learning((1000, 8000, 64_000))))
    xs = [x for x, _ in curves(card(page, "Learning").locator(".chart"))[0]]
    assert xs[2] - xs[1] == pytest.approx(xs[1] - xs[0], abs=0.3)


def test_what_was_learned_when_is_said_the_earliest_first(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(learning=learning()))
    rows = card(page, "What was learned when").get_by_role("listitem").all_inner_texts()
    assert rows == [
        "Spaces: by step 20, after 2,000 characters read, from 3.00 to 1.00 bits; 0.80 at the "
        "last. 1,234 in the text.",
        "Capitals: by step 30, after 4,000 characters read, from 5.00 to 3.00 bits; 3.00 at the "
        "last. 30 in the text.",
        "Digits: never better than at the first of these checkpoints, with 4.00 bits. "
        "2 in the text.",
    ]


def test_what_was_hardly_learned_is_not_said_to_be_learned(open_page: Callable[..., Page]) -> None:
    kept = learning()
    kept["checkpoints"] = [
        each | {"bits": [3.0 - k / 50]} for k, each in enumerate(kept["checkpoints"])
    ]
    changes = {"kinds": ["spaces"], "counts": [9], "learned": [["spaces", 30]]}
    page = open_record(open_page, record_of(learning=kept | changes))
    (row,) = card(page, "What was learned when").get_by_role("listitem").all_inner_texts()
    assert row == (
        "Spaces: hardly better than at the first of these checkpoints: from 3.00 to 2.96 bits at "
        "best. 9 in the text."
    )


def test_everyone_can_use_learning(open_page: Callable[..., Page]) -> None:
    page = open_record(open_page, record_of(learning=learning()))
    page.get_by_text("The numbers as a table").click()
    check_for_everyone(page)
