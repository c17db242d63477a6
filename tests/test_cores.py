import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import cores
from charrnn.cores import THREADS, _quotas, _read_quotas, usable_cores, usable_threads

V2 = ("/", "", "cgroup2", "rw,nsdelegate")
"""The whole of version 2: what part of it is mounted, in which folder, its type, its options."""

V1 = ("/", "cpu,cpuacct", "cgroup", "rw,cpu,cpuacct")
"""The same of version 1, where a folder has some of the controllers."""

MEMORY = ("/", "memory", "cgroup", "rw,memory")

Mount = tuple[str, str, str, str]


def of_two_files(folder: str, quota: int, period: int = 100_000) -> dict[str, str]:
    """A limit as version 1 has it."""
    folder = f"{folder}/cpu.cfs_"
    return {f"{folder}quota_us": f"{quota}\n", f"{folder}period_us": f"{period}\n"}


@pytest.fixture(autouse=True)
def _unread(monkeypatch: pytest.MonkeyPatch) -> None:
    _quotas.cache_clear()
    monkeypatch.delenv(THREADS, raising=False)


def fake_process(
    folder: Path, groups: str, mounts: list[Mount], files: dict[str, str] | None = None
) -> Path:
    """The folder in /proc of a process in these groups, whose file systems lie beside it."""
    process, root = folder / "process", folder / "groups"
    process.mkdir()
    (process / "cgroup").write_text(f"{groups}\n")
    lines = ["24 1 0:22 / /proc rw,nosuid shared:5 - proc proc rw"]
    lines += [
        f"{number} 24 0:{number} {part} {root / place} rw,relatime shared:9 - {kind} {kind} {has}"
        for number, (part, place, kind, has) in enumerate(mounts, 30)
    ]
    (process / "mountinfo").write_text("\n".join(lines) + "\n")
    for name, content in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return process


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "quotas"),
    [
        # Version 2, of which a container with a namespace of its own sees its own group as the
        # whole, and one without it sees all.
        ("0::/", [V2], {"cpu.max": "150000 100000\n"}, [2]),
        ("0::/", [V2], {"cpu.max": "max 100000\n"}, []),
        ("0::/", [V2], {"cpu.max": "max\n"}, []),
        ("0::/", [V2], {"cpu.max": "nonsense\n"}, []),
        ("0::/", [V2], {"cpu.max": "10000 100000\n"}, [1]),  # a tenth of a core
        ("0::/", [V2], {"cpu.max": "50000 10000\n"}, [5]),
        (
            "0::/a/b",
            [V2],
            {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"},
            [1],
        ),
        (
            "0::/a/b",
            [V2],
            {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "200000 100000\n"},
            [2, 3],
        ),
        # Its own group, or one above it, is what is mounted.
        ("0::/pod/a", [("/pod/a", *V2[1:])], {"cpu.max": "200000 100000\n"}, [2]),
        (
            "0::/pod/a/b",
            [("/pod/a", *V2[1:])],
            {"cpu.max": "300000 100000\n", "b/cpu.max": "200000 100000\n"},
            [2, 3],
        ),
        ("0::/pods", [("/pod", *V2[1:])], {"cpu.max": "300000 100000\n"}, [3]),
        # A namespace whose root lies below what is mounted, or that the process lies outside of.
        ("0::/", [("/../..", *V2[1:])], {"cpu.max": "300000 100000\n"}, [3]),
        ("0::/../outside", [V2], {"cpu.max": "300000 100000\n"}, [3]),
        ("0::/../outside", [V2], {"../outside/cpu.max": "100000 100000\n"}, []),
        # Version 1, whose folder has the names of its controllers in any order, or only one.
        ("4:memory:/\n1:cpu,cpuacct:/a", [MEMORY, V1], of_two_files("cpu,cpuacct/a", 50_000), [1]),
        ("1:cpuacct,cpu:/a", [V1], of_two_files("cpu,cpuacct/a", 350_000), [4]),
        ("1:cpu,cpuacct:/", [("/", "cpu", *V1[2:])], of_two_files("cpu", 250_000), [3]),
        ("1:cpu,cpuacct:/", [("/", "cpuacct,cpu", *V1[2:])], of_two_files("cpuacct,cpu", 1), [1]),
        ("2:cpuacct:/\n1:cpu:/", [("/", "cpu", "cgroup", "rw,cpu")], of_two_files("cpu", -1), []),
        (
            "1:cpu,cpuacct:/docker/1/in",
            [("/docker/1", *V1[1:])],
            of_two_files("cpu,cpuacct/in", 200_000) | of_two_files("cpu,cpuacct", 600_000),
            [2, 6],
        ),
        ("2:cpuset:/", [("/", "cpuset", "cgroup", "rw,cpuset")], of_two_files("cpuset", 9), []),
        # Both, of which either may limit the CPU.
        (
            "1:cpu,cpuacct:/a\n0::/b",
            [V1, ("/", "unified", *V2[2:])],
            of_two_files("cpu,cpuacct/a", 200_000),
            [2],
        ),
        (
            "4:memory:/a\n1:name=systemd:/b\n0::/b",
            [MEMORY, ("/", "unified", *V2[2:])],
            {"unified/b/cpu.max": "300000 100000\n"},
            [3],
        ),
        # Not mounted, or not as Linux has it.
        ("0::/", [], {"cpu.max": "100000 100000\n"}, []),
        ("1:cpu:/", [V2], {"cpu.max": "100000 100000\n"}, []),
        ("nonsense", [V2], {"cpu.max": "100000 100000\n"}, []),
    ],
)
def test_the_quotas_of_control_groups_are_known(
    groups: str, mounts: list[Mount], files: dict[str, str], quotas: list[int], tmp_path: Path
) -> None:
    assert list(_read_quotas(fake_process(tmp_path, groups, mounts, files))) == quotas


def test_where_there_are_no_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert list(_read_quotas(tmp_path)) == []
    process = fake_process(tmp_path, "0::/", [V2])
    (process / "mountinfo").write_bytes(b"\xff nonsense\n")
    assert list(_read_quotas(process)) == []


def test_cores_are_those_of_the_affinity_and_the_smallest_quota(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    for quotas, expected in (([], 12), ([5, 3], 3), ([64], 12), ([0], 1)):
        monkeypatch.setattr(cores, "_quotas", lambda quotas=quotas: quotas)
        assert usable_cores() == expected


def test_a_quota_is_read_from_proc_and_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    process = fake_process(tmp_path, "0::/", [V2], {"cpu.max": "300000 100000\n"})
    monkeypatch.setattr(cores, "_PROCESS", process)
    assert usable_cores() == 3
    (process / "cgroup").unlink()
    assert usable_cores() == 3


@pytest.mark.parametrize(
    ("chosen", "threads"),
    [
        ("1", 1),
        ("2", 2),
        (" 3 ", 3),
        ("12", 5),  # more than there are
        ("2,4", 2),
        ("0", 1),
        ("", 5),
        ("many", 5),
        ("-1", 5),
    ],
)
def test_threads_are_at_most_those_that_were_chosen(
    chosen: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: 5)
    assert usable_threads() == 5
    monkeypatch.setenv(THREADS, chosen)
    assert usable_threads() == threads


_REPORT = """
from charrnn import cores
from pathlib import Path
cores._PROCESS = Path({process!r})
from charrnn.training import learner, probe
import torch
with learner.threads(64):
    print(cores.usable_threads(), probe.ALL_THREADS, torch.get_num_threads())
"""


@pytest.mark.parametrize(
    ("variables", "quota", "threads"),
    [
        ({}, "max", None),
        ({}, "100000", 1),
        ({THREADS: "1"}, "max", 1),
        ({THREADS: "64"}, "max", None),
    ],
)
def test_a_training_begins_with_no_more_threads_than_it_may_use(
    variables: dict[str, str], quota: str, threads: int | None, tmp_path: Path
) -> None:
    process = fake_process(tmp_path, "0::/", [V2], {"cpu.max": f"{quota} 100000\n"})
    told = subprocess.run(
        [sys.executable, "-c", _REPORT.format(process=str(process))],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [str(threads or usable_cores())] * 3
