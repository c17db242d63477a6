"""File systems that lack something: FAT has no links, others no locks or no fsync of folders."""

import contextlib
import errno
import mmap
import os
import shutil
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CharRNNWarning, StorageError
from charrnn.storage import file_systems, files
from charrnn.storage.files import (
    append_line,
    point,
    recover,
    remove_directory,
    set_aside,
    write_directory,
    write_file,
)
from charrnn.storage.model_directory import CONFIG
from charrnn.storage.new_run import unused_name
from charrnn.storage.pointers import pointed
from charrnn.storage.run import RUNS, Run
from charrnn.storage.run_lookup import find_run, read_found, run_names
from charrnn.storage.untrusted_files import map_file

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def a_file_system(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(file_systems, "_warned", set())


def fail(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def without_links(patch: Patch, number: int = errno.EPERM) -> None:
    def symlink(*_: object, **__: object) -> None:
        raise fail(number)

    patch.setattr(os, "symlink", symlink)


def without_folder_sync(patch: Patch, number: int = errno.EINVAL) -> None:
    fsync = os.fsync

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise fail(number)
        fsync(descriptor)

    patch.setattr(os, "fsync", sync)


def without_opening_folders(patch: Patch, number: int = errno.EACCES) -> None:
    open_ = os.open

    def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if os.path.isdir(path):
            raise fail(number)
        return open_(path, flags, *arguments, **options)

    patch.setattr(os, "open", opened)


def without_sync(patch: Patch, number: int = errno.EINVAL) -> None:
    def sync(descriptor: int) -> None:
        raise fail(number)

    patch.setattr(os, "fsync", sync)


def without_renaming_over(patch: Patch, number: int = errno.EEXIST) -> None:
    def only_to_new(real: Callable[..., None]) -> Callable[..., None]:
        def renamed(source: Any, target: Any) -> None:
            if os.path.lexists(target):
                raise fail(number)
            real(source, target)

        return renamed

    for name in ("replace", "rename"):
        patch.setattr(os, name, only_to_new(getattr(os, name)))


def without_renaming_folders(patch: Patch, number: int = errno.EXDEV) -> None:
    """As OverlayFS, for a folder of a lower layer."""
    replace = os.replace

    def renamed(source: Any, target: Any) -> None:
        if os.path.isdir(source) and not os.path.islink(source):
            raise fail(number)
        replace(source, target)

    patch.setattr(os, "replace", renamed)


def without_locks(patch: Patch, number: int = errno.ENOLCK) -> None:
    def flock(*_: object) -> None:
        raise fail(number)

    patch.setattr("fcntl.flock", flock)


def without_everything(patch: Patch) -> None:
    for lack in (without_links, without_sync, without_renaming_over, without_locks):
        lack(patch)


LACKS: dict[str, tuple[Callable[..., None], tuple[int, ...], int]] = {
    "links": (
        without_links,
        (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EACCES),
        1,
    ),
    "folder sync": (
        without_folder_sync,
        (errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES),
        1,
    ),
    "sync": (without_sync, (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP), 2),
    "renaming over": (
        without_renaming_over,
        (errno.EEXIST, errno.EACCES, errno.EPERM, errno.EOPNOTSUPP),
        0,
    ),
    "renaming folders": (without_renaming_folders, (errno.EXDEV,), 0),
    "locks": (
        without_locks,
        (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF, errno.EPERM),
        1,
    ),
}
"""By name: how it is taken away, what the system may say then, and how many warnings are due."""

CASES = [(name, number) for name, (_, numbers, _) in LACKS.items() for number in numbers]


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """What is warned of in the block."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield told
    assert all(each.category is CharRNNWarning for each in caught)
    told += [str(each.message) for each in caught]


def save(run: Run, step: int, *, best: bool, keep: int = 2) -> None:
    run.log({"step": step, "validation_nats": 1.0 if best else 2.0})
    run.save(step, {CONFIG: b"{}", "weights": b"%d" % step}, best=best, keep=keep)


def read(path: Path) -> int:
    return int((path / "weights").read_bytes())


@pytest.mark.parametrize(("lack", "number"), CASES)
def test_a_run_is_trained_read_resumed_and_pruned_where_something_is_lacking(
    lack: str, number: int, monkeypatch: Patch
) -> None:
    """Without links a training died at its first save, without fsync of folders at its start."""
    take_away, _, warned = LACKS[lack]
    take_away(monkeypatch, number)
    with listening() as told:
        run = Run.create(RUNS / "fables")
        for step in (1, 2, 3, 4, 3):
            save(run, step, best=step == 2)
        run.release()
    assert len(told) == warned
    assert all("this file system has no " in each for each in told)
    assert run_names() == ["fables"]
    assert read_found("fables", read) == (run.checkpoint(2), 2)
    assert read_found("fables/last", read)[1] == 3
    again = find_run("fables")
    with listening():
        again.claim()
        again.rewind(3)
        save(again, 5, best=True, keep=1)
        again.release()
    assert [path.name for path in again.checkpoints()] == ["step-00000005"]
    assert pointed(again.best) == pointed(again.last) == again.checkpoint(5)
    assert read_found("fables", read)[1] == 5
    assert sorted(os.listdir(again.directory)) == ["best", "last", "metrics.jsonl", "step-00000005"]
    assert [line["step"] for line in again.metrics()] == [1, 2, 3, 3, 5]


def test_a_run_lives_where_everything_is_lacking(monkeypatch: Patch) -> None:
    without_everything(monkeypatch)
    with listening() as told:
        run = Run.create(RUNS / "fables")
        for step in (1, 2, 3):
            save(run, step, best=step == 2, keep=1)
        run.release()
    assert len(told) == len(set(told)) == 4
    assert read_found("fables", read) == (run.checkpoint(2), 2)


def test_each_warning_says_what_is_left(monkeypatch: Patch) -> None:
    without_links(monkeypatch)
    without_sync(monkeypatch)
    with listening() as told:
        run = Run.create(RUNS / "fables")
        save(run, 1, best=True)
    run.release()
    said = {each.split(" has no ")[1].split(" (")[0]: each for each in told}
    assert said["symbolic links"].endswith(
        "best and last are small files that name a checkpoint, and as safe"
    )
    assert said["fsync of files"].endswith("a power cut may damage the newest checkpoints")
    assert said["fsync of folders"].endswith("a power cut may lose the newest checkpoints")


def test_folders_that_cannot_be_opened_are_not_synced(monkeypatch: Patch) -> None:
    """A folder that may be written and not be listed, or a system that opens none."""
    without_opening_folders(monkeypatch)
    with listening() as told:
        write_directory(Path("it"), {"a": b"content"})
        write_file(Path("file"), b"content")
    assert len(told) == 1
    assert Path("it/a").read_bytes() == Path("file").read_bytes() == b"content"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("lack", [without_links, without_folder_sync, without_sync])
def test_a_disk_that_fails_lacks_nothing(
    lack: Callable[..., None], number: int, monkeypatch: Patch
) -> None:
    """What is really wrong ends a save as ever."""
    run = Run.create(RUNS / "fables")
    lack(monkeypatch, number)
    with pytest.raises(StorageError, match=os.strerror(number)):
        save(run, 1, best=True)
    run.release()


def test_a_folder_that_may_not_be_written_has_links(monkeypatch: Patch) -> None:
    """Where the small file cannot be made either, it is no lack of the file system."""
    without_links(monkeypatch)

    def refused(operation: str, path: Path) -> None:
        if operation == "create":
            raise fail(errno.EACCES)

    monkeypatch.setattr(files, "before_change", refused)
    with pytest.raises(StorageError, match="Permission denied"):
        point(Path("best"), "step-00000001")


def test_links_that_a_run_has_become_files_where_it_is_gone_on_with(monkeypatch: Patch) -> None:
    run = Run.create(RUNS / "fables")
    save(run, 1, best=True)
    without_links(monkeypatch)
    with listening() as told:
        save(run, 2, best=False)
    run.release()
    assert len(told) == 1
    assert run.last.read_bytes() == b"step-00000002\n"
    assert run.best.is_symlink()
    assert read_found("fables", read)[1] == 1


@pytest.mark.parametrize("nth", range(12))
def test_a_crash_where_nothing_is_renamed_over_leaves_old_or_new(
    nth: int, monkeypatch: Patch
) -> None:
    """In two steps, with the old one under another name in between."""

    class Killed(BaseException):
        pass

    write_file(Path("metrics"), b"old")
    without_renaming_over(monkeypatch)
    made = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made > nth:
                raise Killed
            return real(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "rename", "fsync", "unlink"):
            patch.setattr(os, name, counted(getattr(os, name)))
        with contextlib.suppress(Killed):
            write_file(Path("metrics"), b"new")
    recover(Path())
    assert Path("metrics").read_bytes() in (b"old", b"new")
    assert os.listdir() == ["metrics"]


def test_folders_that_cannot_be_renamed_are_copied(monkeypatch: Patch) -> None:
    """A run in a lower layer of a container: its checkpoints could not be replaced or deleted."""
    write_directory(Path("it"), {"a": b"old"})
    without_renaming_folders(monkeypatch)
    write_directory(Path("it"), {"a": b"new"})
    assert Path("it/a").read_bytes() == b"new"
    set_aside(Path("it"), Path("aside"))
    assert Path("aside/a").read_bytes() == b"new"
    remove_directory(Path("aside"))
    assert os.listdir() == []


def test_a_name_is_free_where_there_are_no_locks(monkeypatch: Patch) -> None:
    """A run that came to nothing kept its name, and the next was `fables-2`."""
    without_locks(monkeypatch)
    with listening():
        Run.create(RUNS / "fables")
    assert unused_name("fables") == "fables"


def test_a_file_that_only_one_process_may_map_is_mapped(monkeypatch: Patch) -> None:
    """FUSE with direct_io."""
    Path("ids").write_bytes(b"0123")
    mapped = mmap.mmap

    def once(*arguments: Any, access: int | None = None, **options: Any) -> Any:
        if access is not None:
            raise fail(errno.ENODEV)
        return mapped(*arguments, **options)

    monkeypatch.setattr(mmap, "mmap", once)
    with map_file(Path("ids"), 4) as ids:
        assert ids[:] == b"0123"


def test_lines_are_added_where_something_is_lacking(monkeypatch: Patch) -> None:
    without_everything(monkeypatch)
    append_line(Path("metrics"), "one")
    append_line(Path("metrics"), "two")
    assert Path("metrics").read_text() == "one\ntwo\n"


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_a_run_in_a_lower_layer_of_a_real_overlay() -> None:
    """Docker's file system: what is in an image can be pruned and gone on with."""
    for name in ("lower/checkpoints", "memory", "merged"):
        Path(name).mkdir(parents=True)
    run = Run.create(Path("lower/checkpoints/fables"))
    for step in (1, 2):
        save(run, step, best=step == 1)
    run.release()
    mount = (
        "mount -t tmpfs none memory && mkdir memory/upper memory/work && mount -t overlay "
        "-o lowerdir=lower,upperdir=memory/upper,workdir=memory/work,userxattr none merged"
    )
    code = (
        "import sys; from pathlib import Path; from charrnn.storage.run import Run\n"
        "run = Run(Path('merged/checkpoints/fables')); run.claim(); run.rewind(2)\n"
        "for step in (2, 3): run.save(step, {'config.json': b'{}'}, best=step == 3, keep=1)\n"
        "print(*sorted(path.name for path in run.directory.iterdir()))"
    )
    script = f'({mount}) 2>/dev/null || exit 77; exec {sys.executable} -c "$CODE"'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
        env={**os.environ, "CODE": code},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no overlay can be mounted here")
    assert done.stdout.split() == ["best", "last", "metrics.jsonl", "step-00000003"], done.stderr
