import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality_table import (
    Budget,
    append_record,
    parse_budget,
    read_records,
    table,
)

MakeRecord = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("text", "budget", "flags"),
    [
        ("5400steps", Budget("5400steps", 5400, True), ("--steps", "5400")),
        ("112s", Budget("112s", 112, False), ("--budget", "112s")),
        ("1h30m", Budget("1h30m", 5400, False), ("--budget", "1h30m")),
    ],
)
def test_budgets_are_times_or_steps(text: str, budget: Budget, flags: tuple[str, str]) -> None:
    assert parse_budget(text) == budget
    assert budget.flags == flags


@pytest.mark.parametrize("text", ["", "112", "0steps", "5.5steps", "steps", "112s 5steps"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_budget(text)


def test_the_table_has_means_spreads_the_best_in_bold_and_the_distance_to_it(
    make_record: MakeRecord,
) -> None:
    wide = {"recipe": "wide", "flags": "--hidden-size 384"}
    records = [
        make_record(1.50),
        make_record(1.54, seed=1),
        make_record(1.40, **wide),
        make_record(2.0, budget="60steps"),
        make_record(2.0, budget="60steps", seed=1),
        make_record(2.1, budget="60steps", **wide),
        make_record(2.3, budget="60steps", seed=1, **wide),
        make_record(1.0, corpus="stdlib", n_gram_nats=None, **wide),
    ]
    assert list(table(records)) == [
        "| corpus | characters | budget | n-grams | chosen | wide | chosen, above the best |",
        "|---|---|---|---|---|---|---|",
        "| fables | 27,214 | 600steps | 1.550 | 1.520 ± 0.028 | **1.400 (1 of 2 seeds)** | +8.6% |",
        "| fables | 27,214 | 60steps | 1.550 | **2.000 ± 0.000** | 2.200 ± 0.141 | +0.0% |",
        "| stdlib | 27,214 | 600steps |  |  | **1.000 (1 of 2 seeds)** |  |",
    ]


def test_runs_come_back_and_the_newest_of_a_run_counts(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    path = tmp_path / "new" / "evidence.jsonl"
    assert read_records([path]) == []
    for nats in (1.5, 1.4):
        append_record(path, make_record(nats))
        append_record(path, make_record(nats + 1, seed=1))
    append_record(path, make_record(1.9, flags="--layers 1", recipe="ü"))
    assert [record["nats"] for record in read_records([path])] == [1.4, 2.4, 1.9]


def test_a_line_that_a_kill_cut_short_costs_no_other(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    """The next run was once appended to the half line, and both were lost."""
    path = tmp_path / "evidence.jsonl"
    append_record(path, make_record(1.5))
    with open(path, "a") as file:
        file.write('{"corpus": "fab')
    append_record(path, make_record(1.6, seed=1))
    assert [record["nats"] for record in read_records([path])] == [1.5, 1.6]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n')
    with pytest.raises(ValueError, match="line 1 is no run: it has no corpus"):
        read_records([path])
