"""What torchrun sets in the environment of a process: its rank and its machine's processes."""

import os
from dataclasses import dataclass
from typing import Final

from charrnn.cores import THREADS, usable_cores, usable_threads
from charrnn.errors import ConfigError

_RENDEZVOUS: Final = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The variables that processes need to connect. Where one is missing, a process trains alone."""


@dataclass(frozen=True)
class Rank:
    """The rank of a process among those that train together.

    Attributes:
        rank: its number, from 0; process 0 leads.
        size: the world size, how many processes there are.
        local_rank, local_size: the same among the processes on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1


def rank_info() -> Rank:
    """Return the rank of this process and the world size, 0 and 1 without torchrun.

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


def usable_threads_each() -> int:
    """Return on how many threads this process may compute. Processes on the same machine share its
    cores."""
    cores = max(1, usable_cores() // rank_info().local_size)
    return cores if _threads_are_torchruns() else min(cores, usable_threads())


def threads_each(threads: int) -> int:
    """Return how many of PyTorch's own number of threads this process may use."""
    usable = usable_threads_each()
    return usable if _threads_are_torchruns() else min(threads, usable)


def _threads_are_torchruns() -> bool:
    """Return whether OMP_NUM_THREADS is 1 because torchrun sets it for several processes where it
    is not set, which does not describe the machine."""
    return rank_info().local_size > 1 and os.environ.get(THREADS, "1") == "1"
