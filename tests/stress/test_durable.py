"""Crashes and signals: short runs of what `python -m tests.stress` does at length."""

from pathlib import Path

import pytest

from tests.stress.kills import exact, sigkill
from tests.stress.signals import second_training, signals

pytestmark = pytest.mark.slow


def test_a_training_that_was_killed_is_bit_for_bit_the_one_that_never_was(tmp_path: Path) -> None:
    report = exact(2, tmp_path, kills=4)
    assert report.failures == []
    assert report.tried == 2


def test_nothing_that_was_promised_is_lost_to_sigkill(tmp_path: Path) -> None:
    report = sigkill(20, tmp_path)
    assert report.failures == []
    assert report.tried == 20
    inside_a_save = int(report.facts.split()[0])
    assert inside_a_save >= 6


def test_a_signal_ends_a_command_soon_and_saved(tmp_path: Path) -> None:
    # 5 s is the promise; a machine that runs other tests as well may take longer.
    report = signals(2, tmp_path, longest_delay=2.0, longest_seconds=15.0)
    assert report.failures == []
    assert report.tried == 2


def test_of_two_trainings_of_one_run_one_trains(tmp_path: Path) -> None:
    assert second_training(tmp_path).failures == []
