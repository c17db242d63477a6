"""Abusive requests to a real server by the thousand, while a watch asks whether it is well.

The server must answer them honestly, answer /health within a second all the while, print no
traceback, keep its memory and its connections bounded, and write the same text afterwards as
before.
"""

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.serving_load import Server
from charrnn.data.tokenizer import CharTokenizer
from charrnn.model.config import ModelConfig
from charrnn.storage.model_directory import Model, write_model
from tests.provenance import make_provenance
from tests.stress.abusive_bodies import (
    bad_bodies,
    deep_json,
    huge_work,
    large_body,
    large_chunked_body,
    many_stops,
    numbers,
    other_endpoints,
    regexes,
    small_chunks,
    wrong_types,
)
from tests.stress.abusive_client import KEY, MEGABYTE, MODEL, Dishonest, Target, asked
from tests.stress.abusive_connections import (
    dropped_stream,
    expecting,
    half_body,
    pipelined,
    queue_times_four,
    slow_head,
    unread_stream,
)
from tests.stress.abusive_heads import (
    content_types,
    cross_site,
    encodings,
    garbage,
    hosts,
    keys,
    large_heads,
    methods,
    model_names,
    paths,
    smuggled,
    upgrades,
)
from tests.stress.report import Deadline, Report

Abuse = Callable[[Target], None]

ABUSES: Final[Mapping[Abuse, float]] = {
    large_body: 0.3,
    large_chunked_body: 0.3,
    small_chunks: 1,
    numbers: 6,
    deep_json: 2,
    bad_bodies: 5,
    wrong_types: 12,
    other_endpoints: 8,
    many_stops: 1,
    huge_work: 1,
    regexes: 4,
    slow_head: 3,
    half_body: 3,
    expecting: 1,
    dropped_stream: 8,
    unread_stream: 1,
    queue_times_four: 0.2,
    pipelined: 2,
    methods: 4,
    paths: 6,
    model_names: 3,
    content_types: 3,
    encodings: 1,
    large_heads: 2,
    smuggled: 5,
    garbage: 5,
    hosts: 4,
    cross_site: 4,
    keys: 4,
    upgrades: 2,
}
"""Each abuse, and how often it is chosen."""

SERVER: Final = (
    *("--verbose", "--api-key", KEY, "--max-concurrent", "8", "--max-queue", "16"),
    *("--max-tokens", "100000"),
)
CLIENTS: Final = 6
LONGEST_SILENCE: Final = 1.0
"""Seconds within which /health is answered."""
MOST_MEGABYTES: Final = 300
"""That the server may take beside what it takes when it is new."""
MOST_FAILURES: Final = 20
VERBOSE: Final = "STRESS_VERBOSE" in os.environ
"""Whether to print the seconds of each request."""


def write_small_model(directory: Path, task: str = "generate") -> None:
    """Write a model of a few letters, with random weights."""
    tokenizer = CharTokenizer("\n abcdef.")
    config = ModelConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        cell="lstm",
        embedding_size=6,
        hidden_size=24,
        layers=1,
        task=task,
        bidirectional=task == "restore",
    )
    generator = np.random.default_rng(0)
    tensors = {
        name: generator.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in config.tensor_shapes().items()
    }
    write_model(directory, Model(config, tokenizer, tensors, make_provenance()))


class Watch:
    """Asks the server whether it is well, four times a second, from a thread of its own.

    Attributes:
        slowest: the seconds of its slowest answer.
        largest: the most bytes of memory that it has held.
        silences: what went wrong, in lines.
    """

    def __init__(self, server: Server, longest_silence: float) -> None:
        self.slowest, self.largest = 0.0, server.resident_bytes()
        self.silences: list[str] = []
        self._server, self._longest = server, longest_silence
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.25):
            began = time.monotonic()
            well = self._server.answers(self._server.port, 10 * self._longest)
            took = time.monotonic() - began
            self.slowest = max(self.slowest, took)
            if not well or took > self._longest:
                self.silences.append(f"/health {'took' if well else 'failed after'} {took:.2f} s")
            if self._server.process.poll() is not None:
                self.silences.append(f"the server has ended: {self._server.process.returncode}")
                return
            self.largest = max(self.largest, self._server.resident_bytes())

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self._thread.join()


def text_now(target: Target) -> bytes:
    """What the server writes for a sound request."""
    answer = target.post(asked(seed=3, max_tokens=50))
    if answer.status != 200:
        raise Dishonest(f"a sound request: status {answer.status}: {answer.body[:200]!r}")
    return answer.body.partition(b'"choices"')[2]


def open_files(server: Server) -> int:
    """How many files and connections the server has open."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def abuse(
    count: int,
    work: Path,
    *,
    seed: int = 0,
    deadline: Deadline | None = None,
    longest_silence: float = LONGEST_SILENCE,
    document: bool = True,
) -> Report:
    """Send `count` abusive requests, a few at a time.

    Args:
        longest_silence: the seconds within which /health must be answered.
        document: whether schemathesis tries what the OpenAPI document allows, where it is
            installed.
    """
    report = Report("abusive requests to a server: honest codes, no traceback, no hang")
    deadline = deadline or Deadline()
    write_small_model(work / MODEL)
    write_small_model(work / "restorer", "restore")
    server = Server(work, [MODEL, "restorer", *SERVER], cwd=work)
    try:
        text = text_now(Target(server.port, random.Random()))
        memory, files = server.resident_bytes(), open_files(server)
        watch = Watch(server, longest_silence)
        times = _send_all(count, server, seed, deadline, report)
        facts = _facts_of_the_document(server, report, deadline) if document else ""
        watch.stop()
        report.failures += watch.silences[:MOST_FAILURES]
        report.failures += _aftermath(server, text, files)
        grown = (watch.largest - memory) / MEGABYTE
        if grown > MOST_MEGABYTES:
            report.failures.append(f"memory grew by {grown:.0f} MB")
        report.facts = (
            f"slowest /health {watch.slowest:.2f} s, slowest request {max(times.values()):.1f} s "
            f"({max(times, key=lambda name: times[name])}), memory at most {grown:+.0f} MB{facts}"
        )
    finally:
        code = server.stop()
    if code != 130:
        report.failures.append(f"exit code {code} after Ctrl-C")
    errors = server.stderr.read_text(errors="replace")
    report.failures += [f"stderr: {line}" for line in errors.splitlines() if "Error" in line][:5]
    if "Traceback" in errors or "Error" in errors:
        report.failures.append(f"what it said is in {keep(server.stderr)}")
    return report


def keep(stderr: Path) -> Path:
    """Copy what the server said to where it stays; return that path."""
    kept = Path(f"/tmp/{stderr.parent.name}-{stderr.name}")
    kept.write_bytes(stderr.read_bytes())
    return kept


def _send_all(
    count: int, server: Server, seed: int, deadline: Deadline, report: Report
) -> dict[str, float]:
    """Send the requests; add what is wrong to the report, and return the longest seconds of each
    kind."""
    times: dict[str, float] = {}

    def attempt(index: int) -> None:
        if deadline.passed or len(report.failures) >= MOST_FAILURES:
            return
        chance = random.Random(f"{seed}/{index}")
        # The first ones are one of each kind.
        chosen = list(ABUSES)[index] if index < len(ABUSES) else None
        chosen = chosen or chance.choices(list(ABUSES), list(ABUSES.values()))[0]
        label, began = f"{chosen.__name__} {index} of seed {seed}", time.monotonic()
        try:
            chosen(Target(server.port, chance))
        except Dishonest as error:
            report.failures.append(f"{label}: {error}")
        except Exception as error:
            report.failures.append(f"{label}: {type(error).__name__}: {error}")
        took = time.monotonic() - began
        times[chosen.__name__] = max(times.get(chosen.__name__, 0.0), took)
        report.tried += 1
        if VERBOSE:
            print(f"{took:6.2f} s {label}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in pool.map(attempt, range(count)):
            pass
    return times


def _aftermath(server: Server, text: bytes, files: int) -> list[str]:
    """What is not as it was before."""
    wrong = []
    time.sleep(1.0)
    try:
        if text_now(Target(server.port, random.Random())) != text:
            wrong.append("the text of a sound request is another one than before")
    except (Dishonest, OSError) as error:
        wrong.append(f"afterwards: {error}")
    limit = time.monotonic() + 45  # by then, connections that say nothing are given up
    while open_files(server) > files + 8 and time.monotonic() < limit:
        time.sleep(0.25)
    if open_files(server) > files + 8:
        wrong.append(f"{open_files(server)} open files; {files} before")
    before = server.processor_seconds()
    time.sleep(1.0)
    if (taken := server.processor_seconds() - before) > 0.5:
        wrong.append(f"{taken:.2f} s of the processor in a second without requests")
    return wrong


def _facts_of_the_document(server: Server, report: Report, deadline: Deadline) -> str:
    """Try what the OpenAPI document allows and forbids with schemathesis; return a few words."""
    from tests.stress.openapi import check_document

    found = check_document(server.port, KEY, deadline)
    if found is None:
        return "; schemathesis is not installed: pip install schemathesis"
    report.tried += found.requests
    report.failures += found.failures[:MOST_FAILURES]
    return f"; {found.requests:,} requests of schemathesis to {found.operations} operations"


def settings_of(arguments: list[str]) -> dict[str, Any]:
    """The settings of `python -m tests.stress.serving COUNT SEED`."""
    names = ("count", "seed")
    return dict(zip(names, map(int, arguments), strict=False))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="stress-") as folder:
        done = abuse(**{"count": 500, **settings_of(sys.argv[1:])}, work=Path(folder))
    print(done.tried, done.facts, *done.failures, sep="\n")
