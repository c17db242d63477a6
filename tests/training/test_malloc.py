import ctypes
import resource
import subprocess
import sys

import pytest

from charrnn.training.malloc import freed_memory_kept

COUNT_FAULTS = """
import resource, sys
import torch
from charrnn.training.malloc import freed_memory_kept
if sys.argv[1] == "keep":
    kept = freed_memory_kept()
    kept.__enter__()
if sys.argv[1] == "afterwards":
    with freed_memory_kept(), freed_memory_kept():
        del [torch.ones(12 << 20)][0]
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for turn in range(12):
    if turn == 9:
        before = faults()
    arrays = [torch.ones(12 << 20) for _ in range(2)]
    del arrays
print(faults() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not the C library of GNU")
def test_what_one_step_frees_the_next_uses_again() -> None:
    """Every step of a large network fetched 6,000 pages anew."""

    def pages(how: str) -> int:
        command = [sys.executable, "-c", COUNT_FAULTS, how]
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    given_back = pages("give back")
    assert pages("keep") < given_back / 10
    assert given_back > 3 * 2 * (48 << 20) / resource.getpagesize() / 2
    assert pages("afterwards") > given_back / 2  # the process is not ours alone


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    entered = False
    with freed_memory_kept():
        entered = True
    assert entered
