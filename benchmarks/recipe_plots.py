"""Plots a search for a recipe: SVG files from the lines of benchmarks.quality.

    python -m benchmarks.recipe_plots EVIDENCE.jsonl [...] --out docs/recipe [--corpus NAME] [--png]

- loss-by-budget: for each corpus, the chosen recipe's loss over the budgets, beside all settings by
hand and the n-grams. One picture for times, one for steps.
- loss-by-characters: on one corpus (--corpus, otherwise the one with the most hidden sizes), the
loss of each hidden size over the characters read.
- distance: how far the chosen recipe's loss is above the best one found, for each corpus and
budget.
- expected: the loss that was expected before training (expected_nats, with expected_low and
expected_high) and the reached loss, for lines that have both.

The same lines give the same bytes. This needs matplotlib: pip install matplotlib.
"""

import argparse
import io
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from benchmarks.quality_table import (
    CHOSEN,
    Budget,
    Record,
    above_best,
    distinct,
    grouped,
    mean_nats,
    parse_budget,
    read_records,
    spread,
)

STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "charrnn",  # the seed of names in the file, otherwise random
    "svg.fonttype": "none",  # text as text: a fifth of the size, and searchable
    "font.sans-serif": ["DejaVu Sans"],  # matplotlib's own font, then any sans-serif
    "figure.facecolor": "white",  # also on dark pages
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "legend.frameon": False,
}

COLORS: Final = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#000000",
    "#8a6d00",
)
"""The palette of Okabe & Ito, which colour-blind people can distinguish, with a darker yellow."""

MARKERS: Final = "osD^vPX*"

OURS, OTHERS, PLAIN = COLORS[1], "#8c8c8c", "#555555"

WIDTH: Final = 8.0
"""The width of every picture in inches."""

COLUMNS: Final = 3
"""The number of panels side by side."""


def by_budget(records: Sequence[Record]) -> dict[Budget, list[Record]]:
    """Return the runs of each budget, the smallest first."""
    groups = {parse_budget(text): runs for (text,), runs in grouped(records, "budget").items()}
    return dict(sorted(groups.items(), key=lambda group: group[0].amount))


def loss_by_budget(records: Sequence[Record], unit: str) -> Figure:
    """Plot a panel for each corpus; all budgets must have the same unit."""
    corpora = {name: runs for (name,), runs in grouped(records, "corpus").items()}
    columns = min(COLUMNS, len(corpora))
    rows = math.ceil(len(corpora) / columns)
    figure = Figure(figsize=(WIDTH, 0.6 + 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (corpus, runs) in zip(panels, corpora.items(), strict=False):
        _loss_panel(axes, runs)
        axes.set_title(f"{corpus}, {_short(runs[0]['characters'])} characters")
    for axes in panels[len(corpora) :]:
        axes.remove()
    figure.supxlabel(f"budget, {unit}", fontsize=9)
    figure.supylabel("nats per character, held out", fontsize=9)
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        found, labels = axes.get_legend_handles_labels()
        handles |= dict(zip(labels, found, strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))
    return figure


def _loss_panel(axes: Axes, runs: Sequence[Record]) -> None:
    """Plot the chosen recipe's curve over the points of the others."""
    others = [run for run in runs if run["recipe"] != CHOSEN]
    chosen = by_budget([run for run in runs if run["recipe"] == CHOSEN])
    for budget, group in by_budget(others).items():
        losses = [mean_nats(setting) for setting in _settings(group)]
        axes.plot(
            [budget.amount] * len(losses),
            losses,
            "o",
            color=OTHERS,
            markersize=4,
            markeredgewidth=0,
            alpha=0.7,
            label="set by hand",
        )
    if chosen:
        axes.errorbar(
            [budget.amount for budget in chosen],
            [mean_nats(group) for group in chosen.values()],
            [_or_zero(spread(group)) for group in chosen.values()],
            color=OURS,
            marker="o",
            markersize=5,
            linewidth=1.8,
            label="chosen (mean and deviation over seeds)",
        )
    n_grams = runs[0].get("n_gram_nats")
    if n_grams is not None:
        axes.axhline(n_grams, color=PLAIN, linestyle=":", linewidth=1, label="n-grams")
    _logarithmic(axes, [budget.amount for budget in by_budget(runs)])


def loss_by_characters(records: Sequence[Record], corpus: str) -> Figure:
    """Plot the best run of each hidden size at each budget: thin lines are its evaluations, thick
    lines join the best models."""
    runs = [run for run in records if run["corpus"] == corpus]
    sizes = {size: group for (size,), group in grouped(runs, "hidden_size").items()}
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.subplots()
    shades = matplotlib.colormaps["viridis"]
    ends: list[tuple[float, float]] = []
    for number, size in enumerate(sorted(sizes)):
        color = shades(0.9 * number / max(len(sizes) - 1, 1))
        best = [
            min(group, key=lambda run: float(run["nats"]))
            for group in by_budget(sizes[size]).values()
        ]
        for run in best:
            axes.plot(*zip(*run["curve"], strict=True), color=color, linewidth=0.8, alpha=0.45)
        reached = sorted((_characters_at_best(run), run["nats"]) for run in best)
        axes.plot(
            *zip(*reached, strict=True),
            color=color,
            marker=MARKERS[number % len(MARKERS)],
            linewidth=2,
            label=f"{size}",
        )
        ends += reached
    levels = [nats for _, nats in ends]
    n_grams = runs[0].get("n_gram_nats")
    if n_grams is not None:
        axes.axhline(n_grams, color=PLAIN, linestyle=":", linewidth=1, label="(n-grams)")
        levels.append(n_grams)
    # The high losses of the first evaluations would flatten all others.
    margin = 0.08 * (max(levels) - min(levels)) + 0.02
    axes.set_ylim(min(levels) - margin, max(levels) + 4 * margin)
    axes.set_xscale("log")
    axes.set_xlim(left=min(characters for characters, _ in ends) / 3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("characters read")
    axes.set_ylabel("nats per character, held out")
    axes.set_title(f"{corpus}, {_short(runs[0]['characters'])} characters")
    axes.legend(title="hidden size")
    return figure


def distance(records: Sequence[Record]) -> Figure | None:
    """Plot a row for each corpus with a mark for each budget; None where there is nothing to
    compare."""
    marks: list[tuple[str, str, float]] = []
    for (corpus, budget), group in grouped(records, "corpus", "budget").items():
        by_recipe = {recipe: runs for (recipe,), runs in grouped(group, "recipe").items()}
        above = above_best(by_recipe)
        if above is not None:
            marks.append((corpus, budget, 100 * above))
    if not marks:
        return None
    corpora = list(dict.fromkeys(corpus for corpus, _, _ in marks))
    budgets = sorted(
        {parse_budget(budget) for _, budget, _ in marks},
        key=lambda budget: (budget.in_steps, budget.amount),
    )
    figure = Figure(figsize=(WIDTH, 1.3 + 0.5 * len(corpora)), layout="constrained")
    axes = figure.subplots()
    shades = matplotlib.colormaps["viridis"]
    for number, budget in enumerate(budgets):
        found = [
            (above, corpora.index(corpus)) for corpus, text, above in marks if text == budget.text
        ]
        # Marks at the same place, often 0, are drawn beside each other.
        shift = 0.6 * (number / max(len(budgets) - 1, 1) - 0.5)
        axes.plot(
            [above for above, _ in found],
            [row + shift for _, row in found],
            MARKERS[number % len(MARKERS)],
            color=shades(0.9 * number / max(len(budgets) - 1, 1)),
            clip_on=False,
            label=budget.text,
        )
    axes.set_yticks(range(len(corpora)), corpora)
    axes.set_ylim(len(corpora) - 0.5, -0.5)
    axes.set_xlim(left=0, right=max(1.0, 1.1 * max(above for _, _, above in marks)))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("the chosen recipe's loss above the best that was found, %")
    figure.legend(loc="outside upper center", ncols=min(len(budgets), 6), title="budget")
    return figure


def expected(records: Sequence[Record]) -> Figure | None:
    """Plot expected and reached loss, a mark for each setting; None where no loss was expected."""
    known = [record for record in records if record.get("expected_nats") is not None]
    if not known:
        return None
    figure = Figure(figsize=(6.0, 5.2), layout="constrained")
    axes = figure.subplots()
    for number, corpus in enumerate(distinct(known, "corpus")):
        groups = _settings([run for run in known if run["corpus"] == corpus])
        guesses = [_mean(group, "expected_nats") for group in groups]
        lows = [_mean(group, "expected_low", "expected_nats") for group in groups]
        highs = [_mean(group, "expected_high", "expected_nats") for group in groups]
        axes.errorbar(
            guesses,
            [mean_nats(group) for group in groups],
            xerr=(
                [max(guess - low, 0) for guess, low in zip(guesses, lows, strict=True)],
                [max(high - guess, 0) for guess, high in zip(guesses, highs, strict=True)],
            ),
            fmt=MARKERS[number % len(MARKERS)],
            color=COLORS[number % len(COLORS)],
            markersize=5,
            elinewidth=0.8,
            label=corpus,
        )
    low = min(*axes.get_xlim(), *axes.get_ylim())
    high = max(*axes.get_xlim(), *axes.get_ylim())
    axes.plot([low, high], [low, high], color=PLAIN, linewidth=1, zorder=0, label="as expected")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel("nats per character, expected (with its range)")
    axes.set_ylabel("nats per character, reached")
    axes.legend()
    return figure


def _settings(records: Sequence[Record]) -> list[list[Record]]:
    """Return the runs that differ only in the seed, in groups."""
    return list(grouped(records, "corpus", "budget", "recipe", "flags").values())


def _mean(records: Sequence[Record], *names: str) -> float:
    """Return the mean of the first of these fields that a line has."""
    values = (
        next(record[name] for name in names if record.get(name) is not None) for record in records
    )
    return statistics.fmean(values)


def _characters_at_best(run: Record) -> float:
    return float(run["characters_read"] * run["best_step"] / run["steps"])


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _short(count: float) -> str:
    """Return a number like 12k, 1.1M."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{suffix}"
    return f"{count:g}"


def _logarithmic(axes: Axes, ticks: Sequence[float]) -> None:
    """Make an axis logarithmic, with the budgets as ticks where they are few."""
    axes.set_xscale("log")
    if len(ticks) <= 5:
        axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def draw(records: Sequence[Record], corpus: str | None = None) -> dict[str, Figure]:
    """Return the pictures that the runs suffice for, by name."""
    figures: dict[str, Figure | None] = {}
    for unit, in_steps in (("steps", True), ("seconds", False)):
        runs = [run for run in records if parse_budget(run["budget"]).in_steps == in_steps]
        if runs:
            figures[f"loss-by-budget-{unit}"] = loss_by_budget(runs, unit)
    figures["loss-by-characters"] = loss_by_characters(records, corpus or most_sizes(records))
    figures["distance"] = distance(records)
    figures["expected"] = expected(records)
    return {name: figure for name, figure in figures.items() if figure is not None}


def most_sizes(records: Sequence[Record]) -> str:
    """Return the corpus that was tried with the most hidden sizes."""
    corpora = {name: runs for (name,), runs in grouped(records, "corpus").items()}
    return str(max(corpora, key=lambda name: len(distinct(corpora[name], "hidden_size"))))


def write(figures: Mapping[str, Figure], folder: Path, *, png: bool) -> list[Path]:
    """Write NAME.svg for each picture, and NAME.png to look at."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.svg")
        content = io.StringIO()
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
        paths[-1].write_text(compact(content.getvalue()), encoding="utf-8")
        if png:
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1], dpi=110)
    return paths


def compact(svg: str) -> str:
    """Return the same picture in half the bytes: coordinates to a hundredth of a point, without
    comments."""
    svg = re.sub(r"(\.\d\d)\d{3,}", r"\1", svg)  # numbers in labels have fewer digits
    svg = re.sub(r" transform=\"rotate\(-0 [^)]*\)\"", "", svg)
    svg = re.sub(r"<g id=\"[^\"]*\">", "<g>", svg)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    return re.sub(r"\n\s*", "\n", svg)


def main() -> None:
    """Print where the pictures are, and their sizes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument(
        "evidence", type=Path, nargs="+", help="what benchmarks.quality --json wrote"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--corpus", help="of loss-by-characters")
    parser.add_argument("--png", action="store_true", help="write PNG files as well, to look at")
    options = parser.parse_args()
    try:
        records = read_records(options.evidence)
    except ValueError as error:
        parser.error(str(error))
    if not records:
        parser.error("there is no run in the evidence")
    corpora = distinct(records, "corpus")
    if options.corpus not in (None, *corpora):
        parser.error(f"--corpus {options.corpus}: choose from {', '.join(corpora)}")
    with matplotlib.rc_context(STYLE):
        for path in write(draw(records, options.corpus), options.out, png=options.png):
            print(f"{path}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
