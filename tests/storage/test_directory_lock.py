import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.storage.directory_lock import DirectoryLock


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
