"""Measurements are read as they are written, and kept in a bounded size."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from charrnn.plots.history import (
    MOST_BASELINES,
    MOST_EVALUATIONS,
    MOST_POINTS,
    Measurements,
    RunHistory,
)
from charrnn.storage.run import Run
from tests.plots.runs import evaluation_line, lines_of_a_run, training_line, write_run


def test_the_kinds_of_lines_are_told_apart(tmp_path: Path) -> None:
    revision = {"step": 200, "seconds": 20.0, "revision": 1, "steps_before": 400, "steps": 300}
    lines = [*lines_of_a_run(), revision]
    known = RunHistory(write_run(tmp_path, lines)).read()
    assert [each.step for each in known.points] == list(range(10, 201, 10))
    assert [line["step"] for line in known.evaluations] == [50, 100, 150, 200]
    assert [line["sample"] for line in known.samples] == [
        *("qzx", "after 50", "after 100", "after 150", "after 200"),
    ]
    assert known.baselines == {"unigram": 3.0, "n_gram": 1.6, "xz": 2.0}
    assert (known.step, known.seconds, known.steps) == (200, 20.0, 300)
    assert known.seconds_left == pytest.approx(10.0)


def test_only_what_was_added_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = RunHistory(write_run(tmp_path, lines_of_a_run(100)))
    history.read()
    version = history.version
    parsed: list[bytes] = []

    def parse(line: bytes) -> Any:
        parsed.append(line)
        return json.loads(line)

    monkeypatch.setattr("charrnn.plots.history.parse_measurement", parse)
    assert history.read().step == 100 and parsed == []
    assert history.version == version
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write(json.dumps(training_line(110)) + '\n{"step": 120, "cha')
        file.flush()
        assert history.read().step == 110
        file.write('racters": 1}\n')
    history.read()
    assert [json.loads(each)["step"] for each in parsed] == [110, 120]


def test_a_run_that_goes_back_is_read_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    for line in lines_of_a_run(200):
        run.log(line)
    history = RunHistory(run.directory)
    history.read()
    before = history.version[0]
    run.rewind(100)
    run.log(training_line(110, 9.0))
    known = history.read()
    assert known.step == 110 and known.points[-1].nats == 9.0
    assert history.version[0] == before + 1


def test_a_huge_file_is_read_a_part_at_a_time(tmp_path: Path) -> None:
    history = RunHistory(write_run(tmp_path, lines_of_a_run(2000)))
    steps = [history.read(at_most=4000).step for _ in range(40)]
    assert steps == sorted(steps) and steps[0] < 300
    assert steps[-1] == 2000 and history.measurements.damaged == 0


def test_weeks_of_training_take_no_more_memory_than_a_day() -> None:
    known = Measurements()
    lines = 6000
    for step in range(10, 10 * lines + 1, 10):
        known.add(training_line(step, nats=float(step)))
    assert MOST_POINTS / 2 <= len(known.training) < MOST_POINTS
    each = known.points[0].step / 10
    assert known.points[0].nats == pytest.approx(10 * (1 + each) / 2)  # the mean of its lines
    assert known.step == 10 * lines == known.points[-1].step
    assert [point.step for point in known.points] == sorted(point.step for point in known.points)


def test_many_evaluations_are_thinned_out_evenly_and_the_last_is_kept() -> None:
    known = Measurements()
    known.add({"step": 0, "sample": "noise"})
    for step in range(1, 5 * MOST_EVALUATIONS):
        known.add(evaluation_line(step))
        assert known.evaluations[-1]["step"] == step == known.samples[-1]["step"]
        assert len(known.evaluations) <= MOST_EVALUATIONS + 1
    steps = [line["step"] for line in known.evaluations]
    distances = {b - a for a, b in pairwise(steps[:-1])}
    assert len(distances) == 1 and steps[0] == 1
    assert [line["step"] for line in known.samples] == [0, *steps]


HOSTILE: list[dict[str, Any]] = [
    training_line(10, 1.7e308),
    training_line(10**300, -1.7e308),
    {**training_line(-5), "characters_per_second": -1e308},
    evaluation_line(-(10**300), 1e308),
    {"step": -1, "sample": "x" * 1000},
    *({"step": 1, f"baseline_{number}_nats": 1.0} for number in range(100)),
    {"step": 1, "revision": 0, "steps": -1e300},
    {"step": 1, "baseline__nats": 5.0},
]


def test_hostile_numbers_do_no_harm() -> None:
    known = Measurements()
    for line in HOSTILE * 12 + [HOSTILE[0], HOSTILE[1]] * 1000:
        known.add(line)
    assert len(known.points) <= MOST_POINTS and len(known.baselines) == MOST_BASELINES
    assert all(abs(point.nats) < float("inf") for point in known.points)
    assert known.step is not None and known.seconds is not None
    assert known.seconds_left is None or known.seconds_left >= 0


def test_damaged_lines_are_counted(tmp_path: Path) -> None:
    write_run(tmp_path, lines_of_a_run(100))
    with open(tmp_path / "metrics.jsonl", "ab") as file:
        file.write(b"\xff\n" + b'{"step": 1, "sample": "' + 70_000 * b"a" + b'"}\n{}\n')
        file.write(json.dumps(training_line(110)).encode() + b"\n")
    known = RunHistory(tmp_path).read()
    assert known.damaged == 3 and known.step == 110
