"""The command `charrnn`, and `python -m charrnn`.

A signal ends it quietly from here on, also while it is still being loaded; what a command wants to
do about one (`train` saves) it arranges itself.
"""

import signal
import sys


def main() -> None:
    """What the command `charrnn` runs."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        signals.append(signal.SIGHUP)
    for number in signals:
        signal.signal(number, _leave)
    from charrnn.cli.app import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    finally:
        for number in signals:  # all is done; what is left is Python's own tidying up
            signal.signal(number, signal.SIG_IGN)


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
