"""Detects whether this process is a fork in which PyTorch's threads are lost.

PyTorch's threads are lost in a fork, and PyTorch would wait for them forever. Forks are watched for
from the import of charrnn on.
"""

import os
import sys
import threading
from typing import Final

THREADS_LOST: Final = (
    "this process was forked from one that had loaded PyTorch, whose threads are lost here"
)
"""The beginning of the message where a computation needs more than one thread."""

_TASKS: Final = "/proc/self/task"

_had_threads = False
_forked = False


def forked() -> bool:
    """Return whether PyTorch's threads are lost in this process, so that it computes on one
    thread."""
    return _forked


def _note_threads() -> None:
    """Note whether there are threads that are not Python's. Where that is unknown, assume that
    there are."""
    global _had_threads
    try:
        _had_threads = len(os.listdir(_TASKS)) > threading.active_count()
    except OSError:
        _had_threads = True


def _note_fork() -> None:
    global _forked
    _forked = _forked or (_had_threads and "torch" in sys.modules)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_note_threads, after_in_child=_note_fork)
