"""The interface of a group, and what it does where there is one process."""

import inspect

import pytest
import torch

from charrnn.training.parallel.distributed import DistributedGroup
from charrnn.training.parallel.group import Group
from charrnn.training.parallel.leader_follower import Follower, Leader


def test_one_process_computes_with_its_own_numbers() -> None:
    group, loss, state = Group(), torch.ones(()), (torch.ones(1, 2, 3),)
    assert (group.rank, group.size) == (0, 1)
    assert group.sum_gradients([], loss) is loss
    assert group.gather_state(state) is group.scatter_state(state) is state


@pytest.mark.parametrize("signal", [0, 15])
def test_a_request_to_stop_is_known_by_its_signal(signal: int) -> None:
    group = Group()
    assert group.stopped_by is None
    group.request_stop(signal)
    assert group.stopped_by == signal


@pytest.mark.parametrize("kind", [DistributedGroup, Leader, Follower])
def test_several_processes_take_the_same_calls(kind: type[Group]) -> None:
    for name, method in vars(Group).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            parameters = list(inspect.signature(getattr(kind, name)).parameters)
            assert parameters == list(inspect.signature(method).parameters), name
