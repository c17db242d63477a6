"""Signals during a training: the first one stops and saves, the next Ctrl-C ends it at once."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from charrnn.training.parallel.rank import rank_info

if TYPE_CHECKING:
    from charrnn.training.trainer import Trainer

AGAIN: Final = 1.0
"""Seconds within which a second signal counts as a repetition of the first: the key bounces, or a
shell passes on the signal that the terminal has sent to all processes."""

AGAIN_UNDER_TORCHRUN: Final = 10.0
"""The same under torchrun, whose own process may be slow to pass the signal on."""


@contextmanager
def signals(stop: Callable[[int], None] | None) -> Iterator[Callable[[], None]]:
    """Call `stop` with the number of the first SIGINT, SIGTERM or SIGHUP; end at once at a later
    Ctrl-C.

    Yields a function to call when everything is saved. From then on, and from the start if `stop`
    is None, each of the signals ends the command.
    """
    received: list[float] = []
    saved = stop is None
    again = AGAIN if rank_info().size == 1 else AGAIN_UNDER_TORCHRUN

    def handle(number: int, _: object) -> None:
        now = time.monotonic()
        same = bool(received) and now - received[-1] < again
        received.append(now)
        if same:
            return
        if stop is None or saved or len(received) > 1:
            _end(number, saved=saved)
        else:
            stop(number)

    def all_is_saved() -> None:
        nonlocal saved
        saved = True

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield all_is_saved
    finally:
        for number, handler in before.items():
            # After a Ctrl-C keep the handler: a repetition of it may still arrive.
            if not (received and number == signal.SIGINT):
                signal.signal(number, handler)


def _end(number: int, *, saved: bool) -> None:
    """Raise the exception that ends the command.

    During the final save only Ctrl-C does: a closed terminal sends several SIGHUPs, and they must
    not interrupt it, nor must a SIGTERM.
    """
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if saved:
        sys.exit(128 + number)


def say_what_is_kept(trainer: "Trainer") -> None:
    """Print what is saved of a training that was ended at once."""
    from charrnn.cli.display import say, say_command
    from charrnn.storage.pointers import step_of

    saved, taken = trainer.run.checkpoints(), trainer.position.step
    if not saved:
        say("stopped at once; nothing was kept")
    elif step_of(saved[-1]) == trainer.schedule.steps or trainer.turned:
        say(f"stopped at once; the training is complete, and saved in {trainer.run.directory}")
    else:
        kept = step_of(saved[-1])
        lost = f"; the {taken - kept:,} steps since then are lost" if taken > kept else ""
        say(f"stopped at once; what was saved after step {kept:,} is kept{lost}; to resume:")
        say_command(f"charrnn train --resume {trainer.run.argument}")
