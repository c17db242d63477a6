import mmap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from charrnn.data import dataloader
from charrnn.data.dataloader import Lanes, TBPTTLoader
from charrnn.data.memmap import CHUNK, chunks, release_pages
from charrnn.data.tokenizer import Ids

SIZE = 32 << 20

NEWLINE = 10


@pytest.fixture
def mapped(tmp_path: Path) -> Ids:
    """Ids in a mapped file of 32 MiB: lines of 64."""
    path = tmp_path / "ids.bin"
    line = bytes(range(11, 11 + 63)) + bytes([NEWLINE])
    path.write_bytes(line * (SIZE // len(line)))
    with open(path, "rb") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)


def resident() -> int:
    """Bytes of mapped files that count as this process's memory."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssFile"))


def test_what_was_read_is_given_back_and_can_be_read_again(mapped: Ids) -> None:
    before = resident()
    expected = int(mapped.sum())
    assert resident() - before > SIZE // 2
    release_pages(mapped)
    assert resident() - before < SIZE // 8
    assert int(mapped.sum()) == expected


def test_a_view_gives_back_as_well(mapped: Ids) -> None:
    before = resident()
    view = mapped[5:][1:-3]
    view.max()
    release_pages(view)
    assert resident() - before < SIZE // 8


@pytest.mark.parametrize("make", [np.copy, lambda ids: np.frombuffer(b"abc", np.uint8)])
def test_ids_in_memory_are_left_alone(make: Callable[[Ids], Ids], mapped: Ids) -> None:
    ids = make(mapped[:3])
    before = ids.copy()
    release_pages(ids)
    np.testing.assert_array_equal(ids, before)


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 14])
def test_pieces_are_the_whole_in_order(count: int) -> None:
    ids = np.arange(count, dtype=np.uint8)
    found = list(chunks(ids, 7))
    assert [len(piece) for piece in found[:-1]] == [7] * (len(found) - 1)
    np.testing.assert_array_equal(np.concatenate([ids[:0], *found]), ids)


def sum_of_pieces(ids: Ids) -> None:
    for piece in chunks(ids):
        piece.sum()


def one_lane(ids: Ids) -> None:
    for _ in Lanes(ids, 1, 1 << 18):
        pass


def an_epoch(ids: Ids) -> None:
    loader = TBPTTLoader(ids, batch_size=32, sequence_length=1 << 14, seed=0)
    for _ in range(loader.chunks_per_epoch):
        next(loader)


def an_epoch_of_lines(ids: Ids) -> None:
    settings = {"batch_size": 4, "sequence_length": 1 << 10, "seed": 0}
    loader = TBPTTLoader(ids, separator=NEWLINE, **settings)
    for _ in range(100):
        next(loader)


@pytest.mark.parametrize("read", [sum_of_pieces, one_lane, an_epoch, an_epoch_of_lines])
def test_whoever_reads_all_of_a_corpus_holds_little_of_it(
    read: Callable[[Ids], None], mapped: Ids
) -> None:
    """Each page that is read counts as memory until it is given back: an epoch, as all of it."""
    before = resident()
    read(mapped)
    assert resident() - before < SIZE // 4


def test_the_order_of_documents_is_not_converted_for_every_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Looked for among 32-bit numbers, 64-bit ones have all of them converted: 77 ms a step for ten
    million lines, and twice their memory."""
    types = []

    class Numpy:
        def __getattr__(self, name: str) -> object:
            return getattr(np, name)

        def searchsorted(self, among: Ids, wanted: Ids, side: str) -> object:
            types.append((among.dtype, wanted.dtype))
            return np.searchsorted(among, wanted, side="right")

    monkeypatch.setattr(dataloader, "np", Numpy())
    ids = np.tile(np.array([1, 2, NEWLINE], dtype=np.uint8), 30_000)
    next(TBPTTLoader(ids, batch_size=2, sequence_length=5, seed=0, separator=NEWLINE))
    assert types == [(np.dtype(np.uint32), np.dtype(np.uint32))]


def test_a_piece_is_small() -> None:
    assert CHUNK * 8 <= 8 << 20
