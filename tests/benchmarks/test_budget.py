import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import budget
from benchmarks.budget import Neighbours, Row, Situation, Training, cells, main, missed, train
from benchmarks.quality_corpora import CORPORA

FABLES = CORPORA / "fables.txt"

IDLE = Row(
    situation="idle",
    budget=20.0,
    seconds=22.0,
    startup=2.0,
    characters_per_second=1e5,
    of_one_thread=1.5,
    nats=1.5,
    steps=1300,
    revisions=0,
    hidden_size=256,
)


def changed(**changes: Any) -> Row:
    return Row(**{**IDLE.__dict__, **changes})


@pytest.mark.parametrize(
    ("row", "bars"),
    [
        (IDLE, []),
        (changed(seconds=22.9), []),
        (changed(seconds=23.1), ["time"]),
        (changed(seconds=20.9), ["time"]),
        (changed(situation="normal", of_one_thread=0.81), []),
        (changed(situation="normal", of_one_thread=0.79), ["speed"]),
        (changed(situation="two", of_one_thread=0.79), []),
        (changed(situation="begins", of_one_thread=None), []),
        (changed(situation="stopped", seconds=32.0), []),
    ],
)
def test_bars(row: Row, bars: list[str]) -> None:
    assert missed(row) == bars


def test_a_row_has_a_cell_for_each_heading() -> None:
    assert dict(zip(budget.HEADINGS, cells(IDLE), strict=True))["of budget"] == "1.000"


def state(process: "subprocess.Popen[Any]") -> str:
    """Return the state of a process as Linux names it: R, S, T (stopped), ..."""
    status = Path(f"/proc/{process.pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0]


def wait(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.fixture
def training() -> "Any":
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_loops_begin_and_end_on_the_way(training: "subprocess.Popen[Any]") -> None:
    neighbours = Neighbours(Situation(loops=2, begin=0.2, end=0.6), budget=1.0)
    with neighbours.around() as watch:
        assert not neighbours._loops
        watch(training)
        wait(lambda: len(neighbours._loops) == 2)
        wait(lambda: not neighbours._loops)


def test_loops_end_with_the_training() -> None:
    neighbours = Neighbours(Situation(loops=1, nice=10), budget=1.0)
    with neighbours.around():
        (loop,) = neighbours._loops
        assert loop.poll() is None
    assert loop.poll() is not None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the states are read from /proc")
def test_a_training_is_stopped_and_continued(
    training: "subprocess.Popen[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "PAUSE_SECONDS", 0.5)
    with Neighbours(Situation(stopped_at=0.1), budget=1.0).around() as watch:
        watch(training)
        wait(lambda: state(training) == "T")
        wait(lambda: state(training) != "T")


def test_a_training_is_measured() -> None:
    options = ["--hidden-size", "8", "--layers", "1", "--steps", "20"]
    training = train(FABLES, options, Situation(), OMP_NUM_THREADS="1")
    assert training.hidden_size == 8
    assert training.last["step"] == 20
    assert training.characters_per_second > 0
    assert 0 < min(training.losses) < 10


def test_a_training_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"missing\.txt"):
        train(tmp_path / "missing.txt", [], Situation())


def test_rows_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def trained(
        text: Path, options: list[str], situation: Situation, budget: float = 0.0, **variables: str
    ) -> Training:
        alone = variables == {"OMP_NUM_THREADS": "1"}
        lines: list[dict[str, float]] = [
            {"step": 100, "characters": 1e6, "seconds": 20.0 if alone else 10.0, "train_nats": 2.0},
            {"step": 100, "validation_nats": 1.5},
            {"step": 50, "revision": 1, "steps_before": 100, "steps": 100},
            {"step": 60, "revision": 2, "steps_before": 90, "steps": 100},
        ]
        return Training(2.0 if "--steps" in options else 22.0, 256, lines)

    monkeypatch.setattr(budget, "train", trained)
    main([str(tmp_path), "--budget", "20s", "--situations", "normal", "begins", "--json"])
    normal, begins = map(json.loads, capsys.readouterr().out.splitlines())
    assert (normal["of_budget"], normal["of_one_thread"], normal["missed"]) == (1.0, 2.0, [])
    assert (normal["revisions"], normal["nats"], normal["hidden_size"]) == (1, 1.5, 256)
    assert begins["of_one_thread"] is None
    main([str(tmp_path), "--budget", "20s", "--situations", "normal"])
    assert capsys.readouterr().out.splitlines()[-1].endswith("| met |")
