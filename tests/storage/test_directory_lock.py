import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.storage.directory_lock import DirectoryLock, is_locked


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_second_claim_is_refused_until_the_first_is_released(tmp_path: Path) -> None:
    first = DirectoryLock(tmp_path)
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            DirectoryLock(tmp_path)
    first.release()
    second = DirectoryLock(tmp_path)
    first.release()  # once more, which must not release another's
    with pytest.raises(BlockingIOError):
        DirectoryLock(tmp_path)
    second.release()


def test_a_claim_leaves_nothing_in_the_folder_or_open(tmp_path: Path) -> None:
    """A lock file that a crash leaves behind keeps its owner out."""
    before = open_files()
    lock = DirectoryLock(tmp_path)
    assert os.listdir(tmp_path) == []
    with pytest.raises(BlockingIOError):
        DirectoryLock(tmp_path)
    lock.release()
    assert open_files() == before
    assert os.listdir(tmp_path) == []


def test_claims_on_two_folders_are_not_in_each_others_way(tmp_path: Path) -> None:
    locks = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        locks.append(DirectoryLock(tmp_path / name))
    assert len(locks) == 2


def test_a_claim_that_is_forgotten_ends(tmp_path: Path) -> None:
    """In a notebook, a training that was interrupted is thrown away, and never ends by itself."""
    lock = DirectoryLock(tmp_path)
    del lock
    gc.collect()
    DirectoryLock(tmp_path).release()


def test_a_claim_on_what_is_not_there_is_an_error_and_no_more(tmp_path: Path) -> None:
    """Its finalizer, too, must not raise."""
    with pytest.raises(FileNotFoundError):
        DirectoryLock(tmp_path / "nowhere")
    gc.collect()


def test_a_claim_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from charrnn.storage.directory_lock import DirectoryLock\n"
        "lock = DirectoryLock(Path(sys.argv[1])); print('claimed', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"claimed\n"
        with pytest.raises(BlockingIOError):
            DirectoryLock(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    DirectoryLock(tmp_path).release()


def test_a_claim_does_not_outlive_its_process_in_a_child_of_it(tmp_path: Path) -> None:
    """A program that it started, as a pager, must not hold it."""
    lock = DirectoryLock(tmp_path)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lock.release()
        try:
            DirectoryLock(tmp_path).release()
        finally:
            child.kill()


FORKING = """
import os, sys
from pathlib import Path
from charrnn.errors import StorageError
from charrnn.storage.directory_lock import DirectoryLock, is_locked
from charrnn.storage.run import Run

run = Run.create(Path(sys.argv[1]))
ours, theirs = os.pipe()
child = os.fork()
if child == 0:
    said = []
    try:
        run.log({"step": 1})
    except StorageError as error:
        said.append(str(error))
    run.discard()
    said.append(run.is_ours)
    os.write(theirs, repr(said).encode() + b"\\n")
    os.read(0, 1)  # lives on
    os._exit(0)
print(os.read(ours, 9999).decode(), end="", flush=True)
try:
    DirectoryLock(run.directory)
except BlockingIOError:
    print("still claimed", flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_process_that_is_forked_off_has_no_part_in_a_claim(tmp_path: Path) -> None:
    """It kept the lock for as long as it lived: a run could not be resumed."""
    command = [sys.executable, "-c", FORKING, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        said = process.stdout.readline().decode()
        assert "this process is a fork of the training process" in said and "False]" in said
        assert process.stdout.readline() == b"still claimed\n"
        assert process.wait() == -signal.SIGKILL
        DirectoryLock(tmp_path / "run").release()  # while the child lives on
        assert not (tmp_path / "run" / "metrics.jsonl").exists() or not os.path.getsize(
            tmp_path / "run" / "metrics.jsonl"
        )


def test_whether_a_folder_is_locked_can_be_asked_without_a_trace(tmp_path: Path) -> None:
    before = open_files()
    assert is_locked(tmp_path) is False
    lock = DirectoryLock(tmp_path)
    assert is_locked(tmp_path) is True
    lock.release()
    assert is_locked(tmp_path) is False
    assert open_files() == before
    (tmp_path / "link").symlink_to(tmp_path)
    assert is_locked(tmp_path / "link") is None
    assert is_locked(tmp_path / "nothing") is None


def test_asking_keeps_no_training_from_its_lock(tmp_path: Path) -> None:
    """A page asks every two seconds."""
    script = (
        "import sys; from pathlib import Path\n"
        "from charrnn.storage.directory_lock import is_locked\n"
        "print(flush=True)\n"
        "while True: is_locked(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as asking:
        try:
            assert asking.stdout is not None
            asking.stdout.readline()
            for _ in range(300):
                DirectoryLock(tmp_path).release()
        finally:
            asking.kill()
