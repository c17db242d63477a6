"""Measures whether `charrnn train --budget` keeps its time while other programs use the machine.

    python -m benchmarks.budget FILE [--budget 20s 60s 112s] [--situations idle niced ...] [--json]

Trains with each budget in each situation, one whole command after the other:

    idle      nothing else runs
    niced     one niced busy loop, from start to end
    normal    one busy loop
    two       two busy loops
    begins    two busy loops, which begin after 30 % of the budget
    ends      two busy loops, which end after 40 % of the budget
    stopped   the training is stopped after 30 % of the budget, and continued ten seconds later

A row has the seconds of the command; `of budget`, these seconds without start-up, divided by the
budget; the characters learned from in a second, and their ratio to a training of the same network
on one thread in the same situation; the loss of the best model; the steps; how often their number
was revised; and the hidden size. Start-up is the time of a training of one step of a tiny network,
the median of three, in the same situation, or on an idle machine where the situation changes. Run
this on a machine that does nothing else.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from charrnn.storage.metrics_file import METRICS, REVISION, read_measurements
from charrnn.training.options import parse_duration

TOLERANCE: Final = 0.05
"""The bar for the time: by which share of the budget a command may miss it, besides start-up."""

LEAST_SHARE: Final = 0.8
"""The bar for the speed beside one neighbour, as a ratio to a single-threaded training."""

PAUSE_SECONDS: Final = 10.0

BUSY: Final = "while True: pass"

STEPS_ON_ONE_THREAD: Final = 200


@dataclass(frozen=True)
class Situation:
    """What else happens during a training.

    Attributes:
        loops: how many busy loops run.
        nice: by how much they are niced.
        begin, end: when they run, as shares of the budget; None: to the end.
        stopped_at: when the training is stopped for PAUSE_SECONDS; None: never.
    """

    loops: int = 0
    nice: int = 0
    begin: float = 0.0
    end: float | None = None
    stopped_at: float | None = None

    @property
    def steady(self) -> bool:
        """Whether the machine is the same from start to end."""
        return self.begin == 0 and self.end is None and self.stopped_at is None


SITUATIONS: Final = {
    "idle": Situation(),
    "niced": Situation(loops=1, nice=10),
    "normal": Situation(loops=1),
    "two": Situation(loops=2),
    "begins": Situation(loops=2, begin=0.3),
    "ends": Situation(loops=2, end=0.4),
    "stopped": Situation(stopped_at=0.3),
}


@dataclass(frozen=True)
class Row:
    """A training; see the top of this file. `of_one_thread` is None where the situation changes."""

    situation: str
    budget: float
    seconds: float
    startup: float
    characters_per_second: float
    of_one_thread: float | None
    nats: float
    steps: int
    revisions: int
    hidden_size: int

    @property
    def of_budget(self) -> float:
        return (self.seconds - self.startup) / self.budget


@dataclass(frozen=True)
class Training:
    """A training that has ended: the seconds of the command, the hidden size of the network, and
    the lines of metrics.jsonl."""

    seconds: float
    hidden_size: int
    lines: list[dict[str, float]]

    @property
    def losses(self) -> list[float]:
        """The validation losses."""
        return [line["validation_nats"] for line in self.lines if "validation_nats" in line]

    @property
    def last(self) -> dict[str, float]:
        """The last line about steps."""
        return [line for line in self.lines if "train_nats" in line][-1]

    @property
    def characters_per_second(self) -> float:
        """The characters learned from per second, evaluations and saves left out."""
        return self.last["characters"] / self.last["seconds"]


class Neighbours:
    """The busy loops of a situation, and what happens to the training itself."""

    def __init__(self, situation: Situation, budget: float) -> None:
        self._situation, self._budget = situation, budget
        self._loops: list[subprocess.Popen[bytes]] = []
        self._timers: list[threading.Timer] = []

    @contextmanager
    def around(self) -> Iterator[Callable[[subprocess.Popen[Any]], None]]:
        """Let them run during this context, whose value is called with the training."""
        situation = self._situation
        if situation.begin == 0:
            self._begin()
        try:
            yield self._watch
        finally:
            for timer in self._timers:
                timer.cancel()
            for timer in self._timers:
                timer.join()
            self._end()

    def _watch(self, training: subprocess.Popen[Any]) -> None:
        situation = self._situation
        if situation.begin > 0:
            self._later(situation.begin * self._budget, self._begin)
        if situation.end is not None:
            self._later(situation.end * self._budget, self._end)
        if situation.stopped_at is not None:
            stop = situation.stopped_at * self._budget
            self._later(stop, lambda: training.send_signal(signal.SIGSTOP))
            self._later(stop + PAUSE_SECONDS, lambda: training.send_signal(signal.SIGCONT))

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, action)
        self._timers.append(timer)
        timer.start()

    def _begin(self) -> None:
        nice = ["nice", "-n", str(self._situation.nice)] if self._situation.nice else []
        command = [*nice, sys.executable, "-c", BUSY]
        self._loops += [subprocess.Popen(command) for _ in range(self._situation.loops)]

    def _end(self) -> None:
        while self._loops:
            loop = self._loops.pop()
            loop.kill()
            loop.wait()


def train(
    text: Path, options: Sequence[str], situation: Situation, budget: float = 0.0, **variables: str
) -> Training:
    """Train with some options and environment variables in a situation."""
    with tempfile.TemporaryDirectory() as folder, Neighbours(situation, budget).around() as watch:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "charrnn", "train", str(text), "--quiet", *options]
        began = time.monotonic()
        with subprocess.Popen(
            [*command, "--out", str(run)],
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
            text=True,
        ) as training:
            watch(training)
            _, errors = training.communicate()
        took = time.monotonic() - began
        if training.returncode:
            raise SystemExit(f"{' '.join(command)}:\n{errors}")
        config = json.loads((run / "last" / "config.json").read_text())
        return Training(
            took, config["model"]["hidden_size"], list(read_measurements(run / METRICS))
        )


def startup_seconds(text: Path, situation: Situation) -> float:
    """Return the seconds of a training of one step, the median of three."""
    beside = situation if situation.steady else Situation()
    options = ["--steps", "1", "--hidden-size", "16"]
    return statistics.median(train(text, options, beside).seconds for _ in range(3))


def measure(text: Path, name: str, budget: float, startup: float) -> Row:
    """Train with a budget in a situation, and measure it."""
    situation = SITUATIONS[name]
    training = train(text, ["--budget", f"{budget}s"], situation, budget)
    share = None
    if situation.steady:
        size = str(training.hidden_size)
        options = ["--hidden-size", size, "--steps", str(STEPS_ON_ONE_THREAD)]
        alone = train(text, options, situation, OMP_NUM_THREADS="1")
        share = training.characters_per_second / alone.characters_per_second
    return Row(
        situation=name,
        budget=budget,
        seconds=training.seconds,
        startup=startup,
        characters_per_second=training.characters_per_second,
        of_one_thread=share,
        nats=min(training.losses),
        steps=int(training.last["step"]),
        revisions=sum(
            line["steps"] != line["steps_before"] for line in training.lines if REVISION in line
        ),
        hidden_size=training.hidden_size,
    )


def missed(row: Row) -> list[str]:
    """Return which bars a row misses, as words."""
    bars = []
    if abs(row.of_budget - 1) > TOLERANCE and row.situation != "stopped":
        bars.append("time")
    beside_one = row.situation in ("niced", "normal")
    if beside_one and row.of_one_thread is not None and row.of_one_thread < LEAST_SHARE:
        bars.append("speed")
    return bars


HEADINGS: Final = (
    "budget",
    "situation",
    "seconds",
    "of budget",
    "characters/s",
    "of one thread",
    "nats",
    "steps",
    "revisions",
    "hidden size",
    "bars",
)


def cells(row: Row) -> list[str]:
    """Return a row of the table."""
    share = "" if row.of_one_thread is None else f"{row.of_one_thread:.2f}"
    return [
        f"{row.budget:g} s",
        row.situation,
        f"{row.seconds:.1f}",
        f"{row.of_budget:.3f}",
        f"{row.characters_per_second:,.0f}",
        share,
        f"{row.nats:.3f}",
        f"{row.steps:,}",
        str(row.revisions),
        str(row.hidden_size),
        "MISSED: " + ", ".join(missed(row)) if missed(row) else "met",
    ]


def line_of(words: Sequence[str]) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(words)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("text", type=Path, metavar="FILE")
    parser.add_argument("--budget", nargs="+", type=parse_duration, default=[20.0, 60.0, 112.0])
    names = list(SITUATIONS)
    parser.add_argument("--situations", nargs="+", choices=names, default=names)
    parser.add_argument("--json", action="store_true", help="print each row as a line of JSON")
    options = parser.parse_args(arguments)
    if not options.json:
        print(line_of(HEADINGS), line_of(["---"] * len(HEADINGS)), sep="\n", flush=True)
    for name in options.situations:
        startup = startup_seconds(options.text, SITUATIONS[name])
        for budget in options.budget:
            row = measure(options.text, name, budget, startup)
            whole = {**asdict(row), "of_budget": row.of_budget, "missed": missed(row)}
            print(json.dumps(whole) if options.json else line_of(cells(row)), flush=True)


if __name__ == "__main__":
    main()
