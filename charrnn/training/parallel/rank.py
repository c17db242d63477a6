"""What torchrun says in the environment of a process: its rank, and what it shares a machine
with."""

import os
from dataclasses import dataclass
from typing import Final

from charrnn.cores import usable_cores
from charrnn.errors import ConfigError

_RENDEZVOUS: Final = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The variables that processes need to find each other. Where one is missing, a process trains
alone."""


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
