"""What a signal does to a training: the first one saves, one more ends it at once."""

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
"""Seconds after a signal within which a Ctrl-C is the same one once more: a key that bounces, or a
shell that passes on what the terminal has sent to all."""

AGAIN_UNDER_TORCHRUN: Final = 10.0
"""The same where torchrun passes it on, from a process that may have to wait for its turn."""


@contextmanager
def signals(stop: Callable[[int], None] | None) -> Iterator[Callable[[], None]]:
    """SIGINT, SIGTERM and SIGHUP ask to stop, by their number; a later Ctrl-C stops at once.

    Gives what is to be called when all is saved: from then on, each of them ends the command. So
    they do from the start where there is nothing to be saved, and `stop` is None.
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
            # Where there was a Ctrl-C, the same one may still be on its way, to the command's end.
            if not (received and number == signal.SIGINT):
                signal.signal(number, handler)


def _end(number: int, *, saved: bool) -> None:
    """Raises what ends the command. While it is being saved, a closed terminal, which sends several
    SIGHUPs, does not, nor does a SIGTERM."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if saved:
        sys.exit(128 + number)


def say_what_is_kept(trainer: "Trainer") -> None:
    """Says what there is of a training that was ended at once."""
    from charrnn.cli.display import say, say_command
    from charrnn.storage.pointers import step_of

    saved, taken = trainer.run.checkpoints(), trainer.position.step
    if not saved:
        say("stopped at once; nothing was kept")
    elif step_of(saved[-1]) == trainer.config.steps or trainer.turned:
        say(f"stopped at once; the training is complete, and saved in {trainer.run.directory}")
    else:
        kept = step_of(saved[-1])
        lost = f"; the {taken - kept:,} steps since then are lost" if taken > kept else ""
        say(f"stopped at once; what was saved after step {kept:,} is kept{lost}; to resume:")
        say_command(f"charrnn train --resume {trainer.run.argument}")
