"""Disks and texts: short runs of what `python -m tests.stress` does at length."""

from pathlib import Path

import pytest

from tests.stress.faults import ERRORS, faults, small_disk
from tests.stress.texts import arguments, round_trips, terminals


@pytest.mark.slow
def test_a_disk_that_fails_at_any_moment_costs_nothing_that_was_saved(tmp_path: Path) -> None:
    every = 37  # no divisor of what a save takes, so that all its moments come up
    report = faults(200, tmp_path, every=every)
    assert report.failures == []
    assert report.tried == len(range(0, 200, every)) * len(ERRORS) * 2


@pytest.mark.slow
def test_a_real_disk_that_is_full_or_read_only_costs_nothing_that_was_saved(tmp_path: Path) -> None:
    report = small_disk(tmp_path)
    if not report.tried:
        pytest.skip(report.facts)
    assert report.failures == []


def test_every_text_survives_a_round_trip() -> None:
    assert round_trips(1000).failures == []


def test_no_text_steers_a_terminal() -> None:
    assert terminals(1000).failures == []


def test_no_argument_steers_a_terminal() -> None:
    assert arguments(50).failures == []
