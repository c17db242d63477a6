import contextlib
import errno
import itertools
import os
import shutil
import stat
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CharRNNWarning, StorageError
from charrnn.storage import files
from charrnn.storage.files import (
    append_line,
    make_directory,
    point,
    recover,
    remove_directory,
    write_directory,
    write_file,
)

OLD = {"a": b"old a", "b": b"old b"}
NEW = {"a": b"new a", "c": b"new c"}


class Killed(BaseException):
    """The process is no more: nothing of it runs from here on."""


def full_disk() -> OSError:
    return OSError(28, "No space left on device")


@contextlib.contextmanager
def failing_at(nth: int, error: Callable[[], BaseException] = full_disk) -> Iterator[list[str]]:
    """Makes the nth of the calls that change what is on disk fail; after a kill, all others too.

    Yields the names of the calls as they are made. A full disk never prevents a deletion.
    """
    made: list[str] = []

    def failing(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            made.append(name)
            problem = error()
            if len(made) == nth + 1 or (len(made) > nth and isinstance(problem, Killed)):
                raise problem
            return real(*arguments, **options)

        return call

    names = ["replace", "rename", "fsync", "symlink", "mkdir"]
    if error is not full_disk:
        names += ["unlink", "rmdir"]
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(os, name, failing(name, getattr(os, name)))
        if error is Killed:  # rmtree may ignore what its own calls raise
            patch.setattr(shutil, "rmtree", failing("rmtree", shutil.rmtree))
        yield made


def content(path: Path) -> dict[str, bytes] | bytes | str | None:
    """What is at a path: a folder's files, a file's bytes, a link's target, or nothing."""
    if path.is_symlink():
        return os.readlink(path)
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.iterdir()}
    return path.read_bytes() if path.exists() else None


Write = Callable[[Path, bool], None]
"""Writes what is old, or what is new, at a path."""


def a_file(path: Path, new: bool) -> None:
    write_file(path, b"new" if new else b"old")


def a_directory(path: Path, new: bool) -> None:
    write_directory(path, NEW if new else OLD)


def a_link(path: Path, new: bool) -> None:
    point(path, "new" if new else "old")


def test_pieces_whose_size_is_known_say_how_much_room_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(operation: str, path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files, "before_change", full)
    with pytest.raises(StorageError, match="it needs 3 bytes"):
        write_file(tmp_path / "file", iter([b"ab", b"c"]), size=3)


NEEDS: dict[Write, str] = {
    a_file: "; it needs 3 bytes",
    a_directory: "; it needs 10 bytes",
    a_link: "",
}
"""What an error says of the old."""

writers = pytest.mark.parametrize("write", [a_file, a_directory, a_link])


def states(write: Write, path: Path) -> tuple[object, object]:
    """The old and the new content; leaves the old at the path."""
    write(path, True)
    new = content(path)
    remove(path)
    write(path, False)
    return content(path), new


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@writers
def test_what_is_written_is_there_and_nothing_else(write: Write, tmp_path: Path) -> None:
    old, new = states(write, tmp_path / "it")
    assert content(tmp_path / "it") == old != new
    write(tmp_path / "it", True)
    assert content(tmp_path / "it") == new
    assert os.listdir(tmp_path) == ["it"]


@writers
def test_a_full_disk_leaves_the_old_whole_and_no_litter(write: Write, tmp_path: Path) -> None:
    """Whichever of its steps it is that fails. Only once the new is in place, and all that fails
    is to make sure that it stays, may the new be there instead."""
    path = tmp_path / "it"
    for nth in itertools.count():
        remove(path)
        old, new = states(write, path)
        with failing_at(nth) as made, contextlib.suppress(StorageError):
            write(path, True)
        if len(made) <= nth:
            break
        assert content(path) in (old, new), f"after {made}"
        if made[nth] in ("replace", "rename", "symlink", "mkdir"):
            assert content(path) == old, f"after {made}"
        assert os.listdir(tmp_path) == ["it"], f"after {made}"
    assert nth > 0


@writers
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_full_disk_is_an_error_that_says_what_was_to_be_written_and_how_much_is_free(
    write: Write, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person has to know what to delete, and how much of it."""

    def fail(*_: object) -> None:
        raise full_disk()

    disk = types.SimpleNamespace(f_bavail=300, f_frsize=4096)
    monkeypatch.setattr(os, call, fail)
    monkeypatch.setattr(os, "statvfs", lambda path: {tmp_path: disk}[path])
    with pytest.raises(StorageError) as caught:
        write(tmp_path / "it", False)
    need = NEEDS[write]
    assert str(caught.value) == (
        f"{tmp_path / 'it'}: cannot be written: No space left on device{need}; 1.2 MB are free"
    )


@writers
def test_a_disk_that_is_broken_is_not_said_to_be_full(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError) as caught:
        write(tmp_path / "it", False)
    need = NEEDS[write]
    assert str(caught.value) == f"{tmp_path / 'it'}: cannot be written: Input/output error{need}"


@pytest.mark.parametrize(
    ("size", "said"),
    [(999, "999 bytes"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (12_345_678, "12.3 MB")],
)
def test_sizes_are_told_in_units_for_people(
    size: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise full_disk()

    monkeypatch.setattr(os, "fsync", fail)
    half = bytes(size // 2)
    with pytest.raises(StorageError, match=f"; it needs {said};"):
        write_directory(tmp_path / "it", {"a": half, "b": bytes(size - len(half))})


def test_a_disk_that_does_not_say_how_full_it_is_is_no_second_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise full_disk()

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(os, "statvfs", fail)
    with pytest.raises(StorageError, match="No space left on device; it needs 100 bytes$"):
        write_file(tmp_path / "it", bytes(100))


@writers
def test_a_full_disk_where_nothing_was_leaves_nothing(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "it"
    with failing_at(0), pytest.raises(StorageError):
        write(path, True)
    assert os.listdir(tmp_path) == []


@writers
def test_a_crash_leaves_the_old_whole_or_the_new(write: Write, tmp_path: Path) -> None:
    """A killed process cleans nothing up. What it left unfinished is removed later, and is no
    obstacle to writing again before that."""
    path = tmp_path / "it"
    for nth in itertools.count():
        for again in (False, True):
            for litter in tmp_path.iterdir():
                remove(litter)
            old, new = states(write, path)
            with failing_at(nth, Killed) as made, contextlib.suppress(Killed):
                write(path, True)
            if again:
                write(path, True)
                assert content(path) == new, f"after {made}"
            recover(tmp_path)
            assert os.listdir(tmp_path) == ["it"], f"after {made}"
            assert content(path) in (old, new), f"after {made}"
        if len(made) <= nth:
            break
    assert nth > 0


@writers
def test_the_content_is_on_disk_before_its_name_is(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the first fsync, a power cut leaves an empty file under the right name; without the
    last, the name may be gone."""
    synced: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real_fsync(descriptor)

    def replace(source: Path, target: Path) -> None:
        if target == tmp_path / "it":
            source_path = str(source)
            for path in [source, *(source.iterdir() if source.is_dir() else ())]:
                assert source.is_symlink() or str(path) in synced, f"{path} is not on disk yet"
            synced[:] = [path for path in synced if not path.startswith(source_path)]
            synced.append("renamed")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write(tmp_path / "it", False)
    assert synced == ["renamed", str(tmp_path)]


@pytest.mark.parametrize("write", [a_file, a_directory])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError, SystemExit])
def test_ctrl_c_leaves_no_litter(
    write: Write, interruption: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "it"
    old, _ = states(write, path)
    with failing_at(0, interruption), pytest.raises(interruption):
        write(path, True)
    assert content(path) == old
    assert os.listdir(tmp_path) == ["it"]


def test_writing_a_directory_over_a_file_is_an_error_and_the_file_stays(tmp_path: Path) -> None:
    """It moved the file away, then found that it was no folder."""
    path = tmp_path / "thesis.txt"
    path.write_bytes(b"years of work")
    with pytest.raises(StorageError, match=r"thesis\.txt"):
        write_directory(path, NEW)
    assert content(path) == b"years of work"
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_writing_a_directory_over_a_link_keeps_what_it_points_to(tmp_path: Path) -> None:
    write_directory(tmp_path / "target", OLD)
    point(tmp_path / "link", "target")
    with contextlib.suppress(StorageError):
        write_directory(tmp_path / "link", NEW)
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]
    assert content(tmp_path / "target") in (OLD, NEW)


@writers
@pytest.mark.parametrize("parent", ["missing", "file"])
def test_a_place_that_cannot_be_is_a_storage_error(
    write: Write, parent: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / parent / "it"
    with pytest.raises(StorageError) as caught:
        write(path, False)
    assert str(caught.value).startswith(f"{path}: ")
    assert os.listdir(tmp_path) == ["file"]


# Modes


@pytest.fixture(params=[0o000, 0o022, 0o027, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_everything_has_the_mode_that_the_umask_gives(umask: int, tmp_path: Path) -> None:
    """tempfile's files are 0600 for ever: a model that colleagues cannot read."""
    write_file(tmp_path / "file", b"")
    append_line(tmp_path / "lines", "")
    write_directory(tmp_path / "directory", OLD)
    assert mode(tmp_path / "file") == 0o666 & ~umask
    assert mode(tmp_path / "lines") == 0o666 & ~umask
    assert mode(tmp_path / "directory") == 0o777 & ~umask
    assert mode(tmp_path / "directory" / "a") == 0o666 & ~umask


# Links


def test_a_link_is_relative_so_that_a_run_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "run" / "step").mkdir(parents=True)
    point(tmp_path / "run" / "last", "step")
    (tmp_path / "run").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "last").resolve() == tmp_path / "moved" / "step"


# Removal


def test_a_directory_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    write_directory(tmp_path / "it", OLD)
    remove_directory(tmp_path / "it")
    assert os.listdir(tmp_path) == []


def test_half_a_directory_never_stands_under_its_name(tmp_path: Path) -> None:
    for nth in itertools.count():
        write_directory(tmp_path / "it", OLD)
        with failing_at(nth) as made, contextlib.suppress(StorageError):
            remove_directory(tmp_path / "it")
        if len(made) <= nth:
            break
        assert content(tmp_path / "it") in (OLD, None), f"after {made}"
        recover(tmp_path)
        assert set(os.listdir(tmp_path)) <= {"it"}
        shutil.rmtree(tmp_path / "it", ignore_errors=True)
    assert nth > 0


def test_removing_what_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="it: "):
        remove_directory(tmp_path / "it")


def test_litter_is_all_that_remove_litter_removes(tmp_path: Path) -> None:
    write_file(tmp_path / "file", b"")
    write_directory(tmp_path / "directory", OLD)
    (tmp_path / ".partial-directory").mkdir()
    (tmp_path / ".partial-directory" / "a").write_bytes(b"half")
    (tmp_path / ".partial-file").write_bytes(b"half")
    (tmp_path / ".partial-link").symlink_to("directory")
    (tmp_path / ".hidden").write_bytes(b"")
    recover(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".hidden", "directory", "file"]
    assert content(tmp_path / "directory") == OLD


# Lines


def test_lines_are_added(tmp_path: Path) -> None:
    append_line(tmp_path / "lines", "one")
    append_line(tmp_path / "lines", "zwölf \N{GRINNING FACE}")
    assert (tmp_path / "lines").read_text("utf-8") == "one\nzwölf \N{GRINNING FACE}\n"


def test_a_line_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writers, or a reader between two writes, must not see half a line."""
    written: list[bytes] = []
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        written.append(bytes(data))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    append_line(tmp_path / "lines", "x" * 100_000)
    assert written == [b"x" * 100_000 + b"\n"]


def test_a_line_that_fits_only_in_part_is_not_taken_for_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that is nearly full, write() writes what fits and returns how much that was."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    try:
        append_line(tmp_path / "lines", "a whole line")
    except StorageError:
        return
    assert (tmp_path / "lines").read_bytes() == b"a whole line\n"


@pytest.mark.parametrize("name", ["missing/lines", "directory"])
def test_a_line_that_cannot_be_added_is_a_storage_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(StorageError) as caught:
        append_line(tmp_path / name, "a")
    assert str(caught.value).startswith(f"{tmp_path / name}: cannot be written: ")


@pytest.mark.parametrize("fits", [0, 3])
def test_a_line_that_fits_only_in_part_leaves_the_file_as_it_was(
    fits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a line swallows the next one, once there is room again."""
    path = tmp_path / "lines"
    append_line(path, "one")
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:fits]))
        with pytest.raises(StorageError, match="No space left on device; it needs 13 bytes; "):
            append_line(path, "a whole line")
    assert path.read_bytes() == b"one\n"
    append_line(path, "two")
    assert path.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_a_line_is_never_added_through_a_link(target: str, tmp_path: Path) -> None:
    """A run from a stranger must not write into whatever its metrics.jsonl points to."""
    (tmp_path / "there").write_bytes(b"years of work")
    (tmp_path / "lines").symlink_to(target)
    with pytest.raises(StorageError, match="lines: cannot be written: "):
        append_line(tmp_path / "lines", "one")
    assert (tmp_path / "there").read_bytes() == b"years of work"
    assert not (tmp_path / "nowhere").exists()


# What was left unfinished


@pytest.mark.parametrize("left", ["link to a file", "link to a folder", "dangling link", "file"])
@writers
def test_what_was_left_unfinished_is_never_written_through(
    write: Write, left: str, tmp_path: Path
) -> None:
    """Its name is known: a link of that name must not lead what is written elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    write_directory(elsewhere, OLD)
    place, path = tmp_path / "place", tmp_path / "place" / "it"
    place.mkdir()
    litter = place / ".partial-it"
    if left == "file":
        litter.write_bytes(b"half")
    else:
        target = {"link to a file": elsewhere / "a", "link to a folder": elsewhere}
        litter.symlink_to(target.get(left, tmp_path / "nowhere"))
    with contextlib.suppress(StorageError):
        write(path, True)
        assert content(path) == states(write, tmp_path / "other")[1]
    assert content(elsewhere) == OLD
    recover(place)
    write(path, True)
    assert os.listdir(place) == ["it"]
    assert content(elsewhere) == OLD
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", [".partial-it", ".replaced-it", ".partial-old-it"])
def test_nothing_is_deleted_through_a_link(name: str, tmp_path: Path) -> None:
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "place"
    write_directory(elsewhere, OLD)
    place.mkdir()
    write_directory(place / "it", OLD)
    (place / name).symlink_to(elsewhere)
    recover(place)
    assert content(elsewhere) == OLD
    assert content(place / "it") == OLD
    with contextlib.suppress(StorageError):
        write_directory(place / "it", NEW)
        remove_directory(place / "it")
    assert content(elsewhere) == OLD


def test_a_folder_that_was_being_replaced_is_put_back(tmp_path: Path) -> None:
    """Killed between the two renames, when nothing stands under its name."""
    write_directory(tmp_path / ".replaced-it", OLD)
    write_directory(tmp_path / ".partial-it", NEW)
    recover(tmp_path)
    assert os.listdir(tmp_path) == ["it"]
    assert content(tmp_path / "it") == OLD


def test_a_folder_that_was_replaced_is_not_put_back(tmp_path: Path) -> None:
    write_directory(tmp_path / "it", NEW)
    write_directory(tmp_path / ".replaced-it", OLD)
    recover(tmp_path)
    assert os.listdir(tmp_path) == ["it"]
    assert content(tmp_path / "it") == NEW


# Folders


def test_a_folder_is_made_with_those_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each on the disk before what is in it: a power cut must not leave a checkpoint in a folder
    that is not there."""
    done: list[tuple[str, Path]] = []
    monkeypatch.setattr(files, "before_change", lambda *change: done.append(change))
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "a" / "b"
    make_directory(path)
    assert path.is_dir()
    assert done == [
        ("mkdir", path.parent),
        ("fsync", path.parent.parent),
        ("mkdir", path),
        ("fsync", path.parent),
    ]
    done.clear()
    make_directory(path)
    assert done == []


@pytest.mark.parametrize("obstacle", ["file", "dangling link"])
def test_a_folder_that_cannot_be_made_is_a_storage_error(obstacle: str, tmp_path: Path) -> None:
    if obstacle == "file":
        (tmp_path / "a").write_bytes(b"mine")
    else:
        (tmp_path / "a").symlink_to("nowhere")
    with pytest.raises(StorageError, match="a/b: cannot be written: "):
        make_directory(tmp_path / "a" / "b")
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_another_makes_meanwhile_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(operation: str, path: Path) -> None:
        if operation == "mkdir":
            path.mkdir()

    monkeypatch.setattr(files, "before_change", first)
    make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


# What cannot be deleted


def undeletable(patch: pytest.MonkeyPatch) -> None:
    """As where another program has a file of it open: NFS, and scanners of viruses."""

    def busy(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))

    patch.setattr(shutil, "rmtree", busy)


def test_a_folder_that_cannot_be_deleted_is_hidden_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undeletable(monkeypatch)
    for leaving in (1, 2):
        write_directory(tmp_path / "it", OLD)
        with pytest.warns(CharRNNWarning, match=r"cannot be deleted \(Device or resource busy\)"):
            remove_directory(tmp_path / "it")
        assert not (tmp_path / "it").exists()
        assert len(list(tmp_path.glob(".partial-old-it*"))) == leaving
    monkeypatch.undo()
    recover(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_litter_that_cannot_be_deleted_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".partial-it").mkdir()
    undeletable(monkeypatch)
    with pytest.warns(CharRNNWarning, match="partial-it: it cannot be deleted"):
        recover(tmp_path)


def test_what_was_replaced_and_cannot_be_deleted_costs_nothing_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_directory(tmp_path / "it", OLD)
    undeletable(monkeypatch)
    with pytest.warns(CharRNNWarning, match="replaced-it: it cannot be deleted"):
        write_directory(tmp_path / "it", NEW)
    assert {path.name: path.read_bytes() for path in (tmp_path / "it").iterdir()} == NEW


def test_a_file_does_not_replace_a_pipe_or_device(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(StorageError, match="it is a device or pipe"):
            write_file(path, b"new")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(tmp_path.iterdir()) == [link, pipe]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")
def test_a_file_does_not_replace_the_link_of_an_open_file(tmp_path: Path) -> None:
    link = tmp_path / "stdout"
    with (tmp_path / "redirected").open("w") as file:
        link.symlink_to(f"/proc/self/fd/{file.fileno()}")
        with pytest.raises(StorageError, match="it is a device or pipe"):
            write_file(link, b"new")
    assert link.is_symlink()
