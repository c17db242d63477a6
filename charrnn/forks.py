"""Whether this process is a fork of one that had loaded PyTorch.

PyTorch's threads are lost in a fork, and it would wait for them for ever. This is watched from the
import of charrnn on, whatever of it is used later.
"""

import os
import sys

_forked = False


def forked() -> bool:
    """Whether this process is such a fork: it computes on one thread."""
    return _forked


def _note_fork() -> None:
    global _forked
    _forked = _forked or "torch" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
