import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.serving.fair_queue import FairQueue


def test_owners_have_their_turns() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        queue.push(item[0], item)
    assert [queue.pop() for _ in range(6)] == ["a1", "b1", "c1", "a2", "c2", "a3"]
    with pytest.raises(KeyError):
        queue.pop()


def test_an_item_is_in_the_queue_once() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("a", "a1")
    queue.push("a", "a1")
    assert len(queue) == 1
    assert queue.remove("a", "a1")
    assert not queue.remove("a", "a1")
    assert len(queue) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40))
def test_nothing_is_lost(actions: list[tuple[int, bool]]) -> None:
    queue: FairQueue[tuple[int, int]] = FairQueue()
    inside: list[tuple[int, int]] = []
    for number, (owner, adds) in enumerate(actions):
        if adds:
            queue.push(owner, (owner, number))
            inside.append((owner, number))
        elif inside:
            popped = queue.pop()
            assert popped == min(each for each in inside if each[0] == popped[0])
            inside.remove(popped)
        assert len(queue) == len(inside)
        assert sorted(queue) == sorted(inside)
