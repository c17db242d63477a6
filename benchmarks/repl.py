"""Measures the latency of a key in `charrnn repl`, from the key sent to its echo on the screen.

    python -m benchmarks.repl [--keys 300] [--hidden-size 256] [--layers 2] [--json]

Keys are typed on a real pseudo-terminal of 80x24, with a model of fresh weights, first while ghost
text is computed, then while it is computed with a memory, then without ghost text. The gaps between
the keys are so short that the ghost text of the last key is mostly still being computed. The output
is the median, the 99th percentile and the largest latency in milliseconds; the bar is 16 ms, a
frame, for the 99th percentile.
"""

import argparse
import json
import os
import random
import select
import string
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pexpect
import pyte

from benchmarks.random_models import write_fresh_model

BAR: Final = 16.0
"""The bar in milliseconds."""

LONGEST_GAP: Final = 0.05
"""The seconds between a key's echo and the next key; ghost text begins or is finished meanwhile."""

LINE: Final = 60
"""The keys between one Ctrl-C and the next."""


VARIANTS: Final = {
    "ghost text": (),
    "with a memory": ("--memory",),
    "no ghost text": ("--no-ghost",),
}
"""What is measured, and the options of the REPL for it."""


class Terminal:
    """A REPL and its screen."""

    def __init__(self, model: Path, *options: str) -> None:
        environment = {**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        command = ["-m", "charrnn", "repl", str(model), "--no-history", "--length", "40", *options]
        self.process = pexpect.spawn(
            sys.executable, command, env=environment, dimensions=(24, 80), timeout=60
        )
        self.process.delaybeforesend = None
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)

    def read(self, seconds: float) -> float:
        """Read what is drawn within some seconds; return when it came."""
        ready, _, _ = select.select([self.process.child_fd], [], [], seconds)
        if not ready:
            return time.perf_counter()
        drawn = os.read(self.process.child_fd, 65536)
        came = time.perf_counter()
        self._stream.feed(drawn)
        return came

    def typed(self) -> str:
        """Return the text to the left of the cursor."""
        cursor = self.screen.cursor
        return str(self.screen.display[cursor.y][: cursor.x])

    def wait(self, end: str) -> None:
        """Wait until the line to the left of the cursor ends in `end`."""
        limit = time.monotonic() + 60
        while not self.typed().endswith(end):
            if time.monotonic() > limit:
                raise TimeoutError("\n".join(self.screen.display))
            self.read(0.05)

    def rest(self, seconds: float) -> None:
        """Read what is drawn for some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)


@contextmanager
def started(model: Path, *options: str) -> Iterator[Terminal]:
    """Start a REPL and begin a text in it."""
    terminal = Terminal(model, *options)
    try:
        terminal.wait("> ")
        terminal.process.send("A beginning\r")
        terminal.rest(1.0)
        terminal.wait("> ")
        yield terminal
    finally:
        terminal.process.close(force=True)


def measure(terminal: Terminal, keys: int, seed: int = 0) -> list[float]:
    """Return the milliseconds from each key to its echo."""
    generator = random.Random(seed)
    times = []
    line = ""
    for _ in range(keys):
        if len(line) == LINE:
            terminal.process.send("\x03")
            line = ""
            terminal.rest(0.2)
            terminal.wait("> ")
        terminal.rest(generator.uniform(0.0, LONGEST_GAP))
        key = generator.choice(string.ascii_letters)
        line += key
        came = began = time.perf_counter()
        os.write(terminal.process.child_fd, key.encode())
        while not terminal.typed().endswith(f"> {line}"):
            came = terminal.read(1.0)
        times.append((came - began) * 1e3)
    return times


def summary(times: list[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the largest."""
    return {
        "median": float(np.median(times)),
        "p99": float(np.percentile(times, 99)),
        "max": max(times),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        write_fresh_model(model, arguments.layers, arguments.hidden_size)
        for name, options in VARIANTS.items():
            with started(model, *options) as terminal:
                results[name] = summary(measure(terminal, arguments.keys))
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{arguments.layers}x{arguments.hidden_size}, {arguments.keys} keys, milliseconds")
    for name, numbers in results.items():
        print(f"{name:<14}", *(f"{key} {value:6.2f}" for key, value in numbers.items()), sep="   ")
    p99 = max(numbers["p99"] for numbers in results.values())
    print(f"p99 under {BAR:g} ms: {'yes' if p99 < BAR else 'NO'}")


if __name__ == "__main__":
    main()
