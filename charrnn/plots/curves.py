"""What is drawn of one or more runs: their losses beside baselines, over time, text or steps.

A Chart is what all drawings have in common, in a file and in a terminal.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from charrnn.errors import ConfigError
from charrnn.evaluation.baselines import BASELINES
from charrnn.plots.axes import Axis, amount_axis, clock, clock_axis, number, value_axis
from charrnn.plots.history import Measurements, Point

X_AXES: Final = ("seconds", "characters", "steps")
"""What the horizontal axis may show."""

MOST_RUNS: Final = 8
"""The most runs of a chart: as many as there are colours."""

SMOOTHED: Final = 40
"""The training loss is smoothed over a share of its points, one in so many."""

Curve = tuple[tuple[float, float], ...]
"""Points (x, y), in the order of the steps."""


@dataclass(frozen=True)
class Measure:
    """What the vertical axis shows.

    Attributes:
        name: the key in the line of an evaluation.
        title: what people call it; `{unit}` stands for the unit of text.
        baseline: the key of the simplest guess in the line of an evaluation; None where the lines
            of baselines have what to compare with.
        guess: what people call that guess.
        value: returns what is shown of a value.
        has_training: whether the losses of training lines are shown as well.
    """

    name: str
    title: str
    baseline: str | None = None
    guess: str = ""
    value: Callable[[float], float] = float
    has_training: bool = False


MEASURES: Final = (
    Measure("accuracy", "accuracy", "baseline_accuracy", "most frequent class"),
    Measure(
        "root_mean_squared_error",
        "root mean squared error",
        "baseline_root_mean_squared_error",
        "mean of the numbers",
    ),
    Measure(
        "validation_nats",
        "bits{unit}",
        value=lambda nats: nats / math.log(2),
        has_training=True,
    ),
)
"""What is shown of a run: the first measure that its evaluations have."""

UNEVALUATED: Final = Measure("train_nats", "training loss", has_training=True)
"""What is shown before the first evaluation, which alone tells what is measured."""


@dataclass(frozen=True)
class Drawn:
    """A run to draw.

    Attributes:
        name: what it is called.
        measurements: what it has measured.
        unit: `character`, `byte`, or empty where it is not known.
    """

    name: str
    measurements: Measurements
    unit: str = ""


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        run: the number of its run, from 0.
        name: `training`, `validation` or the measure's title.
        curve: its points.
        is_evaluation: whether its points are evaluations.
    """

    run: int
    name: str
    curve: Curve
    is_evaluation: bool


@dataclass(frozen=True)
class Level:
    """A baseline: a horizontal line.

    Attributes:
        name: what it is the loss of.
        value: its height.
        run: the number of its run; None for a baseline of all runs.
    """

    name: str
    value: float
    run: int | None = None


@dataclass(frozen=True)
class Chart:
    """Curves of runs.

    Attributes:
        title: what is shown.
        description: the same in words, with the numbers.
        runs: the names of the runs.
        x, y: the axes.
        series, levels: what is drawn; a level may lie outside of the vertical axis.
    """

    title: str
    description: str
    runs: tuple[str, ...]
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    levels: tuple[Level, ...]

    @property
    def kinds(self) -> str:
        """What tells training from validation where several runs have both; else empty."""
        kinds = {each.is_evaluation for each in self.series}
        return "thick: validation, thin: training" if len(kinds) == 2 < 1 + len(self.runs) else ""

    @property
    def visible_levels(self) -> tuple[Level, ...]:
        """The levels within the vertical axis."""
        return tuple(each for each in self.levels if self.y.low <= each.value <= self.y.high)

    @property
    def end_labels(self) -> list[tuple[str, float, int | None]]:
        """What stands at the right end of the curves: text, value, and the run it belongs to."""
        several = len(self.runs) > 1
        labels: list[tuple[str, float, int | None]] = []
        for each in self.series:
            if each.curve and (each.is_evaluation or not several):
                value = each.curve[-1][1]
                name = "" if several else f"{each.name} "
                labels.append((f"{name}{number(value, 3)}", value, each.run))
        for level in self.visible_levels:
            run = level.run if several else None
            labels.append((f"{level.name} {number(level.value, 3)}", level.value, run))
        return labels


def make_chart(
    runs: Sequence[Drawn], x: str = "seconds", *, x_ticks: int = 8, y_ticks: int = 6
) -> Chart:
    """Return the chart of one or more runs.

    Args:
        x: the entry of X_AXES on the horizontal axis.
        x_ticks, y_ticks: about how many ticks there is room for.

    Raises ConfigError where a run has nothing to show, or runs cannot be shown together.
    """
    if x not in X_AXES:
        raise ConfigError(f"x {x!a}: choose from {', '.join(X_AXES)}")
    if not 1 <= len(runs) <= MOST_RUNS:
        raise ConfigError(f"{len(runs)} runs: choose 1 to {MOST_RUNS}")
    measure = _common_measure(runs)
    series = tuple(
        each for number, run in enumerate(runs) for each in _series(number, run, measure, x)
    )
    levels = _levels(runs, measure)
    units = {run.unit for run in runs}
    unit = f" per {units.pop()}" if len(units) == 1 and "" not in units else ""
    y_title = measure.title.format(unit=unit)
    low, high = _range(series, levels)
    most = max((at for each in series for at, _ in each.curve), default=0.0)
    names = tuple(run.name for run in runs)
    return Chart(
        title=f"{y_title} of {', '.join(names)}",
        description=_describe(runs, series, levels, y_title),
        runs=names,
        x=_x_axis(x, most, x_ticks),
        y=value_axis(y_title, low, high, y_ticks),
        series=series,
        levels=levels,
    )


def _common_measure(runs: Sequence[Drawn]) -> Measure:
    measures = {}
    for run in runs:
        known = run.measurements.evaluations
        if not known and not run.measurements.points:
            raise ConfigError(f"{run.name}: nothing was measured yet; try again in a moment")
        if known:
            shown = next(each for each in MEASURES if each.name in known[-1])
            measures[run.name] = shown
    if len({each.name for each in measures.values()}) > 1:
        (a, first), (b, second) = _two_that_differ(measures)
        raise ConfigError(
            f"{a} is measured in {first.title.format(unit='')}, {b} in "
            f"{second.title.format(unit='')}: plot them one at a time"
        )
    return next(iter(measures.values()), UNEVALUATED)


def _two_that_differ(measures: dict[str, Measure]) -> list[tuple[str, Measure]]:
    first = next(iter(measures.items()))
    return [first, next(each for each in measures.items() if each[1] != first[1])]


def _series(number: int, run: Drawn, measure: Measure, x: str) -> list[Series]:
    measured = run.measurements
    points = measured.points
    series = []
    if measure.has_training and points:
        smooth = smoothed([each.nats for each in points])
        curve = tuple(
            (_x_of_point(each, x), measure.value(nats))
            for each, nats in zip(points, smooth, strict=True)
        )
        series.append(Series(number, "training", curve, is_evaluation=False))
    evaluated = tuple(
        (_x_of_evaluation(line, points, x), measure.value(float(line[measure.name])))
        for line in measured.evaluations
        if measure.name in line
    )
    if evaluated:
        series.append(Series(number, "validation", evaluated, is_evaluation=True))
    return series


def _x_of_point(point: Point, x: str) -> float:
    return {"seconds": point.seconds, "characters": point.characters, "steps": point.step}[x]


def _x_of_evaluation(line: Any, points: Sequence[Point], x: str) -> float:
    """Return where an evaluation stands. Its line has no characters: they are in proportion to the
    steps between the training lines around it."""
    step = float(line["step"])
    if x != "characters":
        return step if x == "steps" else float(line["seconds"])
    at = bisect_left(points, step, key=lambda each: each.step)
    after = points[at] if at < len(points) else None
    before = points[at - 1] if at else None
    if after is not None and before is not None and after.step > before.step:
        share = (step - before.step) / (after.step - before.step)
        return before.characters + share * (after.characters - before.characters)
    near = after or before
    return near.characters * (step / near.step) if near is not None and near.step > 0 else 0.0


def smoothed(values: Sequence[float]) -> list[float]:
    """Return an exponential moving average, bias-corrected as in Adam, over one in SMOOTHED of the
    values."""
    decay = 1 - min(1.0, SMOOTHED / max(len(values), 1))
    total = weight = 0.0
    averages = []
    for value in values:
        total = decay * total + (1 - decay) * value
        weight = decay * weight + (1 - decay)
        averages.append(total / weight)
    return averages


def _levels(runs: Sequence[Drawn], measure: Measure) -> tuple[Level, ...]:
    """Return the baselines; those that runs have in common once."""
    each_run: list[dict[str, float]] = []
    for run in runs:
        if measure.baseline is None:
            known = run.measurements.baselines.items()
            each_run.append({BASELINES.get(k, k): measure.value(float(v)) for k, v in known})
        else:
            lines = [line for line in run.measurements.evaluations if measure.baseline in line]
            value = {measure.guess: float(lines[-1][measure.baseline])} if lines else {}
            each_run.append(value)
    names = list(dict.fromkeys(name for values in each_run for name in values))
    levels = []
    for name in names:
        values = [(at, known[name]) for at, known in enumerate(each_run) if name in known]
        is_common = all(math.isclose(value, values[0][1], rel_tol=1e-6) for _, value in values)
        if is_common:
            levels.append(Level(name, values[0][1], values[0][0] if len(values) == 1 else None))
        else:
            levels += [Level(name, value, at) for at, value in values]
    return tuple(levels)


def _range(series: Sequence[Series], levels: Sequence[Level]) -> tuple[float, float]:
    """Return the values that the vertical axis covers: all evaluations and baselines, and of the
    training loss what follows its steep beginning."""
    evaluated = [y for each in series if each.is_evaluation for _, y in each.curve]
    learned = [y for each in series if not each.is_evaluation for _, y in each.curve]
    settled = [
        y
        for each in series
        if not each.is_evaluation
        for _, y in each.curve[len(each.curve) // SMOOTHED :]
    ]
    values = [*evaluated, *(level.value for level in levels), *(settled or learned)]
    return min(values), max(values)


def _x_axis(x: str, high: float, ticks: int) -> Axis:
    if x == "seconds":
        return clock_axis("time spent training", high, ticks)
    title = "characters learned from" if x == "characters" else "steps"
    return amount_axis(title, high, ticks)


def _describe(
    runs: Sequence[Drawn], series: Sequence[Series], levels: Sequence[Level], y_title: str
) -> str:
    """Return what a chart shows in sentences."""
    sentences = []
    for at, run in enumerate(runs):
        said = []
        for each in series:
            if each.run == at and each.curve:
                first, last = each.curve[0][1], each.curve[-1][1]
                said.append(f"{each.name} from {number(first, 3)} to {number(last, 3)}")
        spent = clock(run.measurements.seconds)
        sentences.append(f"{run.name}: {y_title} in {spent} of training, {', '.join(said)}.")
    for level in levels:
        of = "" if level.run is None or len(runs) == 1 else f" of {runs[level.run].name}"
        sentences.append(f"Baseline {level.name}{of}: {number(level.value, 3)}.")
    return " ".join(sentences)
