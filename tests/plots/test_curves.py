"""Charts show each run in its own measure, beside what it is to be compared with."""

import math

import pytest

from charrnn.errors import ConfigError
from charrnn.plots.curves import MOST_RUNS, X_AXES, make_chart, smoothed
from tests.plots.runs import (
    drawn,
    evaluation_line,
    lines_of_a_run,
    training_line,
)


def test_a_language_model_is_shown_in_bits_beside_baselines() -> None:
    chart = make_chart([drawn("fables", lines_of_a_run())])
    assert chart.title == "bits per character of fables"
    training, validation = chart.series
    assert (training.name, validation.name) == ("training", "validation")
    assert [x for x, _ in validation.curve] == [5.0, 10.0, 15.0, 20.0]
    expected = [(1.5 + 25 / step) / math.log(2) for step in (50, 100, 150, 200)]
    assert [y for _, y in validation.curve] == pytest.approx(expected)
    assert len(training.curve) == 20
    levels = {level.name: level.value for level in chart.levels}
    assert levels == pytest.approx(
        {
            "character frequencies": 3 / math.log(2),
            "n-grams": 1.6 / math.log(2),
            "xz": 2 / math.log(2),
        }
    )
    assert all(chart.y.low <= y <= chart.y.high for _, y in validation.curve)
    for said in ("fables: bits per character", "validation from 2.885", "xz: 2.885"):
        assert said in chart.description


@pytest.mark.parametrize("unit", ["character", "byte", ""])
def test_the_unit_is_said_where_it_is_known(unit: str) -> None:
    chart = make_chart([drawn("run", lines_of_a_run(), unit)])
    assert chart.y.title == (f"bits per {unit}" if unit else "bits")


def test_of_runs_with_different_units_none_is_said() -> None:
    runs = [drawn("a", lines_of_a_run(), "character"), drawn("b", lines_of_a_run(), "byte")]
    assert make_chart(runs).y.title == "bits"


@pytest.mark.parametrize(
    ("measures", "title", "level"),
    [
        (
            {"accuracy": 0.9, "macro_f1": 0.8, "baseline_accuracy": 0.5},
            "accuracy",
            ("most frequent class", 0.5),
        ),
        (
            {
                "root_mean_squared_error": 2.0,
                "r_squared": 0.8,
                "baseline_root_mean_squared_error": 7,
            },
            "root mean squared error",
            ("mean of the numbers", 7),
        ),
    ],
)
def test_other_tasks_are_shown_in_their_own_measure(
    measures: dict[str, float], title: str, level: tuple[str, float]
) -> None:
    lines = [training_line(10), evaluation_line(10, **measures), evaluation_line(20, **measures)]
    chart = make_chart([drawn("moods", lines)])
    assert chart.y.title == title
    assert [(series.name, len(series.curve)) for series in chart.series] == [("validation", 2)]
    assert [(each.name, each.value) for each in chart.levels] == [level]


def test_runs_in_different_measures_are_not_drawn_together() -> None:
    runs = [drawn("a", lines_of_a_run()), drawn("b", [evaluation_line(5, accuracy=0.5)])]
    with pytest.raises(ConfigError, match="^a is measured in bits, b in accuracy: plot them one"):
        make_chart(runs)


def test_before_the_first_evaluation_nobody_knows_the_measure() -> None:
    chart = make_chart([drawn("young", [training_line(10), training_line(20)])])
    assert chart.y.title == "training loss"
    assert [y for _, y in chart.series[0].curve] == [2.0, 2.0]
    both = make_chart([drawn("old", lines_of_a_run()), drawn("young", [training_line(10)])])
    assert both.y.title == "bits per character" and len(both.series) == 3


@pytest.mark.parametrize("x", X_AXES)
def test_an_evaluation_stands_where_the_training_was_then(x: str) -> None:
    lines = [training_line(10), evaluation_line(15), training_line(20), evaluation_line(26)]
    chart = make_chart([drawn("run", lines)], x)
    places = {"seconds": [1.5, 2.6], "characters": [1500, 2600], "steps": [15, 26]}
    assert [each for each, _ in chart.series[1].curve] == pytest.approx(places[x])


def test_baselines_that_runs_share_are_drawn_once() -> None:
    shared = make_chart([drawn("a", lines_of_a_run()), drawn("b", lines_of_a_run(floor=1.2))])
    assert [level.run for level in shared.levels] == [None, None, None]
    other = [
        {**line, "baseline_xz_nats": 1.0} if "baseline_xz_nats" in line else line
        for line in lines_of_a_run()
    ]
    different = make_chart([drawn("a", lines_of_a_run()), drawn("b", other)])
    assert [(each.name, each.run) for each in different.levels if each.name == "xz"] == [
        *(("xz", 0), ("xz", 1)),
    ]


def test_a_steep_beginning_does_not_flatten_the_rest() -> None:
    lines = [training_line(10 * step, 100.0 if step < 3 else 2.0) for step in range(1, 400)]
    chart = make_chart([drawn("run", [*lines, evaluation_line(4000, 2.0)])])
    assert chart.y.high < 60


def test_nothing_to_show_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigError, match="^empty: nothing was measured yet"):
        make_chart([drawn("empty", [{"step": 0, "sample": "x"}])])
    with pytest.raises(ConfigError, match="choose from seconds, characters, steps"):
        make_chart([drawn("a", lines_of_a_run())], "epochs")
    with pytest.raises(ConfigError, match=f"choose 1 to {MOST_RUNS}"):
        make_chart([drawn("a", lines_of_a_run())] * (MOST_RUNS + 1))


def test_smoothing_keeps_what_is_constant_and_few_values_as_they_are() -> None:
    assert smoothed([5.0] * 1000) == pytest.approx([5.0] * 1000)
    assert smoothed([3.0, 1.0, 2.0]) == [3.0, 1.0, 2.0]
    noisy = smoothed([float(each % 2) for each in range(1000)])
    assert all(abs(each - 0.5) < 0.05 for each in noisy[200:])
