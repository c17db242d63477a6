"""Which of several processes this is, as torchrun tells each in its environment, and how many cores
it may use."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from charrnn.errors import ConfigError

_RENDEZVOUS: Final = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The variables that processes need to find each other. Where one is missing, a process trains
alone."""

_GROUPS: Final = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Rank:
    """One process among those that train together.

    Attributes:
        rank: its number, from 0; process 0 leads.
        size: how many there are (the world size).
        local_rank, local_size: the same, of those on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1


def rank_info() -> Rank:
    """The rank of this process and the world size, 0 and 1 without torchrun.

    Raises ConfigError when the environment contradicts itself.
    """
    if not all(name in os.environ for name in _RENDEZVOUS):
        return Rank()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    given = [os.environ.get(name, other) for name, other in zip(names, "0101", strict=True)]
    try:
        rank, size, local_rank, local_size = map(int, given)
    except ValueError:
        rank, size, local_rank, local_size = 0, 0, 0, 0
    if not (0 <= rank < size and 0 <= local_rank < local_size <= size):
        told = ", ".join(f"{name} {value!a}" for name, value in zip(names, given, strict=True))
        raise ConfigError(f"the environment has {told}; start the processes with torchrun")
    return Rank(rank, size, local_rank, local_size)


def threads_each(threads: int) -> int:
    """How many threads this process may use of those that PyTorch would use by itself.

    Where several processes share a machine, they share its cores. (torchrun sets OMP_NUM_THREADS to
    1 where nobody set it: that says nothing of the machine.)
    """
    processes = rank_info().local_size
    cores = max(1, usable_cores() // processes)
    chosen = processes == 1 or os.environ.get("OMP_NUM_THREADS", "1") != "1"
    return min(threads, cores) if chosen else cores


def usable_cores() -> int:
    """How many cores this process may use: of the machine's, those that its affinity and the quotas
    of its control groups leave it."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on a Mac
        cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *_quotas()]))


def _quotas(process: Path = Path("/proc/self/cgroup"), root: Path = _GROUPS) -> Iterator[int]:
    """The cores, rounded up, that each control group around this process allows (version 2, which
    has `cpu.max`, or 1, which has two files); none where there are no such limits."""
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
    """The microseconds of a core that a control group may use, of how many; 0, 0 for all of
    them."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / name).read_text() for name in names).split()
            return int(quota), int(period)
        except (OSError, ValueError):  # not there, or "max"
            continue
    return 0, 0
