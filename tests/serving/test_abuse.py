"""Abusive requests: a short run of what `python -m tests.stress serving` does at length."""

from pathlib import Path

from tests.stress.serving import ABUSES, abuse


def test_a_server_survives_abuse(tmp_path: Path) -> None:
    # A second is the promise; a machine that runs other tests as well may take longer.
    report = abuse(len(ABUSES) + 10, tmp_path, longest_silence=5.0, document=False)
    assert report.failures == []
    assert report.tried == len(ABUSES) + 10
