import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.array_types import Int64Array
from charrnn.data.dataloader import (
    IGNORED,
    Chunk,
    Lanes,
    ShuffledDocuments,
    TBPTTLoader,
)
from charrnn.data.tokenizer import Ids
from charrnn.errors import ConfigError

sizes = st.integers(1, 120)

NEWLINE = 0


def stream(count: int) -> Ids:
    """Ids that are all different, so that each tells where in the stream it is."""
    return np.arange(count, dtype=np.uint16)


def documents(lengths: list[int]) -> Ids:
    """Documents of these lengths, all their characters different, a NEWLINE after each."""
    characters = itertools.count(1)
    ids = []
    for length in lengths:
        ids += [*itertools.islice(characters, length), NEWLINE]
    return np.array(ids, dtype=np.uint16)


def cut(ids: Ids | Int64Array) -> list[tuple[int, ...]]:
    """The documents of ids, each with the NEWLINE that ends it."""
    ends = np.flatnonzero(ids == NEWLINE) + 1
    return [tuple(document.tolist()) for document in np.split(ids, ends) if len(document)]


def epoch(loader: TBPTTLoader) -> list[Chunk]:
    return list(itertools.islice(loader, loader.chunks_per_epoch))


def side_by_side(chunks: list[Chunk]) -> tuple[Int64Array, Int64Array]:
    """The inputs and targets of the lanes (B, all of their time)."""
    return (
        np.concatenate([chunk.inputs for chunk in chunks], axis=1),
        np.concatenate([chunk.targets for chunk in chunks], axis=1),
    )


def assert_same(left: Chunk, right: Chunk) -> None:
    np.testing.assert_array_equal(left.inputs, right.inputs)
    np.testing.assert_array_equal(left.targets, right.targets)
    assert left.starts_epoch == right.starts_epoch


# Lanes and epochs


@settings(deadline=None)
@given(count=sizes, batch=sizes, time=sizes, seed=st.integers(0, 9))
def test_an_epoch_visits_every_character_once_after_its_predecessor(
    count: int, batch: int, time: int, seed: int
) -> None:
    """The tail of the text, too short for a chunk, was never learnt from; or lanes overlapped."""
    loader = TBPTTLoader(stream(count), batch_size=batch, sequence_length=time, seed=seed)
    for _ in range(3):
        inputs, targets = side_by_side(epoch(loader))
        visited = targets != IGNORED
        assert sorted(targets[visited].tolist()) == list(range(count))
        np.testing.assert_array_equal(inputs[visited], (targets[visited] - 1) % count)


@settings(deadline=None)
@given(count=sizes, batch=sizes, time=sizes)
def test_each_chunk_goes_on_where_the_one_before_it_ended(
    count: int, batch: int, time: int
) -> None:
    """The hidden state that is carried over belongs to the characters just read, lane by lane."""
    loader = TBPTTLoader(stream(count), batch_size=batch, sequence_length=time, seed=0)
    for _ in range(2):
        for before, after in itertools.pairwise(epoch(loader)):
            np.testing.assert_array_equal(after.inputs[:, 0], before.targets[:, -1])
            np.testing.assert_array_equal(before.inputs[:, 1:], before.targets[:, :-1])


@settings(deadline=None)
@given(count=sizes, batch=sizes, time=sizes)
def test_chunks_are_full_and_of_one_length_but_for_one_character(
    count: int, batch: int, time: int
) -> None:
    """A stub of a chunk at the end would make one step of a few characters."""
    chunks = epoch(TBPTTLoader(stream(count), batch_size=batch, sequence_length=time, seed=0))
    lengths = [chunk.inputs.shape[1] for chunk in chunks]
    assert max(lengths) <= time
    assert max(lengths) - min(lengths) <= 1
    for chunk in chunks:
        assert (
            chunk.inputs.shape == chunk.targets.shape == (min(batch, count), len(chunk.inputs[0]))
        )
        assert chunk.inputs.dtype == chunk.targets.dtype == np.int64
    ignored = sum(int((chunk.targets == IGNORED).sum()) for chunk in chunks)
    assert ignored == sum(int(chunk.targets.size) for chunk in chunks) - count
    assert ignored < min(batch, count)


@settings(deadline=None)
@given(count=sizes, batch=sizes, time=sizes, first=sizes, data=st.data())
def test_lanes_deal_out_a_stretch_of_the_stream(
    count: int, batch: int, time: int, first: int, data: st.DataObject
) -> None:
    stretch = data.draw(st.integers(1, count))
    lanes = Lanes(stream(count), batch, time, first=first, count=stretch)
    targets = np.concatenate([targets for _, targets in lanes], axis=1)
    visited = targets[targets != IGNORED]  # row by row: lane after lane
    np.testing.assert_array_equal(visited, (first + np.arange(stretch)) % count)


@pytest.mark.parametrize("chunk", [-1, 3])
def test_lanes_end(chunk: int) -> None:
    lanes = Lanes(stream(12), 2, 2)
    assert len(lanes) == 3
    with pytest.raises(IndexError):
        lanes[chunk]


def test_only_the_first_chunk_of_an_epoch_says_so() -> None:
    """It is where the hidden state is reset."""
    loader = TBPTTLoader(stream(60), batch_size=2, sequence_length=10, seed=0)
    assert loader.chunks_per_epoch == 3
    assert [next(loader).starts_epoch for _ in range(7)] == [True, False, False] * 2 + [True]


def test_the_batch_shrinks_to_a_short_text() -> None:
    loader = TBPTTLoader(stream(3), batch_size=64, sequence_length=100, seed=0)
    assert loader.batch_size == 3
    assert next(loader).inputs.shape == (3, 1)


def test_one_character_follows_itself() -> None:
    chunk = next(TBPTTLoader(stream(1), batch_size=4, sequence_length=4, seed=0))
    assert chunk.inputs.tolist() == chunk.targets.tolist() == [[0]]


@pytest.mark.parametrize(("count", "batch", "time"), [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, -1, 1)])
def test_a_loader_of_nothing_is_a_config_error(count: int, batch: int, time: int) -> None:
    with pytest.raises(ConfigError):
        TBPTTLoader(stream(count), batch_size=batch, sequence_length=time, seed=0)


def test_every_epoch_starts_at_another_offset() -> None:
    """Else lanes and chunks are cut at the same places for ever."""
    loader = TBPTTLoader(stream(60_000), batch_size=2, sequence_length=30_000, seed=0)
    starts = [int(epoch(loader)[0].targets[0, 0]) for _ in range(6)]
    assert len(set(starts)) == 6


def test_ids_near_the_top_of_their_type_are_not_mistaken_for_ignored() -> None:
    ids = np.full(10, 255, dtype=np.uint8)
    chunks = epoch(TBPTTLoader(ids, batch_size=1, sequence_length=5, seed=0))
    assert {value for chunk in chunks for value in chunk.targets.ravel().tolist()} == {255}


# Its position is its state


@settings(deadline=None)
@given(
    batch=st.integers(1, 4),
    time=st.integers(1, 9),
    steps=st.integers(0, 60),
    separator=st.sampled_from([None, NEWLINE]),
    seed=st.integers(0, 3),
)
def test_it_goes_on_exactly_from_its_state(
    batch: int, time: int, steps: int, separator: int | None, seed: int
) -> None:
    """char-rnn #137, nanoGPT #467: a resumed training read other text. Also exactly at, and
    across, the end of an epoch."""
    ids = documents([3, 0, 5, 8, 1, 4])

    def loader() -> TBPTTLoader:
        return TBPTTLoader(
            ids, batch_size=batch, sequence_length=time, seed=seed, separator=separator
        )

    old, new = loader(), loader()
    for _ in range(steps):
        next(old)
    new.load_state_dict(old.state_dict())
    assert new.state_dict() == old.state_dict()
    for _ in range(2 * old.chunks_per_epoch + 1):
        assert_same(next(old), next(new))


def test_at_the_end_of_an_epoch_it_goes_on_with_the_next() -> None:
    old = TBPTTLoader(stream(60), batch_size=2, sequence_length=10, seed=0)
    epoch(old)
    new = TBPTTLoader(stream(60), batch_size=2, sequence_length=10, seed=0)
    new.load_state_dict(old.state_dict())
    chunk = next(new)
    assert chunk.starts_epoch
    assert_same(chunk, next(old))


@pytest.mark.parametrize(
    "state", [{"epoch": -1, "chunk": 0}, {"epoch": 0, "chunk": 7}, {"epoch": 0, "chunk": -1}]
)
def test_a_state_of_another_corpus_is_refused(state: dict[str, int]) -> None:
    loader = TBPTTLoader(stream(60), batch_size=2, sequence_length=5, seed=0)
    next(loader)
    with pytest.raises(ConfigError, match="no chunk"):
        loader.load_state_dict(state)
    assert loader.state_dict() == {"epoch": 0, "chunk": 1}


@pytest.mark.parametrize("separator", [None, NEWLINE])
def test_the_seed_decides_the_order(separator: int | None) -> None:
    def read(seed: int) -> list[list[int]]:
        loader = TBPTTLoader(
            documents([7] * 40), batch_size=1, sequence_length=999, seed=seed, separator=separator
        )
        return [chunk.targets.ravel().tolist() for _ in range(3) for chunk in epoch(loader)]

    assert read(1) == read(1)
    assert read(1) != read(2)


# Documents


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    batch=st.integers(1, 5),
    time=st.integers(1, 20),
    seed=st.integers(0, 9),
)
def test_documents_stay_whole_when_they_are_shuffled(
    lengths: list[int], batch: int, time: int, seed: int
) -> None:
    ids = documents(lengths)
    loader = TBPTTLoader(ids, batch_size=batch, sequence_length=time, seed=seed, separator=NEWLINE)
    for _ in range(2):
        _, targets = side_by_side(epoch(loader))
        lanes = targets[targets != IGNORED]  # row by row: lane after lane, the stream again
        assert sorted(cut(lanes)) == sorted(cut(ids))


def test_documents_are_in_another_order_every_epoch() -> None:
    ids = documents([3] * 50)
    loader = TBPTTLoader(ids, batch_size=1, sequence_length=999, seed=0, separator=NEWLINE)
    orders = [tuple(cut(epoch(loader)[0].targets[0])) for _ in range(4)]
    assert len({*orders, tuple(cut(ids))}) == 5


@settings(deadline=None)
@given(ids=st.lists(st.integers(0, 2), max_size=300), seed=st.integers(0, 9))
def test_shuffling_loses_no_character(ids: list[int], seed: int) -> None:
    """Also where the last document lacks its separator, and where there is none at all."""
    before = np.array(ids, dtype=np.uint8)
    after = shuffle_documents(before, NEWLINE, np.random.default_rng(seed))
    assert after.dtype == before.dtype
    assert sorted(after.tolist()) == sorted(ids)


@pytest.mark.parametrize("last", [[], [1]], ids=["ended", "not ended"])
@pytest.mark.parametrize("count", [254, 255, 256, 65_534, 65_535, 65_536])
def test_shuffling_counts_right_where_its_integers_grow(count: int, last: list[int]) -> None:
    """Positions are kept in the smallest type that holds the length: off by one, they wrap."""
    ids = np.array([NEWLINE] * (count - len(last)) + last, dtype=np.uint8)
    after = shuffle_documents(ids, NEWLINE, np.random.default_rng(0))
    assert len(after) == count
    assert int(after.sum()) == len(last)


def test_every_order_of_documents_is_as_likely() -> None:
    """Six orders of three documents, 100 times each if they were exactly even."""
    ids = documents([1, 1, 1])
    seen = [
        tuple(shuffle_documents(ids, NEWLINE, np.random.default_rng(seed)).tolist())
        for seed in range(600)
    ]
    counts = [seen.count(order) for order in set(seen)]
    assert len(counts) == 6
    assert 60 < min(counts) <= max(counts) < 140


def shuffle_documents(ids: Ids, separator: int, generator: np.random.Generator) -> Ids:
    """All of a shuffled view at once."""
    return ShuffledDocuments(ids, separator, generator)[np.arange(len(ids))]


# Memory


def lines_of(length: int, size: int) -> Ids:
    line = np.full(length, 1, dtype=np.uint8)
    line[-1] = NEWLINE
    return np.tile(line, size // length)


@pytest.mark.slow
@pytest.mark.parametrize("length", [8, 31, 200])
def test_shuffling_lines_takes_less_than_three_times_the_corpus(length: int) -> None:
    """Of a file of short lines there are millions: what is known of each must be small. A smaller
    corpus than elsewhere, for tracemalloc is slow with that many; its share is the same."""
    size = 8_000_000
    tracemalloc.start()
    try:
        ids = lines_of(length, size)
        tracemalloc.reset_peak()
        ShuffledDocuments(ids, NEWLINE, np.random.default_rng(0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * size


@pytest.mark.parametrize("separator", [None, NEWLINE])
def test_the_next_epoch_takes_less_than_three_times_the_corpus(separator: int | None) -> None:
    """The order of the epoch before must be let go before the next is made."""
    size = 8_000_000
    tracemalloc.start()
    try:
        ids = lines_of(200, size)
        loader = TBPTTLoader(ids, batch_size=64, sequence_length=256, seed=0, separator=separator)
        loader.load_state_dict({"epoch": 0, "chunk": loader.chunks_per_epoch})
        tracemalloc.reset_peak()
        assert next(loader).starts_epoch
        assert loader.state_dict() == {"epoch": 1, "chunk": 1}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * size


# Several processes


@pytest.mark.parametrize(("batch", "processes"), [(4, 2), (5, 2), (7, 3), (3, 3), (6, 1)])
@pytest.mark.parametrize("separator", [None, 0], ids=["text", "lines"])
def test_the_shares_of_several_processes_are_the_whole_batch(
    batch: int, processes: int, separator: int | None
) -> None:
    settings: dict[str, Any] = {"batch_size": batch, "sequence_length": 4, "seed": 3}
    settings["separator"] = separator
    ids = stream(101)
    whole = TBPTTLoader(ids, **settings)
    shares = [
        TBPTTLoader(ids, **settings, rank=process, world_size=processes)
        for process in range(processes)
    ]
    for _ in range(2 * whole.chunks_per_epoch):
        chunk, parts = next(whole), [next(loader) for loader in shares]
        np.testing.assert_array_equal(np.concatenate([part.inputs for part in parts]), chunk.inputs)
        np.testing.assert_array_equal(
            np.concatenate([part.targets for part in parts]), chunk.targets
        )
        assert chunk.characters == (chunk.targets != IGNORED).sum()
        assert {part.characters for part in parts} == {chunk.characters}
        assert {part.batch_size for part in parts} == {batch}
        sizes = [len(part.inputs) for part in parts]
        assert sizes == sorted(sizes, reverse=True) and sizes[0] - sizes[-1] <= 1
        assert [list(range(batch))[part.lanes] for part in parts] == [
            list(range(sum(sizes[:rank]), sum(sizes[: rank + 1]))) for rank in range(processes)
        ]


def test_each_process_needs_a_lane() -> None:
    with pytest.raises(ConfigError, match="3 lanes are too few for 4 processes"):
        TBPTTLoader(stream(50), batch_size=3, sequence_length=4, seed=0, world_size=4)
