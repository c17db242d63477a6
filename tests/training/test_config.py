import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from charrnn.errors import ConfigError
from charrnn.training.config import TrainingConfig
from charrnn.training.options import PRECISIONS, TrainingOptions, parse_duration

MakeConfig = Callable[..., TrainingConfig]

OUT_OF_RANGE: list[dict[str, Any]] = [
    {"steps": 0},
    {"steps": -1},
    {"batch_size": 0},
    {"sequence_length": 0},
    {"learning_rate": 0.0},
    {"learning_rate": -0.1},
    {"learning_rate": math.nan},
    {"learning_rate": math.inf},
    {"clip": -1.0},
    {"clip": math.nan},
    {"seed": -1},
    {"precision": "fp16"},
    {"validation_fraction": 0.0},
    {"validation_fraction": 0.6},
    {"validation_fraction": math.nan},
    {"evaluate_every": 0},
    {"checkpoint_every": 0},
    {"keep": 0},
]

NOT_WHOLE: list[dict[str, Any]] = [
    {name: value}
    for name in ("steps", "batch_size", "sequence_length", "seed", "evaluate_every", "keep")
    for value in (2.5, 100.0)
]


@pytest.mark.parametrize(
    "change",
    [
        *OUT_OF_RANGE,
        {"budget": 0.0},
        {"budget": math.inf},
        {"budget": math.nan},
        {"epochs": 0.0},
        {"epochs": -1.0},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused_by_name(change: dict[str, Any]) -> None:
    (name,) = change
    with pytest.raises(ConfigError, match=name.replace("_", "-")):
        TrainingOptions(**change)


@pytest.mark.parametrize(
    "change",
    [*OUT_OF_RANGE, {"threads": 0}, {"warmup_steps": -1}],
    ids=str,
)
def test_a_config_out_of_range_is_refused(change: dict[str, Any], make_config: MakeConfig) -> None:
    with pytest.raises(ConfigError):
        make_config(**change)


@pytest.mark.parametrize("change", NOT_WHOLE, ids=str)
def test_counts_are_whole_numbers(change: dict[str, Any], make_config: MakeConfig) -> None:
    # `steps=1e3` would train, be written as 1000.0, and be refused when it is resumed.
    with pytest.raises(ConfigError):
        TrainingOptions(**change)
    with pytest.raises(ConfigError):
        make_config(**change)


@pytest.mark.parametrize(
    "lengths", [("budget", "epochs"), ("budget", "steps"), ("epochs", "steps")], ids=str
)
def test_there_is_one_way_to_say_how_long(lengths: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match=" and ".join(lengths)):
        TrainingOptions(**{lengths[0]: 2, lengths[1]: 2})  # type: ignore[arg-type]


def test_options_leave_everything_open() -> None:
    options = TrainingOptions()
    decided = {
        field.name
        for field in dataclasses.fields(options)
        if getattr(options, field.name) is not None
    }
    settled = {"seed", "lines", "keep"}
    assert decided == settled | {"bidirectional", "regress", "class_weights"}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_passes(precision: str, make_config: MakeConfig) -> None:
    assert make_config(precision=precision).precision == precision
    assert TrainingOptions(precision=precision).precision == precision


def test_configs_cannot_be_changed(make_config: MakeConfig) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_config().steps = 3  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingOptions().steps = 3  # type: ignore[misc]


# The learning rate


def test_the_learning_rate_warms_up_in_a_line_and_falls_in_half_a_cosine(
    make_config: MakeConfig,
) -> None:
    config = make_config(steps=1000, warmup_steps=100, learning_rate=0.5)
    rates = [config.learning_rate_at(step) for step in range(1000)]
    assert rates[:100] == pytest.approx([0.5 * (step + 1) / 100 for step in range(100)])
    assert rates[100] == pytest.approx(0.5)
    assert all(before > after for before, after in itertools.pairwise(rates[100:]))
    assert rates[550] == pytest.approx(0.5 * (0.01 + 0.99 / 2))  # half way down
    assert 0.005 <= rates[-1] < 0.0051
    # A cosine: the first tenth of the way down loses little, unlike a line.
    assert rates[190] > 0.95 * 0.5


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (2, 0), (10, 1), (10, 10), (3, 3)])
def test_short_trainings_have_a_learning_rate_too(
    steps: int, warmup: int, make_config: MakeConfig
) -> None:
    config = make_config(steps=steps, warmup_steps=warmup, learning_rate=0.5)
    rates = [config.learning_rate_at(step) for step in range(steps)]
    assert all(0 < rate <= 0.5 for rate in rates)
    assert max(rates) == pytest.approx(0.5)


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("112s", 112),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1d2h3m4s", 93784),
        ("1.5m", 90),
        ("0.5s", 0.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "10", "m", "10x", "10 m", "-5s", "+5s", "5s ", "1h30", "m10", "1e3s", ".s", "10M"],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="10m"):
        parse_duration(text)
