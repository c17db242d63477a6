import ctypes
import resource
import subprocess
import sys

import pytest

from charrnn.training.memory import keep_freed_memory

COUNT_FAULTS = """
import resource, sys
import torch
if sys.argv[1] == "keep":
    from charrnn.training.memory import keep_freed_memory
    keep_freed_memory()
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

    assert pages("keep") < pages("give back") / 10
    assert pages("give back") > 3 * 2 * (48 << 20) / resource.getpagesize() / 2


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    keep_freed_memory()
