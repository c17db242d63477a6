"""Interrupted commands: `python -m charrnn train`, started and stopped as a person does it."""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from charrnn.storage.run import Run, is_run
from tests.stress.fork_server import ForkServer, Pipe, environment
from tests.stress.kills import is_over
from tests.stress.report import Deadline, Report

LONGEST_SECONDS = 5.0
"""From a signal to the end of the process."""

SECOND_SECONDS = 0.05
"""From the first Ctrl-C to the second, which is the same one once more."""

MOST_FAILURES = 20

_PATIENCE = 120.0
"""Seconds after which a process that should do something is not waited for any longer."""

_SMALL = (
    *("small.txt", "--steps", "1000000", "--precision", "fp32", "--layers", "1"),
    *("--hidden-size", "16", "--batch-size", "4", "--sequence-length", "16"),
    *("--evaluate-every", "50", "--checkpoint-every", "20"),
)
TRAININGS: dict[str, tuple[str, ...]] = {
    "small": _SMALL,
    "slow steps": (
        *("small.txt", "--steps", "1000000", "--precision", "fp32", "--hidden-size", "384"),
        *("--batch-size", "64", "--sequence-length", "64"),
        *("--evaluate-every", "5", "--checkpoint-every", "3"),
    ),
    "long evaluations": (
        *("big.txt", "--steps", "1000000", "--precision", "fp32", "--hidden-size", "64"),
        *("--evaluate-every", "20", "--validation-fraction", "0.5"),
    ),
    "planning": ("small.txt", "--budget", "60s"),
    "closing": (
        *("big.txt", "--steps", "20", "--precision", "fp32", "--hidden-size", "16"),
        *("--evaluate-every", "20", "--validation-fraction", "0.02"),
    ),
}
"""What a signal finds a command at, beside its start."""


@dataclass(frozen=True, kw_only=True)
class _Case:
    """A command, and the signal that it gets.

    Attributes:
        here: its working directory.
        training: of TRAININGS.
        number: of the signal.
        training_first: whether to wait until it is about to train.
        delay: seconds from then, or from the start of the process.
        twice: whether another one follows.
    """

    here: Path
    training: str
    number: signal.Signals
    training_first: bool
    delay: float
    twice: bool

    def __str__(self) -> str:
        again = ", twice" if self.twice else ""
        since = "of training" if self.training_first else "from its start"
        return (
            f"{self.training}: {self.number.name}{again} after {self.delay:.3f} s {since} "
            f"({self.here})"
        )


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """How it ended.

    Attributes:
        code: its exit code; None when it had to be killed.
        seconds: that this took, from the (last) signal on.
        stderr: what it said.
        prepared: whether charrnn had arranged for signals by then; before, they are Python's own.
        finished: whether it had ended by itself when the signal was due.
        ready: whether it had got as far as it was to be waited for.
    """

    code: int | None
    seconds: float
    stderr: str
    prepared: bool
    finished: bool
    ready: bool


def signals(
    count: int,
    work: Path,
    *,
    seed: int = 0,
    deadline: Deadline | None = None,
    longest_delay: float = 6.0,
    longest_seconds: float = LONGEST_SECONDS,
) -> Report:
    """Sends `count` commands a signal at a random moment; a few get a second one.

    They end soon, with the exit code and the words that a person expects, and lose nothing.
    """
    deadline = deadline or Deadline()
    report = Report(
        "SIGINT or SIGTERM at a random moment: it ends soon, saved, and says how to go on"
    )
    chooser = random.Random(f"signals {seed}")
    _write_corpora(work, chooser)
    cases = _cases(count, work, chooser, longest_delay)
    slowest, ends, early, empty = 0.0, Counter[str](), 0, 0
    with ForkServer() as server, ThreadPoolExecutor(2) as two:
        while len(report.failures) < MOST_FAILURES and not deadline.passed:
            if not (pair := list(itertools.islice(cases, 2))):
                break
            for case, outcome in zip(pair, two.map(_interrupt, pair), strict=True):
                report.tried += 1
                early += not outcome.prepared
                slowest = max(slowest, outcome.seconds)
                ends[_end(outcome)] += 1
                run = Run(case.here / "checkpoints" / "run")
                empty += run.directory.is_dir() and not is_run(run.directory)
                wrong = _wrong(case, outcome, run, longest_seconds) + _lost(server, case, run)
                report.failures += [f"{case}: {each}" for each in wrong]
                if not wrong:
                    shutil.rmtree(case.here)
    del report.failures[MOST_FAILURES:]
    report.facts = (
        f"slowest end {slowest:.2f} s after the signal; "
        + ", ".join(f"{end} {times}" for end, times in ends.most_common())
        + f"; {early} before charrnn was there to handle it, {empty} left an empty run"
    )
    return report


def _write_corpora(work: Path, chooser: random.Random) -> None:
    work.mkdir(parents=True, exist_ok=True)
    words = ["".join(chooser.choices("abcdefgh", k=chooser.randint(1, 7))) for _ in range(400)]
    for name, length in (("small.txt", 2_000), ("big.txt", 400_000)):
        (work / name).write_text(" ".join(chooser.choices(words, k=length)))


def _cases(count: int, work: Path, chooser: random.Random, longest_delay: float) -> Iterator[_Case]:
    """All trainings in turn; every sixth gets two signals."""

    def case(number: int) -> _Case:
        twice = number % 6 == 5
        return _Case(
            here=work / f"signal-{number}",
            training=list(TRAININGS)[number % len(TRAININGS)],
            number=signal.SIGINT if twice else chooser.choice((signal.SIGINT, signal.SIGTERM)),
            # On a busy machine a start alone takes longer than that.
            training_first=chooser.random() < 0.6,
            delay=chooser.uniform(0.06, longest_delay),
            twice=twice,
        )

    return map(case, range(count))


def start_command(
    here: Path, *arguments: str, stderr: str = "stderr.txt", **variables: str
) -> "subprocess.Popen[bytes]":
    """A command in its working directory, beside which the corpora are."""
    here.mkdir(parents=True, exist_ok=True)
    with open(here.with_name(f"{here.name}-{stderr}"), "wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "charrnn", "train", *arguments],
            cwd=here,
            env=environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
        )


def read_stderr(here: Path, stderr: str = "stderr.txt") -> str:
    """What a command has said so far."""
    return here.with_name(f"{here.name}-{stderr}").read_text()


def _arguments(training: str) -> list[str]:
    corpus, *options = TRAININGS[training]
    return [f"../{corpus}", "--name", "run", *options]


def _interrupt(case: _Case) -> _Outcome:
    """Starts the command, sends the signal, and waits for the end."""
    process = start_command(case.here, *_arguments(case.training))
    try:
        # The last row of what was chosen: with it, the training begins.
        ready = not case.training_first or _wait_until(
            lambda: process.poll() is not None or "\nseed " in read_stderr(case.here)
        )
        time.sleep(case.delay)
        finished = process.poll() is not None
        prepared = finished or _is_prepared(process.pid)
        began = time.monotonic()
        process.send_signal(case.number)
        if case.twice:
            time.sleep(SECOND_SECONDS)
            began = time.monotonic()
            process.send_signal(case.number)
        try:
            code: int | None = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        seconds = time.monotonic() - began
    finally:
        process.kill()
        process.wait()
    return _Outcome(
        code=code,
        seconds=seconds,
        stderr=read_stderr(case.here),
        prepared=prepared,
        finished=finished,
        ready=ready,
    )


def _is_prepared(pid: int) -> bool:
    """Whether a process has a handler of its own for SIGTERM: Python has none by itself."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    caught = next((line.split()[1] for line in status.splitlines() if "SigCgt" in line), "0")
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def _end(outcome: _Outcome) -> str:
    """What the signal found the command at, as far as it told."""
    if outcome.finished:
        return "already finished"
    if "best model" in outcome.stderr:
        return "closing"
    if "stopped and saved" in outcome.stderr:
        return "training"
    return "starting"


def _wrong(case: _Case, outcome: _Outcome, run: Run, longest_seconds: float) -> list[str]:
    """What is not as it should be in how a command ended."""
    found = []
    said = outcome.stderr
    last = said.splitlines()[-1] if said else "nothing"
    if not outcome.ready:
        found.append(f"it did not begin to train within {_PATIENCE:.0f} s; it said: {last}")
    if outcome.seconds > longest_seconds:
        found.append(f"it ended {outcome.seconds:.1f} s after the signal")
    if not outcome.prepared:
        return found
    if outcome.code != 128 + case.number and not (outcome.code == 0 and "now try:" in said):
        found.append(f"exit code {outcome.code}; it said: {last}")
    if "Traceback" in said or "Exception ignored" in said:
        found.append(f"a traceback: {last}")
    stepped = "\nstep " in said or "stopped and saved" in said
    if stepped and not run.checkpoints():
        found.append("steps were reported, but there is no checkpoint")
    told = "--resume run" in said or "best model" in said
    if stepped and not told:
        found.append(f"it does not say how to go on, but: {last}")
    if run.directory.is_dir():
        entries = {name for name in os.listdir(run.directory) if not name.startswith("step-")}
        if litter := entries - {"best", "last", "metrics.jsonl"}:
            found.append(f"litter: {sorted(litter)}")
    return found


def _lost(server: ForkServer, case: _Case, run: Run) -> list[str]:
    """What cannot be gone on with, and should."""
    if not is_run(run.directory):
        return []
    with server.fork("tests.stress.signals:resume", str(case.here)) as child:
        match child.receive():
            case ["resumed", *litter]:
                return [f"litter after it was resumed: {litter}"] if litter else []
            case ["failed", trace]:
                # A training that had come to its end is not to be gone on with.
                if is_over(trace):
                    return []
                return [f"it cannot be resumed: {trace.splitlines()[-1]}"]
            case report:
                return [f"it cannot be resumed: {report}"]


def resume(pipe: Pipe, here: str) -> None:
    """In a forked process: goes on with the run, and reports what should not be there."""
    from charrnn.storage.run_lookup import find_run
    from charrnn.training.trainer import Trainer

    os.chdir(here)
    run = Trainer.resume(find_run("run")).run
    expected = ("best", "last", "metrics.jsonl")
    names = os.listdir(run.directory)
    pipe.send("resumed", *(n for n in names if n not in expected and not n.startswith("step-")))


def second_training(work: Path, *, seed: int = 0) -> Report:
    """Starts two trainings of one run at the same moment, several times over.

    Exactly one of them trains, the other says why it does not; and nothing of one that was killed
    stands in the way of the next.
    """
    report = Report("two trainings of one run: exactly one trains")
    _write_corpora(work, random.Random(f"second training {seed}"))
    here = work / "second"
    resume = ("--resume", "run")
    for what, arguments, number in (
        ("a new run", _arguments("small"), signal.SIGINT),
        ("--resume", resume, signal.SIGKILL),
        ("--resume after SIGKILL", resume, signal.SIGTERM),
    ):
        report.tried += 1
        report.failures += [f"{what}: {each}" for each in _both(here, arguments, number)]
    return report


def _both(here: Path, arguments: Sequence[str], number: int) -> list[str]:
    """Starts it twice at once, and ends the one that trains with a signal; what went wrong."""
    names = ("one.txt", "other.txt")
    both = [start_command(here, *arguments, stderr=name) for name in names]
    try:
        if not _wait_until(lambda: any(each.poll() is not None for each in both)):
            return ["both train"]
        lost = next(number for number, each in enumerate(both) if each.returncode is not None)
        winner, loser = both[1 - lost], both[lost]
        found = []
        said = read_stderr(here, names[lost])
        one_line = said.startswith("error: ") and said.count("\n") == 1
        if loser.returncode not in (1, 2) or not one_line:
            found.append(f"one ended with exit code {loser.returncode} and said: {said!r}")
        run = Run(here / "checkpoints" / "run")
        before = run.last.resolve() if is_run(run.directory) else None
        if not _wait_until(
            lambda: (
                winner.poll() is not None
                or (is_run(run.directory) and run.last.resolve() != before)
            )
        ):
            found.append("the other does not train")
        if winner.poll() is not None:
            found.append(
                f"the other ended with exit code {winner.returncode}: "
                f"{read_stderr(here, names[1 - lost])!r}"
            )
            return found
        winner.send_signal(number)
        code = winner.wait(_PATIENCE)
        if code != (-number if number == signal.SIGKILL else 128 + number):
            found.append(f"the other was stopped with exit code {code}")
        return found
    finally:
        for each in both:
            each.kill()
            each.wait()


def _wait_until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
