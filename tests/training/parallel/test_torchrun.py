import os
from pathlib import Path

import pytest
import torch

from charrnn.errors import ConfigError
from charrnn.training.learner import threads
from charrnn.training.parallel import torchrun
from charrnn.training.parallel.torchrun import Rank, _quotas, rank_info, threads_each, usable_cores

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in zip(NAMES, "1312", strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return monkeypatch


def test_a_process_knows_its_place(started: pytest.MonkeyPatch) -> None:
    assert rank_info() == Rank(rank=1, size=3, local_rank=1, local_size=2)


@pytest.mark.parametrize("missing", ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_without_a_place_to_meet_it_is_alone(missing: str, started: pytest.MonkeyPatch) -> None:
    # Clusters set some of these for jobs that have nothing to do with each other.
    started.delenv(missing)
    assert rank_info() == Rank()


@pytest.mark.parametrize(
    ("name", "value"),
    [("RANK", "3"), ("RANK", "-1"), ("RANK", "x"), ("WORLD_SIZE", "0"), ("LOCAL_RANK", "2")],
)
def test_a_place_that_cannot_be_is_refused(
    name: str, value: str, started: pytest.MonkeyPatch
) -> None:
    started.setenv(name, value)
    with pytest.raises(ConfigError, match="torchrun"):
        rank_info()


def test_processes_of_a_machine_share_its_cores(started: pytest.MonkeyPatch) -> None:
    started.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    assert threads_each(12) == 6
    started.setenv("OMP_NUM_THREADS", "1")  # by torchrun, which knows nothing better
    assert threads_each(1) == 6
    started.setenv("OMP_NUM_THREADS", "2")
    assert threads_each(2) == 2
    started.setenv("LOCAL_WORLD_SIZE", "1")
    started.setenv("LOCAL_RANK", "0")
    assert threads_each(12) == 12
    started.setattr(torchrun, "usable_cores", lambda: 5)
    assert threads_each(12) == 5


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
    for quotas, cores in (([], 12), ([5, 3], 3), ([64], 12), ([0], 1)):
        monkeypatch.setattr(torchrun, "_quotas", lambda quotas=quotas: quotas)
        assert usable_cores() == cores


def test_no_more_threads_are_begun_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run said `threads 1024`, and took minutes for a step."""
    monkeypatch.setattr("charrnn.training.learner.usable_cores", lambda: 1)
    with threads(1024):
        assert torch.get_num_threads() == 1
