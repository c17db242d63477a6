"""The cores that this process may compute on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return how many of the machine's cores this process may use, by its affinity and the quotas
    of its control groups."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # macOS lacks it
        cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *_quotas()]))


def _quotas(
    process: Path = Path("/proc/self/cgroup"), root: Path = _CONTROL_GROUPS
) -> Iterator[int]:
    """Yield the cores, rounded up, that each control group around this process allows (version 2,
    which has `cpu.max`, or 1, which has two files); none where there are no limits."""
    try:
        lines = process.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = root / controllers / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            quota, period = _limit(folder)
            if quota > 0 and period > 0:
                yield -(-quota // period)


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
