from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")

import matplotlib

from benchmarks.quality_table import Record
from benchmarks.recipe_plots import STYLE, compact, draw, write

MakeRecord = Callable[..., dict[str, Any]]


@pytest.fixture
def records(make_record: MakeRecord) -> list[Record]:
    """Two corpora, two budgets, the chosen recipe and two others."""
    return [
        make_record(
            2 - 0.1 * budget - 0.001 * hidden_size + 0.01 * seed,
            corpus=corpus,
            budget=f"{600 * budget}steps",
            recipe="chosen" if hidden_size == 128 else f"h{hidden_size}",
            hidden_size=hidden_size,
            seed=seed,
        )
        for corpus in ("fables", "towns:lines")
        for budget in (1, 3)
        for hidden_size in (64, 128, 256)
        for seed in (0, 1)
    ]


def test_the_same_runs_make_the_same_bytes_and_few_of_them(
    tmp_path: Path, records: list[Record]
) -> None:
    """A date, or names drawn at random, would change every picture at each drawing."""
    contents = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        with matplotlib.rc_context(STYLE):
            paths = write(draw(records), folder, png=False)
        contents.append({path.name: path.read_bytes() for path in paths})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        *("loss-by-budget-steps.svg", "loss-by-characters.svg", "distance.svg")
    }
    for name, content in contents[0].items():
        assert len(content) < 60_000, name
        assert ElementTree.fromstring(content).tag.endswith("svg"), name


def test_expectations_are_drawn_where_there_are_any(records: list[Record]) -> None:
    ranges = {"expected_nats": 1.5, "expected_low": 1.4, "expected_high": 1.6}
    known = [{**record, **ranges} for record in records[:3]]
    assert "expected" in draw([*known, *records[3:]])
    assert "expected" in draw([{**records[0], "expected_nats": 1.5}])  # without a range


def test_what_there_is_nothing_to_draw_of_is_left_out(make_record: MakeRecord) -> None:
    timed = make_record(1.5, budget="112s", n_gram_nats=None)
    assert set(draw([timed])) == {"loss-by-budget-seconds", "loss-by-characters"}


def test_compacting_touches_no_label() -> None:
    """A label of three digits is no coordinate."""
    svg = '<g id="a">\n  <!-- b -->\n  <text x="1.234567">1.2345</text>\n</g>'
    assert compact(svg) == '<g>\n<text x="1.23">1.2345</text>\n</g>'
