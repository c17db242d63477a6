"""The processes that torchrun starts for one training: how they meet, and how a failure before the
first step reaches all of them.

Importing this module does not import PyTorch, which a process without torchrun may not need yet.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from charrnn.data.corpus import ReadingProgress
from charrnn.signals import STOP_SIGNALS, signals_blocked
from charrnn.training.parallel.torchrun import place

if TYPE_CHECKING:
    from charrnn.training.parallel.group import Group


def join_group() -> "Group | None":
    """Meets the processes that torchrun has started for the same training; None without torchrun.

    The process of rank 0 leads: it starts or resumes a training within `failures_reported`. The
    others call `follow_leader`. Raises ConfigError, TrainingError.
    """
    if place().size == 1:
        return None
    with signals_blocked():
        from charrnn.training.parallel.group import Group

    with _signals_kill():
        return Group.join()


def follow_leader(group: "Group") -> int | None:
    """Takes a follower's part in the training that rank 0 leads; see `leader_follower.follow`."""
    with signals_blocked():
        from charrnn.training.parallel import leader_follower

    return leader_follower.follow(group)


@contextlib.contextmanager
def failures_reported(group: "Group | None") -> Iterator[None]:
    """Reports what is raised in the block to the followers, which wait for the training to start
    and would wait on."""
    try:
        yield
    except BaseException as error:
        if group is not None:
            group.fail(error, in_steps=False)
        raise


def progress_reported(group: "Group | None", progress: ReadingProgress) -> ReadingProgress:
    """The same progress of reading a corpus, reported to the followers as well, so that they wait
    on."""
    if group is None:
        return progress

    def report(what: str, done: int, total: int | None) -> None:
        group.say_busy(in_steps=False)
        progress(what, done, total)

    return report


@contextlib.contextmanager
def _signals_kill() -> Iterator[None]:
    """Has a signal end the process at once: in the block it may wait where Python would not run a
    handler."""
    if threading.current_thread() is not threading.main_thread():  # no other may set handlers
        yield
        return
    heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
