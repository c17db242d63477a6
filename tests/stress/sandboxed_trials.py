"""Trials: code that may hang, crash or exhaust memory, run in a process of its own.

The process reports to its parent before and after each trial, so that a crash is one line of the
report and does not end it. A trial is a function of (seed, index) alone; a failure names both.
"""

import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charrnn.errors import CharRNNWarning
from tests.stress.report import Deadline, Report

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_FAILURES = 20
MEGABYTE = 1 << 20

LONGEST_MESSAGE = 2_000
"""Characters; more is no line that a person reads."""


class Broken(Exception):
    """What was tried did not end as it must."""


class _Hanging(BaseException):
    """Raised by a timer; no `except Exception` on its way catches it."""


@dataclass
class Trial:
    """Something to try.

    Attributes:
        label: what it is, in a few words.
        run: tries it; gives a word for how it ended, raises Broken or anything else when it is
            wrong.
        size: bytes of the files that it reads.
        seconds: of the CPU that it may take.
        megabytes: of memory that it may take beside `size`.
        limited: whether the operating system holds it to that too.
    """

    label: str
    run: Callable[[], str]
    size: int = 0
    seconds: float = 1.0
    megabytes: float = 200.0
    limited: bool = True


@dataclass
class Result:
    """How a trial ended: a word for it, or the problem that it had."""

    label: str
    outcome: str = ""
    problem: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


def supervise(
    maker: str,
    settings: Mapping[str, Any],
    count: int,
    deadline: Deadline | None = None,
    *,
    silence: float = 60.0,
) -> Iterator[Result]:
    """Runs trials 0 to count - 1 in a process of their own, in order, for how each of them ended.

    Args:
        maker: `module:function`, which is called with the settings, there, for a function that
            makes the trial of an index.
        silence: seconds without a word after which the process is killed.

    A process that dies takes one trial with it; the next one begins after that.
    """
    start = 0
    while start < count and not (deadline and deadline.passed):
        process = _begin(maker, settings, start, count)
        label, error = "before the first", ""
        done = start
        try:
            for kind, fields in _messages(process, silence):
                if kind == "begin":
                    label = fields["label"]
                elif kind == "end":
                    done += 1
                    yield Result(**fields)
                    label = "between two trials"
                    if deadline and deadline.passed:
                        return
            error = "killed" if process.wait(10) else ""
        except TimeoutError:
            error = f"hanging for {silence:.0f} s"
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        if error and done < count:
            last = (Path(settings["work"]) / "stderr.txt").read_text(errors="replace").strip()
            reason = f"{error} (status {process.returncode}): {last.splitlines()[-1:]}"
            yield Result(label, problem=reason)
            done += 1
        start = max(done, start + 1) if error else done


def _begin(
    maker: str, settings: Mapping[str, Any], start: int, count: int
) -> "subprocess.Popen[bytes]":
    work = Path(settings["work"])
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "stderr.txt", "wb") as errors:
        return subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-c",
                    "from tests.stress.sandboxed_trials import child; child()",
                ),
                *(maker, json.dumps(dict(settings)), str(start), str(count)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )


def _messages(
    process: "subprocess.Popen[bytes]", silence: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    assert process.stdout is not None
    pending = b""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], silence)
        if not ready:
            raise TimeoutError
        piece = os.read(process.stdout.fileno(), MEGABYTE)
        if not piece:
            return
        *lines, pending = (pending + piece).split(b"\n")
        for line in lines:
            kind, _, fields = line.partition(b" ")
            yield kind.decode(), json.loads(fields)


def child() -> None:
    """What `supervise` starts."""
    maker, settings, start, count = sys.argv[1:]
    # Nothing that is tried can write into our channel.
    channel = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def tell(kind: str, fields: dict[str, Any]) -> None:
        os.write(channel, f"{kind} {json.dumps(fields)}\n".encode())

    signal.signal(signal.SIGPROF, _give_up)
    signal.signal(signal.SIGALRM, _give_up)
    module, _, name = maker.partition(":")
    make = getattr(importlib.import_module(module), name)(**json.loads(settings))
    for index in range(int(start), int(count)):
        trial = make(index)
        tell("begin", {"label": trial.label})
        tell("end", vars(_try(trial)))


def _give_up(*_: object) -> None:
    raise _Hanging


def _try(trial: Trial) -> Result:
    result = Result(trial.label)
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    peak, before = _measure_peak()
    began = time.process_time()
    try:
        if trial.limited:
            allowed = _virtual_bytes() + int(trial.megabytes * MEGABYTE) + trial.size
            resource.setrlimit(resource.RLIMIT_AS, (allowed, unlimited[1]))
        signal.setitimer(signal.ITIMER_PROF, trial.seconds + 2)
        signal.setitimer(signal.ITIMER_REAL, 3 * trial.seconds + 7)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", CharRNNWarning)
            result.outcome = trial.run()
    except Broken as error:
        result.problem = str(error)
    except _Hanging:
        result.problem = "still at it, and stopped"
    except BaseException as error:
        result.problem = described(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, unlimited)
    result.seconds = time.process_time() - began
    result.megabytes = max(0.0, (peak() - before - trial.size) / MEGABYTE)
    if not result.problem and result.seconds > trial.seconds:
        result.problem = f"took {result.seconds:.1f} s"
    if not result.problem and result.megabytes > trial.megabytes:
        result.problem = f"took {result.megabytes:.0f} MB beside the files"
    result.problem = " ".join(result.problem[:400].split())
    return result


def described(error: BaseException) -> str:
    """An exception in a line, and where in charrnn it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}charrnn{os.sep}" in frame.filename]
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}: {str(error)[:200]}"


def _measure_peak() -> tuple[Callable[[], int], int]:
    """What tells the largest resident size from now on, and the size now; in bytes.

    Not `ru_maxrss`, which a process inherits from the one that started it and cannot reset.
    """

    def read(name: str) -> int:
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith(name))
        return int(line.split()[1]) << 10

    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return (lambda: read("VmHWM")), read("VmRSS")


def _virtual_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def check_message(error: BaseException, *named: Path | str) -> str:
    """The word for a refusal; raises Broken unless its message is one short line.

    Whoever names a file chooses what is in its name, so that does not count.
    """
    message = str(error)
    for name in filter(None, map(str, named)):
        message = message.replace(name, "")
    if len(message.splitlines()) != 1:
        raise Broken(f"a message of {len(message.splitlines())} lines: {message!a:.200}")
    if len(message) > LONGEST_MESSAGE:
        raise Broken(f"a message of {len(message):,} characters: {message!a:.200}")
    # What `printable` escapes on a terminal: no harm there, and worth a number.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in message):
        return "refused, control characters"
    return "refused"


def summarize(report: Report, results: Iterator[Result]) -> Report:
    """The report with all that the results tell."""
    outcomes: dict[str, int] = {}
    slowest = largest = 0.0
    broken = 0
    for result in results:
        report.tried += 1
        slowest, largest = max(slowest, result.seconds), max(largest, result.megabytes)
        if result.problem:
            broken += 1
            if len(report.failures) < MOST_FAILURES:
                report.failures.append(f"{result.label}: {result.problem}")
            continue
        outcomes[result.outcome] = outcomes.get(result.outcome, 0) + 1
    facts = [f"slowest {slowest:.2f} s", f"most memory {largest:.0f} MB"]
    facts += [
        f"{count / report.tried:.1%} {outcome}" for outcome, count in sorted(outcomes.items())
    ]
    if broken:
        facts.append(f"{broken} broken")
    report.facts = ", ".join(facts)
    return report


def check_command(command: Sequence[str], *codes: int) -> str:
    """Runs charrnn with these arguments; raises Broken unless it ends with one of the exit codes
    and, where it fails, with one line that says why."""
    from typer.testing import CliRunner

    from charrnn.cli.app import app

    result = CliRunner().invoke(app, list(command))
    problem = check_exit(result.exit_code, result.stderr, codes)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        problem = described(result.exception)
    if problem:
        raise Broken(problem)
    return f"exit {result.exit_code}"


def check_exit(code: int, stderr: str, codes: Sequence[int]) -> str:
    """What is wrong with how a command ended; nothing when it ended as it should."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if code not in codes:
        return f"exit code {code}: {stderr!a:.200}"
    if "Traceback" in stderr:
        return f"a traceback: {stderr!a:.200}"
    if len(errors) != (code != 0):
        return f"exit code {code} with {len(errors)} errors: {stderr!a:.200}"
    strange = [c for c in stderr if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    if strange:
        return f"{strange[0]!a} on stderr"
    warned = [line for line in lines if line.startswith("warning: ")]
    if len(errors) + len(warned) != len(lines) and code:
        return f"more than an error: {stderr!a:.200}"
    return ""
