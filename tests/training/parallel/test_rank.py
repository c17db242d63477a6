import os

import pytest

from charrnn import cores
from charrnn.errors import ConfigError
from charrnn.training.parallel import rank
from charrnn.training.parallel.rank import Rank, rank_info, threads_each, usable_threads_each

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in zip(NAMES, "1312", strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return monkeypatch


def test_a_process_knows_its_rank(started: pytest.MonkeyPatch) -> None:
    assert rank_info() == Rank(rank=1, size=3, local_rank=1, local_size=2)


@pytest.mark.parametrize("missing", ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_without_an_address_to_meet_at_it_is_alone(
    missing: str, started: pytest.MonkeyPatch
) -> None:
    # Clusters set some of these for jobs that have nothing to do with each other.
    started.delenv(missing)
    assert rank_info() == Rank()


@pytest.mark.parametrize(
    ("name", "value"),
    [("RANK", "3"), ("RANK", "-1"), ("RANK", "x"), ("WORLD_SIZE", "0"), ("LOCAL_RANK", "2")],
)
def test_an_impossible_rank_is_refused(name: str, value: str, started: pytest.MonkeyPatch) -> None:
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
    started.delenv("OMP_NUM_THREADS")
    started.setenv("LOCAL_WORLD_SIZE", "1")
    started.setenv("LOCAL_RANK", "0")
    assert threads_each(12) == 12
    started.setattr(rank, "usable_cores", lambda: 5)
    assert threads_each(12) == 5


def test_threads_of_a_process_are_at_most_those_that_were_chosen(
    started: pytest.MonkeyPatch,
) -> None:
    started.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    started.setattr(cores, "_quotas", tuple)
    assert usable_threads_each() == 6
    started.setenv("OMP_NUM_THREADS", "1")  # by torchrun
    assert usable_threads_each() == 6
    for chosen, threads in (("2", 2), ("6", 6), ("12", 6)):
        started.setenv("OMP_NUM_THREADS", chosen)
        assert usable_threads_each() == threads
    started.delenv("RANK")  # alone
    for chosen, threads in (("1", 1), ("12", 12), ("64", 12)):
        started.setenv("OMP_NUM_THREADS", chosen)
        assert usable_threads_each() == threads
    started.setattr(cores, "_quotas", lambda: (3,))
    assert usable_threads_each() == 3
