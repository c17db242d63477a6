import itertools
from typing import Any

import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.tasks.classify.buckets import DocumentLoader, Documents

LENGTHS = np.array([3, 1, 40, 7, 7, 2, 25, 3, 9, 12, 1, 4])


def documents(numbers: list[int] | None = None) -> Documents:
    """Documents whose every id says which it is and where in it."""
    ids = np.concatenate([100 * number + np.arange(n) for number, n in enumerate(LENGTHS)])
    bounds = np.cumsum([0, *LENGTHS])
    chosen = np.arange(len(LENGTHS)) if numbers is None else np.array(numbers)
    return Documents(ids.astype(np.uint16), bounds, 10 * np.arange(len(LENGTHS)), chosen)


def loader(**changes: Any) -> DocumentLoader:
    return DocumentLoader(documents(), **({"batch_size": 4, "longest": 16, "seed": 0} | changes))


def test_an_epoch_has_every_document_once_and_nothing_else() -> None:
    batches = loader()
    for epoch in range(3):
        seen: list[int] = []
        for batch in itertools.islice(batches, batches.chunks_per_epoch):
            assert batches.epoch == epoch
            assert batch.ids.shape == (len(batch.lengths), batch.lengths.max())
            assert batch.characters == batch.lengths.sum()
            for ids, length, target, number in zip(
                batch.ids, batch.lengths, batch.targets, batch.numbers, strict=True
            ):
                assert target == 10 * number and length == min(LENGTHS[number], 16)
                start = ids[0] - 100 * number
                assert 0 <= start <= LENGTHS[number] - length
                assert ids[:length].tolist() == (ids[0] + np.arange(length)).tolist()
                assert not ids[length:].any()
                seen.append(int(number))
        assert sorted(seen) == list(range(len(LENGTHS)))


def test_documents_of_a_batch_are_of_similar_length() -> None:
    lengths = [sorted(batch.lengths.tolist()) for batch in itertools.islice(loader(longest=99), 3)]
    assert sorted(lengths) == [[1, 1, 2, 3], [3, 4, 7, 7], [9, 12, 25, 40]]


def test_of_a_long_document_every_window_comes_in_time() -> None:
    batches = loader()
    starts = {
        int(ids[0] - 200)
        for batch in itertools.islice(batches, 600)
        for ids, number in zip(batch.ids, batch.numbers, strict=True)
        if number == 2
    }
    assert starts == set(range(25))


def test_its_position_is_its_state() -> None:
    first = loader()
    for _ in range(5):
        next(first)
    second = loader()
    second.load_state_dict(first.state_dict())
    for _ in range(7):
        ours, theirs = next(first), next(second)
        assert (ours.ids == theirs.ids).all() and (ours.targets == theirs.targets).all()


def test_another_seed_and_another_epoch_are_another_order() -> None:
    orders = set()
    for seed in range(2):
        batches = loader(seed=seed)
        for _ in range(2):
            epoch = itertools.islice(batches, batches.chunks_per_epoch)
            orders.add(tuple(number for batch in epoch for number in batch.numbers.tolist()))
    assert len(orders) == 4


@pytest.mark.parametrize("state", [{"epoch": -1, "chunk": 0}, {"epoch": 0, "chunk": 99}])
def test_a_position_that_does_not_exist_is_refused(state: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="no chunk"):
        loader().load_state_dict(state)


@pytest.mark.parametrize("change", [{"batch_size": 0}, {"longest": 0}])
def test_what_cannot_be_loaded_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        loader(**change)


def test_fewer_documents_than_a_batch_make_a_smaller_one() -> None:
    few = DocumentLoader(documents([3, 5]), batch_size=4, longest=16, seed=0)
    assert few.batch_size == 2 and few.chunks_per_epoch == 1
    assert sorted(next(few).numbers.tolist()) == [3, 5]
