"""A Ctrl-C, or a notebook's stop button, while a training computes."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interrupts_wait(stop: Callable[[int], None]) -> Iterator[None]:
    """Has what runs in here be asked to stop by an interrupt, and raises KeyboardInterrupt where it
    has.

    In the middle of a step it would leave weights half changed, and nothing to save. A second
    interrupt is not waited with. Where the program has a handler of its own, or this is not the
    main thread, nothing is changed.
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
