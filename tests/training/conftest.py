"""Small trainings: seconds where real ones take minutes."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is small is slower with more. Tests that need more may have them, whatever
    OMP_NUM_THREADS the suite is run with."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(1)
