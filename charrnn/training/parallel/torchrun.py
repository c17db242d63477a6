"""The start of a training in the processes of torchrun.

Importing this module does not import PyTorch, which a process without torchrun may not need yet.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator

from charrnn.data.two_pass_reading import ReadingProgress
from charrnn.signals import STOP_SIGNALS, signals_blocked
from charrnn.training.parallel.group import Group
from charrnn.training.parallel.rank import rank_info


def join_group() -> Group:
    """Connect to the processes that torchrun has started for the same training; without torchrun,
    the group is this process alone.

    The process of rank 0 leads: it starts or resumes a training within `Group.failures_reported`.
    The others call `Group.follow`. Raises ConfigError, TrainingError.
    """
    rank = rank_info()
    if rank.size == 1:
        return Group()
    with signals_blocked():
        from charrnn.training.parallel.leader_follower import Follower, Leader

    with _signals_kill():
        return Follower.join(rank) if rank.rank > 0 else Leader.join(rank)


def progress_reported(group: Group, progress: ReadingProgress) -> ReadingProgress:
    """Return a progress function for reading a corpus that also reports to the followers, so that
    they wait on."""

    def report(what: str, done: int, total: int | None) -> None:
        group.say_busy()
        progress(what, done, total)

    return report


@contextlib.contextmanager
def _signals_kill() -> Iterator[None]:
    """Make a signal end the process at once: the block may wait where Python would not run a
    handler."""
    if threading.current_thread() is not threading.main_thread():  # others may not set handlers
        yield
        return
    heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
