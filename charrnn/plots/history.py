"""The measurements of a run in a bounded size, read as they are written.

A training of weeks writes millions of lines. Neighbours among them are averaged until a thousand
are left, which is more than a curve can show.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from charrnn.storage.metrics_file import (
    LONGEST_MEASUREMENT,
    METRICS,
    REVISION,
    SAMPLE,
    Measurement,
    baseline_of,
    parse_measurement,
)
from charrnn.storage.untrusted_files import AddedLines

MOST_POINTS: Final = 1000
MOST_EVALUATIONS: Final = 500
MOST_BASELINES: Final = 16
RECENT: Final = 30
"""The most training points, evaluations and baselines that are kept; and the last points by which
the time left is estimated."""


@dataclass(frozen=True)
class Point:
    """Some training lines in a row.

    Attributes:
        step, seconds, characters: after the last of them.
        nats: their mean loss.
        speed: their mean speed, in characters per second.
    """

    step: float
    seconds: float
    characters: float
    nats: float
    speed: float


@dataclass
class Measurements:
    """What metrics.jsonl says, as far as it was read.

    Attributes:
        training: the training lines, neighbours averaged.
        evaluations: the lines of evaluations, some left out where there are many.
        samples: the lines with a sample: evaluations, and the network before its first step.
        baselines: the loss of simpler models by name, in nats.
        steps: the planned last step; None where it is not known.
        damaged: how many lines could not be read.
    """

    training: list[Point] = field(default_factory=list)
    evaluations: list[Measurement] = field(default_factory=list)
    samples: list[Measurement] = field(default_factory=list)
    baselines: dict[str, float] = field(default_factory=dict)
    steps: float | None = None
    damaged: int = 0
    _points_each: int = 1  # the lines of a point
    _pending: list[Point] = field(default_factory=list)
    _evaluations_each: int = 1
    _evaluated: int = 0

    @property
    def last(self) -> Point | None:
        """The last point of the training, with lines that do not fill one yet."""
        return _mean(self._pending) if self._pending else next(reversed(self.training), None)

    @property
    def points(self) -> list[Point]:
        """The training points, with lines that do not fill one yet."""
        return [*self.training, _mean(self._pending)] if self._pending else self.training

    @property
    def step(self) -> float:
        """The last step that was measured."""
        steps = [float(each["step"]) for each in self.samples[-1:] + self.evaluations[-1:]]
        return max([*steps, self.last.step if self.last is not None else 0.0])

    @property
    def seconds(self) -> float:
        """The seconds of training until then."""
        seconds = [float(each["seconds"]) for each in self.evaluations[-1:]]
        return max([*seconds, self.last.seconds if self.last is not None else 0.0])

    @property
    def seconds_left(self) -> float | None:
        """About how long the training still takes, without evaluations and saves; None where that
        is not known."""
        points = self.points[-RECENT:]
        if self.steps is None or len(points) < 2 or points[-1].step <= points[0].step:
            return None
        pace = (points[-1].seconds - points[0].seconds) / (points[-1].step - points[0].step)
        return max((float(self.steps) - self.step) * pace, 0.0)

    def add(self, line: Measurement) -> None:
        """Take a line of metrics.jsonl; ignore what it does not know."""
        if line.keys() >= _TRAINING:
            self._add_point(Point(*(float(line[name]) for name in _POINT)))
            self.steps = line.get("steps", self.steps)
        elif REVISION in line:
            self.steps = line.get("steps", self.steps)
        elif line.keys() >= _EVALUATION:
            self._add_evaluation(line)
        elif line.get(SAMPLE) and not self.samples:
            self.samples = [line]
        for name, value in line.items():
            model = baseline_of(name)
            if model is not None and len(self.baselines) < MOST_BASELINES:
                self.baselines[model] = value

    def _add_point(self, point: Point) -> None:
        self._pending.append(point)
        if len(self._pending) < self._points_each:
            return
        self.training.append(_mean(self._pending))
        self._pending = []
        if len(self.training) >= MOST_POINTS:
            pairs = zip(self.training[::2], self.training[1::2], strict=True)
            self.training = [_mean(pair) for pair in pairs]
            self._points_each *= 2

    def _add_evaluation(self, line: Measurement) -> None:
        """Keep every first, second, fourth, ... evaluation, and the last one."""
        if self.evaluations and (self._evaluated - 1) % self._evaluations_each:
            last = self.evaluations.pop()
            if self.samples and self.samples[-1] is last:
                self.samples.pop()
        self.evaluations.append(line)
        if line.get(SAMPLE):
            self.samples.append(line)
        self._evaluated += 1
        if len(self.evaluations) > MOST_EVALUATIONS:
            self._evaluations_each *= 2
            kept = {id(each) for each in self.evaluations[::2]}
            self.evaluations = self.evaluations[::2]
            self.samples = [
                each for each in self.samples if id(each) in kept or "validation_nats" not in each
            ]


_POINT: Final = ("step", "seconds", "characters", "train_nats", "characters_per_second")
_TRAINING: Final = frozenset(_POINT)
_EVALUATION: Final = frozenset({"step", "seconds", "validation_nats"})


class RunHistory:
    """The measurements of a run, which `read` brings up to date.

    Args:
        directory: that of the run.

    Attributes:
        measurements: those that were read.
    """

    def __init__(self, directory: Path) -> None:
        self._lines = AddedLines(directory / METRICS, LONGEST_MEASUREMENT)
        self._generation = 0
        self.measurements = Measurements()

    @property
    def version(self) -> tuple[int, int]:
        """What changes whenever the measurements do: how often the file began anew, as when a
        training goes back to an earlier step, and how many bytes were read."""
        return self._generation, self._lines.end

    def read(self, at_most: int | None = None) -> Measurements:
        """Read what was added to the file since the last call, or up to `at_most` bytes of it;
        return all. Raises ModelError where it cannot be read."""
        for line in self._new_lines(at_most):
            measurement = parse_measurement(line)
            if measurement is None:
                self.measurements.damaged += 1
            else:
                self.measurements.add(measurement)
        return self.measurements

    def _new_lines(self, at_most: int | None) -> Iterator[bytes]:
        """Yield the lines that were added; forget the others where the file is another one."""
        lines = self._lines.read(at_most)
        first = next(lines, None)
        if self._lines.generation != self._generation:
            self._generation, self.measurements = self._lines.generation, Measurements()
        if first is not None:
            yield first
            yield from lines


def _mean(points: Any) -> Point:
    """Return several points in a row as one."""
    points = list(points)
    last = points[-1]
    return Point(
        last.step,
        last.seconds,
        last.characters,
        sum(each.nats / len(points) for each in points),  # the sum of hostile numbers may overflow
        sum(each.speed / len(points) for each in points),
    )
