"""Hostile files: short runs of what `python -m tests.stress` does at length."""

from pathlib import Path

from tests.stress.corpora import hostile_corpora
from tests.stress.hostile_archives import check_archives
from tests.stress.hostile_commands import run_commands
from tests.stress.hostile_models import check_model_commands, check_models
from tests.stress.hostile_runs import check_resuming
from tests.stress.payloads import NAMES, payloads


def test_hostile_models_are_refused_or_harmless(tmp_path: Path) -> None:
    report = check_models(200, tmp_path)
    assert report.failures == []
    assert report.tried == 200


def test_hostile_runs_are_refused_or_go_on(tmp_path: Path) -> None:
    report = check_resuming(20, tmp_path)
    assert report.failures == []
    assert report.tried == 20


def test_hostile_runs_end_every_command_soon_in_a_line(tmp_path: Path) -> None:
    report = run_commands(30, tmp_path)
    assert report.failures == []
    assert report.tried == 30


def test_hostile_models_are_an_exit_code_and_a_line(tmp_path: Path) -> None:
    report = check_model_commands(30, tmp_path)
    assert report.failures == []
    assert report.tried == 30


def test_hostile_archives_are_refused_soon(tmp_path: Path) -> None:
    report = check_archives(300, tmp_path)
    assert report.failures == []
    assert report.tried == 300


def test_payloads_are_live_and_never_run(tmp_path: Path) -> None:
    report = payloads(tmp_path, every=12)
    assert report.failures == []
    assert report.tried >= 20 * len(NAMES)


def test_hostile_corpora_are_read_right_or_refused(tmp_path: Path) -> None:
    report = hostile_corpora(tmp_path, big=False, count=10)
    assert report.failures == []
    assert report.tried > 300
