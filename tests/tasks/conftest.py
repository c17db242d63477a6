"""Small trainings: seconds where real ones take minutes."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """All that is small is slower with more."""
    torch.set_num_threads(1)
