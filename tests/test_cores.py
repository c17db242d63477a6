import os
from pathlib import Path

import pytest

from charrnn import cores
from charrnn.cores import _quotas, usable_cores


@pytest.mark.parametrize(
    ("groups", "files", "quotas"),
    [
        ("0::/", {"cpu.max": "150000 100000\n"}, [2]),
        ("0::/a/b", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, [1]),
        ("0::/a/b", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "200000 100000\n"}, [2, 3]),
        (
            "4:memory:/\n1:cpu,cpuacct:/a",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": "50000\n",
                "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            [1],
        ),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, []),
        ("0::/", {"cpu.max": "nonsense\n"}, []),
        ("0::/../outside", {}, []),
    ],
)
def test_the_quotas_of_control_groups_are_known(
    groups: str, files: dict[str, str], quotas: list[int], tmp_path: Path
) -> None:
    (tmp_path / "process").write_text(f"{groups}\n")
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert list(_quotas(tmp_path / "process", tmp_path / "groups")) == quotas


def test_where_there_are_no_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert list(_quotas(tmp_path / "nowhere", tmp_path)) == []


def test_cores_are_those_of_the_affinity_and_the_smallest_quota(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    for quotas, expected in (([], 12), ([5, 3], 3), ([64], 12), ([0], 1)):
        monkeypatch.setattr(cores, "_quotas", lambda quotas=quotas: quotas)
        assert usable_cores() == expected
