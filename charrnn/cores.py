"""The cores and threads that this process may compute on."""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_PROCESS: Final = Path("/proc/self")

THREADS: Final = "OMP_NUM_THREADS"
"""The environment variable that limits the threads of programs that compute, not only of OpenMP."""


def usable_threads() -> int:
    """Return on how many threads this process may compute: the usable cores, or fewer where
    OMP_NUM_THREADS says so."""
    cores = usable_cores()
    chosen = os.environ.get(THREADS, "").split(",")[0].strip()  # "4,2": 2 inside of each of the 4
    return min(cores, max(int(chosen), 1)) if chosen.isdecimal() else cores


def usable_cores() -> int:
    """Return how many of the machine's cores this process may use, by its affinity and the quotas
    of its control groups."""
    if hasattr(os, "sched_getaffinity"):  # macOS lacks it
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min([cores, *_quotas()]))


@functools.cache  # it is asked for before each step of a training
def _quotas() -> tuple[int, ...]:
    """Return the quotas of the control groups around this process, in cores, rounded up; none where
    there are no limits. They are read once."""
    return tuple(_read_quotas(_PROCESS))


def _read_quotas(process: Path) -> Iterator[int]:
    """Yield the quotas of the control groups around a process, whose folder in /proc this is."""
    groups: list[Path] = []
    with contextlib.suppress(OSError, ValueError):  # not Linux, or an imitation of it
        groups = list(_control_groups(process))
    for quota, period in map(_limit, groups):
        if quota > 0 and period > 0:
            yield -(-quota // period)


def _control_groups(process: Path) -> Iterator[Path]:
    """Yield the folders of the control groups that can limit the CPU, of version 1 or 2 or both:
    that of a process and those around it, as far as they are mounted.

    Which controllers version 1 has in which folder is said by `mountinfo`. So is what part of the
    hierarchy a container sees: often its own group alone, which is then the mounted folder itself,
    whatever path `cgroup` has for it.
    """
    paths: dict[str, PurePosixPath] = {}  # by the type of the file system
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            paths["cgroup" if controllers else "cgroup2"] = PurePosixPath(path)
    for line in (process / "mountinfo").read_text().splitlines():
        mount, _, file_system = line.partition(" - ")
        _, _, _, root, folder, *_ = mount.split(" ")
        kind, _, options = file_system.split(" ", 2)
        if kind not in paths or (kind == "cgroup" and "cpu" not in options.split(",")):
            continue
        group, inside = paths[kind], PurePosixPath()
        if group.is_relative_to(root) and ".." not in group.parts:
            inside = group.relative_to(root)
        yield from (Path(folder) / each for each in (inside, *inside.parents))


def _limit(group: Path) -> tuple[int, int]:
    """Return how many microseconds of a core a control group may use in which period; 0, 0 without
    a limit."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / name).read_text() for name in names).split()
            return int(quota), int(period)
        except (OSError, ValueError):  # the file is missing, or has "max"
            continue
    return 0, 0
