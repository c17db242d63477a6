import json

import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.tasks.infill.windows import WindowLoader, lay_out_windows, spread, windows_per_epoch


@pytest.mark.parametrize(("length", "margin"), [(5, 1), (10, 0), (10, 4), (16, 5)])
@pytest.mark.parametrize("characters", [1, 2, 9, 10, 11, 12, 17, 100, 101])
def test_a_cover_keeps_each_character_once_with_a_margin(
    characters: int, length: int, margin: int
) -> None:
    windows = lay_out_windows(characters, length, margin)
    positions, kept = windows.positions(slice(None)), windows.kept(slice(None))
    assert positions.shape == kept.shape == (len(windows), min(length, characters))
    assert positions.min() == 0 and positions.max() == characters - 1
    np.testing.assert_array_equal(positions[kept], np.arange(characters))
    from_start = positions - positions[:, :1]
    from_end = positions[:, -1:] - positions
    assert (from_start[kept & (positions[:, :1] > 0)] >= margin).all()
    assert (from_end[kept & (positions[:, -1:] < characters - 1)] >= margin).all()


def test_a_cover_has_no_more_windows_than_it_needs() -> None:
    assert len(lay_out_windows(100, 20, 5)) == 9
    assert len(lay_out_windows(20, 20, 5)) == len(lay_out_windows(3, 20, 5)) == 1
    assert len(lay_out_windows(21, 20, 5)) == 2


def loader(characters: int = 103, **changes: int) -> WindowLoader:
    settings = {"batch_size": 4, "sequence_length": 10, "seed": 0} | changes
    return WindowLoader(np.arange(characters, dtype=np.uint16), **settings)


@pytest.mark.parametrize(
    ("characters", "batch_size", "length"),
    [(1, 4, 10), (9, 4, 10), (10, 1, 10), (103, 4, 10), (103, 3, 7), (1000, 7, 13)],
)
def test_an_epoch_has_every_character_once_or_a_little_more(
    characters: int, batch_size: int, length: int
) -> None:
    made = loader(characters, batch_size=batch_size, sequence_length=length)
    batches = [next(made) for _ in range(made.chunks_per_epoch)]
    assert made.epoch == 0
    seen = np.concatenate([batch.ids.ravel() for batch in batches])
    assert set(seen) == set(range(characters))
    assert len(seen) < characters + length
    assert all(batch.characters == batch.ids.size for batch in batches)
    sizes = [len(batch.ids) for batch in batches]
    assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1
    assert sum(sizes) == windows_per_epoch(characters, length)
    next(made)
    assert made.epoch == 1


def test_windows_are_pieces_of_the_text() -> None:
    """The text is a ring: after its end comes its start."""
    made = loader()
    for _ in range(3 * made.chunks_per_epoch):
        ids = next(made).ids
        np.testing.assert_array_equal((ids[:, :1] + np.arange(10)) % 103, ids)


def test_epochs_differ_in_offset_and_order_and_depend_on_the_seed_alone() -> None:
    def epoch(seed: int, number: int) -> list[int]:
        made = loader(seed=seed)
        steps = [next(made) for _ in range((number + 1) * made.chunks_per_epoch)]
        last = steps[-made.chunks_per_epoch :]
        return [int(start) for batch in last for start in batch.ids[:, 0]]

    assert epoch(0, 0) == epoch(0, 0)
    assert len({tuple(sorted(epoch(0, number))) for number in range(4)}) > 1
    assert epoch(0, 0) != sorted(epoch(0, 0))
    assert epoch(0, 0) != epoch(1, 0) != epoch(1, 1)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 7])
def test_its_position_is_its_state(steps: int) -> None:
    one = loader()
    for _ in range(steps):
        next(one)
    other = loader()
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for _ in range(7):
        np.testing.assert_array_equal(next(one).ids, next(other).ids)
    assert one.state_dict() == other.state_dict()


@pytest.mark.parametrize("state", [{"epoch": -1, "chunk": 0}, {"epoch": 0, "chunk": 4}])
def test_a_position_that_is_not_there_is_refused(state: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="no chunk"):
        loader().load_state_dict(state)


@pytest.mark.parametrize("change", [{"batch_size": 0}, {"sequence_length": 0}, {"characters": 0}])
def test_a_loader_of_nothing_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        loader(**change)


@pytest.mark.parametrize("length", [99, 12 * 10**9, 34 * 10**9, 10**12])
@pytest.mark.parametrize("window", [3, 16, 128])
def test_the_places_of_windows_do_not_overflow(length: int, window: int) -> None:
    """From 34 GB on, or 12 GB where windows are short, pieces of a text were never read."""
    count = -(-length // window)
    some = sorted({0, 1, count // 3, count // 2, count - 2, count - 1})
    places = spread(np.array(some), length, count)
    assert places.tolist() == [number * length // count for number in some]
