"""Blocks signals during what they must not interrupt."""

import contextlib
import signal
from collections.abc import Iterator
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a process to stop: Ctrl-C, `kill`, and a closed terminal."""


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Make the signals that stop a process wait until the block ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
