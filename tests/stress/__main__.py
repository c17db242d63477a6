"""python -m tests.stress: runs all stress tests at full length and prints one table.

Each test is bounded in number, and those that take minutes are bounded in time as well: a test that
runs out of time says so, and how far it came. Exits with 1 when anything broke.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.stress import (
    budgets,
    corpora,
    faults,
    hostile_archives,
    hostile_commands,
    hostile_models,
    hostile_runs,
    kills,
    payloads,
    serving,
    signals,
    texts,
)
from tests.stress.report import Deadline, Report

# Small networks are slower on more threads, and kills must not wait for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

StressTest = Callable[[Path, Deadline], Report]

# Each test by its name: the seconds it may take, and what it runs.
STRESS_TESTS: dict[str, tuple[float, StressTest]] = {
    "exact": (900, lambda work, end: kills.exact(50, work, deadline=end)),
    "sigkill": (900, lambda work, end: kills.sigkill(1000, work, deadline=end)),
    "budgets": (900, lambda work, end: budgets.budgets(60, work, deadline=end)),
    "signals": (600, lambda work, end: signals.signals(50, work, deadline=end)),
    "second": (120, lambda work, end: signals.second_training(work)),
    "faults": (600, lambda work, end: faults.faults(200, work, deadline=end)),
    "disk": (60, lambda work, end: faults.small_disk(work)),
    "models": (900, lambda work, end: hostile_models.check_models(100_000, work, deadline=end)),
    "commands": (
        300,
        lambda work, end: hostile_models.check_model_commands(1_000, work, deadline=end),
    ),
    "resume": (300, lambda work, end: hostile_runs.check_resuming(2_000, work, deadline=end)),
    "run-commands": (
        300,
        lambda work, end: hostile_commands.run_commands(1_000, work, deadline=end),
    ),
    "payloads": (120, lambda work, end: payloads.payloads(work, deadline=end)),
    "corpora": (300, lambda work, end: corpora.hostile_corpora(work, big=True, deadline=end)),
    "archives": (
        900,
        lambda work, end: hostile_archives.check_archives(100_000, work, deadline=end),
    ),
    "serving": (1200, lambda work, end: serving.abuse(10_000, work, deadline=end)),
    "round-trips": (120, lambda work, end: texts.round_trips(10_000)),
    "terminals": (120, lambda work, end: texts.terminals(10_000)),
    "arguments": (300, lambda work, end: texts.arguments(1_000)),
}


def main() -> int:
    """Runs what was asked for; prints the table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(STRESS_TESTS))
    names = parser.parse_args().names or list(STRESS_TESTS)
    if unknown := set(names) - STRESS_TESTS.keys():
        parser.error(f"no such stress test: {', '.join(sorted(unknown))}")
    reports = []
    print("| what was done | times | broken | |\n|---|---|---|---|")
    for name in names:
        seconds, stress = STRESS_TESTS[name]
        print(f"{name} ...", end="\r", file=sys.stderr, flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="stress-") as work:
            end = Deadline(seconds)
            report = stress(Path(work), end)
        took = time.monotonic() - began
        reports.append(report)
        facts = f"{report.facts}; " if report.facts else ""
        if end.passed:
            facts += "stopped by the clock; "
        print(
            f"| {report.what} | {report.tried:,} | {len(report.failures)} | {facts}{took:.0f} s |",
            flush=True,
        )
        for failure in report.failures:
            print(f"{name}: {failure}", file=sys.stderr)
    return 1 if any(report.failures for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
