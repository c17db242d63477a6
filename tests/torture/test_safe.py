"""Hostile files: the fast part of what `python -m tests.torture` does at length."""

from pathlib import Path

from tests.torture.corpora import hostile_corpora
from tests.torture.hostile_commands import run_commands
from tests.torture.hostile_models import command_mutants, mutants
from tests.torture.hostile_runs import resume_mutants
from tests.torture.payloads import NAMES, payloads


def test_hostile_models_are_refused_or_harmless(tmp_path: Path) -> None:
    report = mutants(200, tmp_path)
    assert report.failures == []
    assert report.tried == 200


def test_hostile_runs_are_refused_or_go_on(tmp_path: Path) -> None:
    report = resume_mutants(20, tmp_path)
    assert report.failures == []
    assert report.tried == 20


def test_hostile_runs_end_every_command_soon_in_a_line(tmp_path: Path) -> None:
    report = run_commands(30, tmp_path)
    assert report.failures == []
    assert report.tried == 30


def test_hostile_models_are_an_exit_code_and_a_line(tmp_path: Path) -> None:
    report = command_mutants(30, tmp_path)
    assert report.failures == []
    assert report.tried == 30


def test_payloads_are_live_and_never_run(tmp_path: Path) -> None:
    report = payloads(tmp_path, every=6)
    assert report.failures == []
    assert report.tried >= 20 * len(NAMES)


def test_hostile_corpora_are_read_right_or_refused(tmp_path: Path) -> None:
    report = hostile_corpora(tmp_path, big=False, count=10)
    assert report.failures == []
    assert report.tried > 300
