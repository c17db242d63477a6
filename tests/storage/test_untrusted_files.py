"""Files from anyone are read without trust."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charrnn.errors import ModelError
from charrnn.storage import untrusted_files
from charrnn.storage.untrusted_files import AddedLines, read_file, read_last_lines, read_lines


@pytest.fixture
def in_time() -> Iterator[None]:
    """Whatever blocks fails after five seconds, instead of standing still for ever."""

    def late(*_: object) -> None:
        raise AssertionError("it blocked")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_a_file_is_read_as_it_is(size: int, tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"\xff" * size)
    assert read_file(tmp_path / "it", size) == b"\xff" * size


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"12345")
    with pytest.raises(ModelError, match="^[^:]*it: too large to be what its name says$"):
        read_file(tmp_path / "it", 4)
    os.truncate(tmp_path / "it", 1 << 40)  # a hole: it takes no disk
    with pytest.raises(ModelError, match="it: too large"):
        read_file(tmp_path / "it", 1 << 30)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.getcwd()
        os.chdir(path.parent)  # for its path may have a hundred characters
        made.bind(path.name)
        os.chdir(here)


def a_link_to_a_file(path: Path) -> None:
    (path.parent / "there").write_bytes(b"secret")
    path.symlink_to("there")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "make",
    [a_pipe, a_socket, Path.mkdir, a_link_to_a_file, a_link_to_itself, a_link_to_a_device],
)
def test_what_is_no_file_is_refused_and_waits_for_nobody(
    make: Callable[[Path], None], tmp_path: Path, in_time: None
) -> None:
    """A pipe waits for its writer for ever; a device never ends; a link leads anywhere."""
    make(tmp_path / "it")
    with pytest.raises(ModelError, match=f"^{tmp_path / 'it'}: [^:]*$"):
        read_file(tmp_path / "it", 1 << 20)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/full"])
def test_a_device_is_no_file(path: str, in_time: None) -> None:
    with pytest.raises(ModelError, match=f"^{path}: not a regular file$"):
        read_file(Path(path), 1 << 20)


def test_what_is_not_there_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"^{tmp_path / 'it'}: No such file or directory$"):
        read_file(tmp_path / "it", 1)


def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is mapped into memory, that kills the process."""
    path = tmp_path / "it"
    path.write_bytes(b"12345")
    real = os.fstat

    def shrinks(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        os.truncate(path, 3)
        return status

    monkeypatch.setattr(os, "fstat", shrinks)
    with pytest.raises(ModelError, match="it: it became shorter while it was read"):
        read_file(path, 10)


def test_a_file_that_becomes_longer_while_it_is_read_is_read_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As metrics.jsonl does, of a training beside us."""
    path = tmp_path / "it"
    path.write_bytes(b"12345")
    real = os.fstat

    def grows(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        path.write_bytes(b"1234567890")
        return status

    monkeypatch.setattr(os, "fstat", grows)
    assert read_file(path, 100) == b"12345"


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("make", [a_pipe, Path.mkdir, a_link_to_a_file, Path.touch])
def test_no_file_is_left_open(make: Callable[[Path], None], tmp_path: Path) -> None:
    """A folder of damaged models, looked through in one process, ended in EMFILE."""
    make(tmp_path / "it")
    before = open_files()
    for _ in range(3):
        with contextlib.suppress(ModelError):
            read_file(tmp_path / "it", 10)
    assert open_files() == before


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse file of a terabyte is one line."""
    monkeypatch.setattr(untrusted_files, "LONGEST_LINE", 100)
    path = tmp_path / "lines"
    path.write_bytes(b"a" * 90 + b"\n" + b"b" * 90 + b"\n")
    assert list(read_lines(path, 4)) == [b"aaaaa", b"bbbbb"]
    path.write_bytes(b"a\n" + b"\0" * 500)
    with pytest.raises(ModelError, match="a line in it has more than 100 bytes"):
        list(read_lines(path, 4))


def lines_added(added: AddedLines, at_most: int | None = None) -> list[bytes]:
    return list(added.read(at_most))


def test_added_lines_are_read_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "it"
    added = AddedLines(path, 100)
    with open(path, "wb", buffering=0) as file:
        for written, expected in (
            (b"", []),
            (b"a\nb", [b"a"]),
            (b"c", []),
            (b"d\n\ne\n", [b"bcd", b"", b"e"]),
            (b"", []),
        ):
            file.write(written)
            assert lines_added(added) == expected
    assert (added.generation, added.end) == (0, 9)


def test_a_part_at_a_time_is_read_where_much_was_added(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"line\n" * 100)
    added = AddedLines(tmp_path / "it", 100)
    parts = [lines_added(added, 22) for _ in range(21)]
    assert [len(each) for each in parts] == [5] * 20 + [0]


@pytest.mark.parametrize("how", ["replaced", "shorter", "other content"])
def test_another_file_is_read_from_its_beginning(how: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"a\nb\n")
    added = AddedLines(path, 100)
    lines_added(added)
    if how == "replaced":
        (tmp_path / "new").write_bytes(b"c\nd\ne\n")
        (tmp_path / "new").rename(path)
    elif how == "shorter":
        os.truncate(path, 2)
    else:
        path.write_bytes(b"c\nd\ne\n")  # the same inode, as a careless editor writes it
    assert lines_added(added) == {"shorter": [b"a"]}.get(how, [b"c", b"d", b"e"])
    assert added.generation == 1


def test_a_line_that_is_too_long_is_cut_off_and_never_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "it"
    added = AddedLines(path, 10)
    with open(path, "wb", buffering=0) as file:
        file.write(b"x" * 35)
        assert lines_added(added) == [b"x" * 11]
        assert added.end == 33
        file.write(b"x" * 20 + b"\nafter\n")
        assert lines_added(added) == [b"after"]
        assert lines_added(added) == []


def test_the_last_lines_are_whole_ones(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"one\ntwo\nthree\nunfin")
    assert read_last_lines(path, 1000) == [b"one", b"two", b"three"]
    assert read_last_lines(path, 15) == [b"three"]
    assert read_last_lines(path, 6) == []
    path.write_bytes(b"")
    assert read_last_lines(path, 10) == []


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("make", [a_pipe, a_socket, a_link_to_a_file])
def test_added_and_last_lines_are_read_of_files_alone(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "it")
    with pytest.raises(ModelError, match="it: "):
        lines_added(AddedLines(tmp_path / "it", 10))
    with pytest.raises(ModelError, match="it: "):
        read_last_lines(tmp_path / "it", 10)
