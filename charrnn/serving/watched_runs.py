"""WatchedRuns: the runs under `checkpoints/` as a page watches them, read from metrics.jsonl alone
(and the task, text and unit from a checkpoint).

Asking is cheap: only files that have changed are read, and only what was added to them.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from charrnn.errors import ModelError
from charrnn.plots.curves import Drawn, make_chart
from charrnn.plots.history import Measurements, Point, RunHistory
from charrnn.plots.run_description import RunDescription, describe_run
from charrnn.plots.svg import draw_svg
from charrnn.storage.metrics_file import METRICS, Measurement, parse_measurement
from charrnn.storage.run import RUNS
from charrnn.storage.run_listing import MeasuredRun, measured_runs
from charrnn.storage.untrusted_files import read_last_lines

MOST_HISTORIES: Final = 32
"""The most runs whose measurements are kept in memory, those last asked for."""

READ_AT_ONCE: Final = 8 << 20
"""The most bytes of a file that are read for a request; the next request reads on."""

TAIL: Final = 256 << 10
"""The last bytes of a file that the list of runs looks at."""

MOST_PICTURES: Final = 16
"""The most drawn curves that are kept."""


class UnknownRunError(Exception):
    """A name that is not in the list of runs."""


class WatchedRuns:
    """The runs in a folder. Safe to use from several threads.

    Args:
        folder: where the runs lie.
        clock: returns the seconds since 1970.
    """

    def __init__(self, folder: Path = RUNS, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock
        self._lock = threading.Lock()
        self._summaries: dict[Path, tuple[MeasuredRun, dict[str, Any]]] = {}
        self._descriptions: dict[Path, tuple[int, RunDescription]] = {}
        self._histories: OrderedDict[Path, RunHistory] = OrderedDict()
        self._pictures: OrderedDict[tuple[Any, ...], str] = OrderedDict()

    def summaries(self) -> list[dict[str, Any]]:
        """Return what is known of each run in short, the newest first."""
        with self._lock:
            now = self._clock()
            known, self._summaries = self._summaries, {}
            entries = []
            for name, run in self._named().items():
                before, summary = known.get(run.directory, (None, {}))
                if before is None or before.identity != run.identity:
                    summary = {**_kept(before, run, summary), **_summary(run)}
                self._summaries[run.directory] = (run, summary)
                description = self._describe(run)
                entry = {"name": name, "live": run.is_live(now), "changed": run.changed}
                entry |= {"task": description.task, "corpus": description.corpus}
                entries.append({**entry, "unit": description.unit, **summary})
            return entries

    def details(self, name: str, after: float) -> tuple[str, dict[str, Any]]:
        """Return the measurements of a run after a step, and a text that changes whenever they
        do.

        Raises UnknownRunError, and ModelError where they cannot be read.
        """
        with self._lock:
            run = self._find(name)
            history, known = self._read(run)
            live = run.is_live(self._clock())
            description = self._describe(run)
            version = f"{'-'.join(map(str, history.version))}-{live}-{description.task}"
            last = known.last
            return version, {
                "name": name,
                "live": live,
                "task": description.task,
                "corpus": description.corpus,
                "unit": description.unit,
                "generation": history.version[0],
                "step": known.step,
                "steps": known.steps,
                "seconds": known.seconds,
                "seconds_left": known.seconds_left if live else None,
                "characters_per_second": None if last is None else last.speed,
                "training": [_point(each) for each in known.points if each.step > after],
                "evaluations": [
                    line for line in _evaluations(known) if float(line["step"]) > after
                ],
                "baselines": known.baselines,
                "next_after": _next_after(known),
            }

    def curves(self, names: Sequence[str], x: str, width: int, height: int) -> tuple[str, str]:
        """Return the curves of runs as SVG, and a text that changes whenever they do.

        Raises UnknownRunError, ModelError, and ConfigError as `make_chart`.
        """
        with self._lock:
            drawn, versions = [], []
            for name in dict.fromkeys(names):
                run = self._find(name)
                history, known = self._read(run)
                unit = self._describe(run).unit
                drawn.append(Drawn(name, known, unit))
                versions.append((name, unit, run.directory, *history.version))
            key = (tuple(versions), x, width, height)
            if key not in self._pictures:
                ticks = {"x_ticks": max(width // 100, 2), "y_ticks": max(height // 75, 2)}
                chart = make_chart(drawn, x, **ticks)
                # The policy of the server forbids styles: the page colours the picture.
                self._pictures[key] = draw_svg(chart, width, height, styled=False)
                while len(self._pictures) > MOST_PICTURES:
                    self._pictures.popitem(last=False)
            self._pictures.move_to_end(key)
            return str(abs(hash(key))), self._pictures[key]

    def _named(self) -> dict[str, MeasuredRun]:
        """Return the runs by the names that they are asked for by."""
        named: dict[str, MeasuredRun] = {}
        for run in measured_runs(self._folder):
            named.setdefault(public_name(run.name), run)
        return named

    def _find(self, name: str) -> MeasuredRun:
        run = self._named().get(name)
        if run is None:
            raise UnknownRunError(name)
        return run

    def _read(self, run: MeasuredRun) -> tuple[RunHistory, Measurements]:
        history = self._histories.setdefault(run.directory, RunHistory(run.directory))
        self._histories.move_to_end(run.directory)
        while len(self._histories) > MOST_HISTORIES:
            self._histories.popitem(last=False)
        return history, history.read(READ_AT_ONCE)

    def _describe(self, run: MeasuredRun) -> RunDescription:
        """Return what a checkpoint says; read once, as it does not change."""
        inode = run.directory.stat().st_ino if run.directory.exists() else 0
        known = self._descriptions.get(run.directory)
        if known is None or known[0] != inode or known[1].task is None:
            known = self._descriptions[run.directory] = (inode, describe_run(run.directory))
        return known[1]


def public_name(name: str) -> str:
    """Return the name of a run in Unicode: bytes that are not UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def _kept(before: MeasuredRun | None, run: MeasuredRun, summary: dict[str, Any]) -> dict[str, Any]:
    """Return what of an older summary holds on, as its lines may no longer be among the last: all,
    where the file has become longer."""
    if before is None:
        return {}
    device, inode, size, _ = before.identity
    return summary if (device, inode) == run.identity[:2] and size <= run.identity[2] else {}


def _summary(run: MeasuredRun) -> dict[str, Any]:
    """Return the last training line and the last evaluation of a run in short."""
    try:
        lines = read_last_lines(run.directory / METRICS, TAIL)
    except ModelError:
        return {}
    training: Measurement = {}
    evaluation: Measurement = {}
    for content in reversed(lines):
        line = parse_measurement(content) or {}
        if not training and "train_nats" in line:
            training = line
        if not evaluation and "validation_nats" in line:
            evaluation = line
        if training and evaluation:
            break
    ends = [each for each in (training, evaluation) if each]
    summary = {name: training[name] for name in _TRAINING if name in training}
    summary |= {name: evaluation[name] for name in _EVALUATION if name in evaluation}
    if "validation_nats" in summary:
        summary["validation_bits"] = float(summary["validation_nats"]) / math.log(2)
    if ends:
        summary["step"] = max(each["step"] for each in ends)
        summary["seconds"] = max(float(each.get("seconds", 0.0)) for each in ends)
    return summary


_TRAINING: Final = ("characters", "characters_per_second", "steps")
_EVALUATION: Final = ("validation_nats", "accuracy", "root_mean_squared_error")


def _point(point: Point) -> dict[str, float]:
    return {
        "step": point.step,
        "seconds": point.seconds,
        "characters": point.characters,
        "train_nats": point.nats,
        "characters_per_second": point.speed,
    }


def _evaluations(known: Measurements) -> list[Measurement]:
    """Return the evaluations, and the sample of the network before its first step."""
    untrained = [line for line in known.samples[:1] if "validation_nats" not in line]
    return [*untrained, *known.evaluations]


def _next_after(known: Measurements) -> float:
    """Return the step after which the next request asks: what has it may still change, as several
    lines have one step, and the last point is the mean of lines that are not all written."""
    ends = [known.training[-1].step if known.training else -1.0]
    if known.evaluations:
        ends.append(float(known.evaluations[-1]["step"]))
    return max(min(ends) - 1, -1.0)
