"""Commands with a time budget that are killed with SIGKILL while the machine's speed changes.

Their plan is revised on the way, and metrics.jsonl records how. Resumed until they end, they must
have learned the same, to the last bit, as one training without a clock that follows the recorded
revisions from its first step to its last.
"""

import itertools
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from charrnn.errors import CharRNNError
from charrnn.storage.metrics_file import REVISION
from charrnn.storage.run import Run, is_run
from charrnn.training.checkpoint import read_checkpoint
from charrnn.training.schedule import Revision
from tests.stress.fork_server import ForkServer, HangError, Pipe
from tests.stress.kills import MOST_FAILURES, differences, is_over, write_corpus
from tests.stress.report import Deadline, Report
from tests.stress.signals import read_stderr, start_command

_MOST_KILLS = 8
"""Kills of one training, so that it comes to its end."""

_PATIENCE = 120.0
"""Seconds after which a command should have ended."""

_LONGEST_DELAYS = {"its start": 4.0, "its training": 2.5, "a revision": 0.1}
"""What a command is killed in, or soon after, and the seconds that it has from then at most."""


@dataclass
class _Tally:
    """What happened to the trainings.

    Attributes:
        kills: by what the command was killed in, or right after.
        revisions: of the number of steps, of the number of threads.
    """

    kills: Counter[str] = field(default_factory=Counter)
    revisions: Counter[str] = field(default_factory=Counter)


class _Neighbours(threading.Thread):
    """Busy loops, none to two, that begin and end at random moments."""

    def __init__(self, chooser: random.Random) -> None:
        super().__init__(daemon=True)
        self._chooser = random.Random(chooser.random())
        self._over = threading.Event()

    def run(self) -> None:
        """Begins and ends loops until the context is left."""
        while not self._over.is_set():
            count = self._chooser.choice((0, 0, 1, 2, 2))
            loops = [
                subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)
            ]
            self._over.wait(self._chooser.uniform(0.5, 4.0))
            for loop in loops:
                loop.kill()
                loop.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self.join()


def budgets(
    count: int,
    work: Path,
    *,
    seed: int = 0,
    deadline: Deadline | None = None,
    seconds: tuple[float, float] = (6.0, 10.0),
) -> Report:
    """Kills commands `count` times, each training some times, and compares what they learned.

    Args:
        seconds: the shortest and the longest budget.
    """
    deadline = deadline or Deadline()
    report = Report(
        "`--budget`, killed while the speed changes: the bytes of an undisturbed replay"
    )
    chooser = random.Random(f"budgets {seed}")
    tally = _Tally()
    runs = 0
    with ForkServer() as server:
        while report.tried < count and len(report.failures) < MOST_FAILURES:
            if deadline.passed:
                break
            here = work / f"budget-{runs}"
            threads = 1 + runs % 2
            options = _options(here, chooser, chooser.uniform(*seconds))
            most = min(_MOST_KILLS, count - report.tried)
            before = tally.kills.total()
            try:
                with _Neighbours(chooser):
                    _live_and_die(here, options, threads, most, chooser, tally)
                wrong = _compare(server, here, tally)
            except (_BrokenError, CharRNNError, HangError, OSError) as error:
                wrong = [str(error)]
            report.tried += tally.kills.total() - before
            report.failures += [f"{here}, {threads} threads: {each}" for each in wrong][:3]
            if not wrong:
                shutil.rmtree(here)
            runs += 1
    kills = ", ".join(f"in {what} {times}" for what, times in tally.kills.most_common())
    report.facts = (
        f"{runs} trainings; killed {kills}; revisions of the steps {tally.revisions['steps']}, "
        f"of the threads {tally.revisions['threads']}"
    )
    return report


class _BrokenError(Exception):
    """A command that failed, or that did not end."""


def _options(here: Path, chooser: random.Random, seconds: float) -> list[str]:
    """The arguments of a training of a small network."""
    write_corpus(here / "corpus.txt", chooser, 60_000)
    options: dict[str, Any] = {
        "budget": f"{seconds:.1f}s",
        "cell": chooser.choice(("lstm", "lstm", "gru", "rnn")),
        "layers": chooser.choice((1, 2)),
        "hidden-size": chooser.choice((24, 64, 128)),
        "batch-size": chooser.choice((8, 32)),
        "sequence-length": chooser.choice((16, 64)),
        "dropout": chooser.choice((0.0, 0.3)),
        "precision": chooser.choice(("fp32", "fp32", "bf16")),
        "seed": chooser.randrange(1000),
        "keep": chooser.choice((1, 3)),
    }
    if chooser.random() < 0.3:
        options["checkpoint-every"] = chooser.choice((7, 40))
    named = [(f"--{name}", str(value)) for name, value in options.items()]
    return ["corpus.txt", "--out", "run", "--quiet", *itertools.chain(*named)]


def _live_and_die(
    here: Path,
    options: Sequence[str],
    threads: int,
    most: int,
    chooser: random.Random,
    tally: _Tally,
) -> None:
    """Trains to the end, killed `most` times on the way. Raises _BrokenError."""
    run = Run(here / "run")
    for life in itertools.count():
        arguments = ["--resume", "run"] if is_run(run.directory) else options
        process = start_command(here, *arguments, OMP_NUM_THREADS=str(threads))
        try:
            if life < most:
                (moment,) = chooser.choices([*_LONGEST_DELAYS], weights=(1, 1, 2))
                if _await(moment, process, run, chooser):
                    process.kill()
                    process.wait()
                    tally.kills[moment] += 1
                    continue
            try:
                code = process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                raise _BrokenError("the command does not end") from None
        finally:
            process.kill()
            process.wait()
        # Killed after its last save, it says that there is nothing left to do.
        if code and not is_over(read_stderr(here)):
            raise _BrokenError(f"exit code {code} after {life} kills: {read_stderr(here)[-300:]!r}")
        return


def _await(
    moment: str, process: "subprocess.Popen[bytes]", run: Run, chooser: random.Random
) -> bool:
    """Waits for the moment to kill a command; whether it came before the command ended."""
    began = time.monotonic()
    seen = _revisions(run)
    written = _version(run)
    if moment != "its start":
        while process.poll() is None:
            now = _version(run)
            if now != written and (moment == "its training" or _revisions(run) > seen):
                break
            if time.monotonic() - began > _PATIENCE:
                raise _BrokenError("the command neither trains nor ends")
            time.sleep(0.002)
    # Rather soon: before or in the first step after a revision, or before a checkpoint knows of it.
    time.sleep(_LONGEST_DELAYS[moment] * chooser.random() ** 2)
    return process.poll() is None


def _version(run: Run) -> tuple[int, int]:
    """What changes whenever something is written to metrics.jsonl."""
    try:
        status = os.stat(run.metrics_path)
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_size


def _revisions(run: Run) -> int:
    """How many revisions metrics.jsonl records."""
    try:
        return run.metrics_path.read_bytes().count(f'"{REVISION}"'.encode())
    except FileNotFoundError:
        return 0


def _compare(server: ForkServer, here: Path, tally: _Tally) -> list[str]:
    """What a training that was killed does not have in common with its replay, and should."""
    killed, straight = Run(here / "run"), Run(here / "replayed")
    revisions = [asdict(each) for each in read_checkpoint(killed.last).revisions]
    recorded = [line for line in killed.metrics() if REVISION in line]
    for number, line in enumerate(recorded, 1):
        tally.revisions["steps" if line["steps"] != line["steps_before"] else "threads"] += 1
        if line[REVISION] != number:
            return [f"metrics.jsonl has revision {line[REVISION]:g} in the place of {number}"]
    names = [each.name for each in fields(Revision)]
    if [{key: line[key] for key in names} for line in recorded] != revisions:
        return [f"metrics.jsonl records {recorded}, the last checkpoint has {revisions}"]
    with server.fork("tests.stress.budgets:replay", *map(str, (here, "run", "replayed"))) as child:
        match child.receive():
            case ["replayed"]:
                return differences(straight, killed)
            case report:
                return [f"it cannot be replayed: {report}"]


def replay(pipe: Pipe, here: str, name: str, out: str) -> None:
    """In a forked process: trains from the first step to the last by the plan and the revisions of
    another training. No time is measured."""
    from charrnn.training.plan import fresh_network
    from charrnn.training.schedule import Schedule
    from charrnn.training.task import task_definition
    from charrnn.training.trainer import Trainer

    os.chdir(here)
    planned = read_checkpoint(Run(Path(name)).last)
    config, sizes = planned.config, planned.model.config
    corpus = planned.read_corpus()
    network = fresh_network(sizes, config)
    task = task_definition(sizes.task).make_task(corpus, config, split_seed=config.split_seed)
    task.initialize(network)
    trainer = Trainer(corpus, network, config, Run.create(Path(out)))
    trainer.learner.schedule = Schedule(config, planned.revisions)
    for _ in trainer:
        pass
    pipe.send("replayed")
