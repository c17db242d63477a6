"""Metrics: what a server has done, in the text format of Prometheus
(https://prometheus.io/docs/instrumenting/exposition_formats/)."""

import resource
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from starlette.types import Scope

FIRST_CHARACTER_SECONDS: Final = (
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
)
REQUEST_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The upper bounds of the histograms' buckets."""

OTHER: Final = "other"
"""The endpoint of requests for paths that do not exist, so that they cannot fill the memory."""

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]


class Histogram:
    """Counts of durations below the bounds of buckets.

    Args:
        bounds: the upper bounds, in ascending order.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self, labels: Labels) -> Iterator[Sample]:
        """Yield the suffixes of the metric's name, the labels and the numbers."""
        total = 0
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            total += count
            yield "_bucket", {**labels, "le": bound}, total
        yield "_sum", labels, self._sum
        yield "_count", labels, total


class Metrics:
    """The numbers of a server. Only the event loop changes them.

    Attributes:
        read: the characters of prompts and texts that models were given.
    """

    def __init__(self) -> None:
        self.read = 0
        self._began = time.time()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, Histogram] = {}
        self._first_character = Histogram(FIRST_CHARACTER_SECONDS)

    def count_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that has ended; a status of 0 stands for a client that went away."""
        endpoint = getattr(scope.get("route"), "path", OTHER)
        self._requests[endpoint, str(status) if status else "gone"] += 1
        self._durations.setdefault(endpoint, Histogram(REQUEST_SECONDS)).observe(seconds)

    def observe_first_character(self, seconds: float) -> None:
        """Count the time from a request to the first character of its text."""
        self._first_character.observe(seconds)

    def text(self, gauges: Iterable[tuple[str, str, str, list[tuple[Labels, float]]]]) -> str:
        """Return all metrics as text.

        Args:
            gauges: more metrics: name, type, help, and a number for each labels.
        """
        lines: list[str] = []

        def add(name: str, kind: str, help: str, samples: Iterable[Sample]) -> None:
            lines.append(f"# HELP {name} {help}")
            lines.append(f"# TYPE {name} {kind}")
            lines.extend(_line(name + suffix, labels, value) for suffix, labels, value in samples)

        add(
            "charrnn_requests_total",
            "counter",
            "Requests that have ended.",
            [
                ("", {"endpoint": endpoint, "status": status}, count)
                for (endpoint, status), count in sorted(self._requests.items())
            ],
        )
        add(
            "charrnn_request_seconds",
            "histogram",
            "Seconds from a request to the end of its response.",
            [
                each
                for endpoint, histogram in sorted(self._durations.items())
                for each in histogram.samples({"endpoint": endpoint})
            ],
        )
        add(
            "charrnn_first_character_seconds",
            "histogram",
            "Seconds from a request to the first character of its text.",
            self._first_character.samples({}),
        )
        add(
            "charrnn_characters_read_total",
            "counter",
            "Characters of prompts and texts that models were given.",
            [("", {}, self.read)],
        )
        for name, kind, help, numbers in gauges:
            add(name, kind, help, [("", labels, value) for labels, value in numbers])
        memory = resident_bytes()
        if memory is not None:
            help = "Resident memory size in bytes."
            add("process_resident_memory_bytes", "gauge", help, [("", {}, memory)])
        help = "Start time of the server since 1970 in seconds."
        add("process_start_time_seconds", "gauge", help, [("", {}, round(self._began, 3))])
        return "\n".join(lines) + "\n"


def _line(name: str, labels: Labels, value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    number = repr(value)
    return f"{name}{{{shown}}} {number}" if shown else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def resident_bytes() -> int | None:
    """Return the memory of this process; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        if sys.platform == "darwin":
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return None
    return pages * resource.getpagesize()
