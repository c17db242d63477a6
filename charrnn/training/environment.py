"""Which of several processes this is, as torchrun tells each in its environment."""

import os
from dataclasses import dataclass

from charrnn.errors import ConfigError

_MEETING = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What processes need to find each other. With one of these missing, a process is on its own."""


@dataclass(frozen=True)
class Place:
    """One process among those that train together.

    Attributes:
        rank: its number, from 0; process 0 leads.
        size: how many there are.
        local_rank, local_size: the same, of those on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1


def place() -> Place:
    """The place of this process. Raises ConfigError where its environment makes no sense."""
    if not all(name in os.environ for name in _MEETING):
        return Place()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    given = [os.environ.get(name, other) for name, other in zip(names, "0101", strict=True)]
    try:
        rank, size, local_rank, local_size = map(int, given)
    except ValueError:
        rank, size, local_rank, local_size = 0, 0, 0, 0
    if not (0 <= rank < size and 0 <= local_rank < local_size <= size):
        told = ", ".join(f"{name} {value!a}" for name, value in zip(names, given, strict=True))
        raise ConfigError(f"the environment has {told}; start the processes with torchrun")
    return Place(rank, size, local_rank, local_size)


def threads_each(threads: int) -> int:
    """How many threads this process may use of those that PyTorch would use by itself.

    Where several processes share a machine, they share its cores. (torchrun sets OMP_NUM_THREADS to
    1 where nobody set it: that says nothing of the machine.)
    """
    processes = place().local_size
    if processes == 1:
        return threads
    cores = max(1, _cores() // processes)
    chosen = os.environ.get("OMP_NUM_THREADS", "1") != "1"
    return min(threads, cores) if chosen else cores


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on a Mac
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
