import itertools
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from charrnn.data.tokenizer import Ids
from charrnn.data.two_pass_reading import IdsKey
from charrnn.errors import CharRNNWarning, ConfigError, CorpusError, StorageError
from charrnn.storage import files
from charrnn.storage.manifest import MANIFEST
from charrnn.storage.run import RUNS, Run, check_unused
from charrnn.storage.token_cache import (
    IDS,
    IDS_FOLDER,
    KEY,
    find_ids,
    is_ids_folder,
    keep_for_now,
    keep_ids,
    remove_ids,
)
from tests.conftest import reseal

VALUES = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]


def key_of(dtype: str = "<u1", **changes: object) -> IdsKey:
    settings: dict[str, object] = {
        "text_sha256": "a" * 64,
        "tokenizer_sha256": "b" * 64,
        "vocabulary_size": 10,
        "count": len(VALUES),
        "dtype": np.dtype(dtype).str,
    }
    return IdsKey(**(settings | changes))  # type: ignore[arg-type]


def in_pieces(key: IdsKey, cuts: tuple[int, ...] = (4, 5)) -> Iterator[Ids]:
    return iter(np.split(np.array(VALUES, dtype=key.dtype), cuts))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / IDS_FOLDER


@pytest.fixture
def kept(folder: Path) -> Path:
    """A folder with ids in it."""
    keep_ids(folder, key_of(), in_pieces(key_of()))
    return folder


# What is kept is found


@pytest.mark.parametrize("dtype", ["<u1", "<u2", "<u4"])
def test_ids_come_back_as_they_were(folder: Path, dtype: str) -> None:
    key = key_of(dtype)
    ids = keep_ids(folder, key, in_pieces(key))
    found = find_ids(folder, key)
    for each in (ids, found):
        assert each is not None
        assert each.tolist() == VALUES
        assert each.dtype == np.dtype(dtype)
        assert not each.flags.writeable
    assert (folder / IDS).stat().st_size == key.bytes


def test_all_of_them_are_read_when_they_are_found(kept: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    find_ids(kept, key_of(), progress=lambda *progress: told.append(progress))
    assert told == [("checking", len(VALUES), len(VALUES))]


def test_there_is_nothing_where_nothing_was_kept(folder: Path) -> None:
    assert find_ids(folder, key_of()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"text_sha256": "c" * 64},
        {"tokenizer_sha256": "c" * 64},
        {"vocabulary_size": 11},
        {"count": 5},
        {"dtype": ">u2", "count": 5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_ids_of_another_text_or_alphabet_are_none(kept: Path, change: dict[str, object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_ids(kept, key_of(**change)) is None  # type: ignore[arg-type]


def test_other_ids_take_their_place(kept: Path) -> None:
    key = key_of(text_sha256="c" * 64)
    keep_ids(kept, key, in_pieces(key))
    assert find_ids(kept, key_of()) is None
    assert find_ids(kept, key) is not None
    assert [path.name for path in kept.parent.iterdir()] == [IDS_FOLDER]


# What is damaged is not used


def shorten(folder: Path) -> None:
    os.truncate(folder / IDS, 7)


def lengthen(folder: Path) -> None:
    with open(folder / IDS, "ab") as file:
        file.write(b"\0")


def flip(folder: Path) -> None:
    content = bytearray((folder / IDS).read_bytes())
    content[3] ^= 2
    (folder / IDS).write_bytes(content)


def lose(folder: Path) -> None:
    (folder / IDS).unlink()


def link(folder: Path) -> None:
    (folder / IDS).rename(folder.parent / IDS)
    (folder / IDS).symlink_to(folder.parent / IDS)


def pipe(folder: Path) -> None:
    (folder / IDS).unlink()
    os.mkfifo(folder / IDS)


def forge(folder: Path) -> None:
    """As somebody who means harm: an id past the alphabet, which no weight belongs to."""
    (folder / IDS).write_bytes(bytes([*VALUES[:-1], 10]))
    reseal(folder)


def lose_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def garble_key(folder: Path) -> None:
    (folder / KEY).write_text("{}")


def forge_key(folder: Path) -> None:
    (folder / KEY).write_text(json.dumps({"count": -1}))
    reseal(folder)


@pytest.mark.parametrize(
    "damage",
    [shorten, lengthen, flip, lose, link, pipe, forge, lose_manifest, garble_key, forge_key],
)
def test_damaged_ids_are_not_used_and_can_be_replaced(
    kept: Path, damage: Callable[[Path], None]
) -> None:
    damage(kept)
    with pytest.warns(CharRNNWarning, match=f"{IDS_FOLDER}/.*the text is read again instead"):
        assert find_ids(kept, key_of()) is None
    keep_ids(kept, key_of(), in_pieces(key_of()))
    assert find_ids(kept, key_of()) is not None


# A crash, a full disk, a text that cannot be read


@pytest.mark.parametrize("before", [False, True])
def test_after_a_full_disk_nothing_is_left_behind(
    folder: Path, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each change to the disk in turn, with ids there before and without."""
    for nth in itertools.count():
        remove_ids(folder)
        if before:
            keep_ids(folder, key_of(), in_pieces(key_of()))
        operations: list[str] = []

        def full(
            operation: str, path: Path, operations: list[str] = operations, nth: int = nth
        ) -> None:
            operations.append(operation)
            if len(operations) == nth + 1 and operation not in ("rename", "remove"):
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(files, "before_change", full)
        try:
            keep_ids(folder, key_of(), in_pieces(key_of()))
        except StorageError as error:
            message = str(error)
            assert str(folder) in message and "No space left on device" in message
        monkeypatch.undo()
        if len(operations) <= nth:
            break
        found = [path.name for path in folder.parent.iterdir()]
        assert found in ([], [IDS_FOLDER])
        if found:
            assert find_ids(folder, key_of()) is not None
    assert nth > 10
    assert operations.count("write") == 5  # three pieces, the key and the manifest


@pytest.mark.parametrize("error", [CorpusError("it changed"), KeyboardInterrupt()])
def test_a_reading_that_breaks_off_leaves_nothing(folder: Path, error: BaseException) -> None:
    def breaking_off() -> Iterator[Ids]:
        yield next(in_pieces(key_of()))
        raise error

    with pytest.raises(type(error)):
        keep_ids(folder, key_of(), breaking_off())
    assert list(folder.parent.iterdir()) == []


def test_what_a_kill_leaves_is_litter_that_tidying_deletes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "run")
    (run.directory / f".partial-{IDS_FOLDER}").mkdir()
    (run.directory / f".partial-{IDS_FOLDER}" / IDS).write_bytes(b"half of i")
    check_unused(run.directory)
    run.tidy()
    assert [path.name for path in run.directory.iterdir()] == ["metrics.jsonl"]


# What is not ours


def test_somebody_s_own_folder_is_neither_read_nor_written(folder: Path) -> None:
    """`--out .` where `corpus/` holds the user's texts."""
    folder.mkdir()
    (folder / "book.txt").write_text("a book")
    (folder / IDS).write_bytes(b"\1")
    assert not is_ids_folder(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_ids(folder, key_of()) is None
    with pytest.raises(StorageError, match="in the way"):
        keep_ids(folder, key_of(), in_pieces(key_of()))
    remove_ids(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["book.txt", IDS]


@pytest.mark.parametrize("what", ["empty", "link", "file", "missing"])
def test_only_a_folder_of_nothing_but_such_files_is_ours(kept: Path, what: str) -> None:
    other = kept.with_name("other")
    if what == "empty":
        other.mkdir()
    elif what == "link":
        other.symlink_to(kept)
    elif what == "file":
        other.write_text("")
    assert is_ids_folder(kept)
    assert not is_ids_folder(other)


# In a run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    run = Run.create(RUNS / "fables")
    keep_ids(run.ids_folder, key_of(), in_pieces(key_of()))
    return run


def test_a_run_in_which_nothing_happened_is_discarded_with_its_ids(run: Run) -> None:
    run.discard()
    assert not run.directory.exists()


def test_ids_of_a_run_with_a_measurement_are_not_discarded(run: Run) -> None:
    run.log({"step": 1})
    run.discard()
    assert find_ids(run.ids_folder, key_of()) is not None


def test_a_stranger_s_file_beside_them_saves_the_folder(run: Run) -> None:
    (run.directory / "notes.txt").write_text("mine")
    run.discard()
    assert {path.name for path in run.directory.iterdir()} == {"notes.txt", IDS_FOLDER}


def test_what_a_killed_start_left_is_replaced_by_the_next(run: Run) -> None:
    """2 GB of a text that may be another by now."""
    run.release()
    check_unused(run.directory)
    again = Run.create(run.directory)
    assert [path.name for path in again.directory.iterdir()] == ["metrics.jsonl"]


def test_a_new_run_does_not_take_the_place_of_somebody_s_folder(tmp_path: Path) -> None:
    (tmp_path / "run" / IDS_FOLDER).mkdir(parents=True)
    (tmp_path / "run" / IDS_FOLDER / "book.txt").write_text("a book")
    with pytest.raises(ConfigError, match="not empty"):
        Run.create(tmp_path / "run")


def test_ids_are_kept_for_now_in_a_file_that_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    key = IdsKey(text_sha256="", tokenizer_sha256="", vocabulary_size=300, count=300, dtype="<u2")
    values = np.arange(300, dtype="<u2")
    ids = keep_for_now(key, iter(np.split(values, [100, 101])))
    np.testing.assert_array_equal(ids, values)
    assert not ids.flags.writeable and not ids.flags.owndata
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_room_for_ids_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    key = IdsKey(text_sha256="", tokenizer_sha256="", vocabulary_size=2, count=2_000, dtype="|u1")
    with pytest.raises(StorageError, match="nowhere: .*2,000 bytes.* TMPDIR"):
        keep_for_now(key, iter([]))
