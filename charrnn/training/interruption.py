"""Interrupts (Ctrl-C, a notebook's stop button) while a training computes."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interrupts_wait(stop: Callable[[int], None]) -> Iterator[None]:
    """Make an interrupt call `stop` while the block runs, and raise KeyboardInterrupt at its end.

    In the middle of a step, an interrupt would leave weights half changed, and nothing to save. A
    second interrupt is raised at once. Nothing changes where the program has its own handler, or
    outside the main thread.
    """
    usual = signal.default_int_handler
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not usual:
        yield
        return
    interrupted = False

    def handle(number: int, _: object) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, usual)
        stop(number)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if interrupted:
        raise KeyboardInterrupt
