"""The command `charrnn`, and `python -m charrnn`.

From here on, a signal ends the process quietly, even while modules are loaded. Commands that handle
signals (`train` saves) set their own handlers.
"""

import gc
import signal
import sys


def main() -> None:
    """Run the command `charrnn`."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        signals.append(signal.SIGHUP)
    for number in signals:
        signal.signal(number, _leave)
    from charrnn.cli.app import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    finally:
        for number in signals:  # all is done; only Python's own cleanup is left
            signal.signal(number, signal.SIG_IGN)
        # Python's last search for garbage takes half a second where PyTorch is loaded.
        gc.freeze()


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
