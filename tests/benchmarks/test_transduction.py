import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import transduction
from benchmarks.transduction import PairTask, compare, table, tasks_of, word_error_rate, write_pairs

PAIRS = [("ab", "a b"), ("ba", "b a"), ("aa", "a a"), ("bb", "b x")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("low_one", "low_two", "medium_one"):
        for part in ("train", "dev"):
            lines = "".join(f"{a}\t{b}\n" for a, b in PAIRS)
            (tmp_path / f"{name}_{part}.tsv").write_text(lines)
    return tmp_path


def test_a_folder_has_a_task_in_each_pair_of_files(folder: Path) -> None:
    assert [task.name for task in tasks_of(folder)] == ["low_one", "low_two", "medium_one"]
    (task,) = tasks_of(folder, ["low_two"])
    assert (task.training, task.test, task.separator) == (PAIRS, PAIRS, " ")


def test_a_line_without_a_tab_is_named(folder: Path) -> None:
    (folder / "low_one_dev.tsv").write_text("ab\ta b\nab\n")
    with pytest.raises(ValueError, match=r"low_one_dev\.tsv, line 2: no tab"):
        next(tasks_of(folder))


def test_any_of_several_targets_is_right_and_a_source_counts_once() -> None:
    test = [("a", "x"), ("a", "y"), ("b", "z")]
    assert word_error_rate({"a": "y", "b": "y"}.__getitem__, test) == 0.5


def test_a_copy_has_symbols_of_one_character() -> None:
    task = PairTask("made up", PAIRS, PAIRS, " ")
    assert transduction.copy_error_rate(task) == 0.25
    assert transduction.copy_error_rate(PairTask("same", PAIRS, [("ab", "ab")])) == 0


def test_charrnn_is_trained_and_evaluated_with_one_model_or_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands: list[tuple[str, ...]] = []
    seen: list[str] = []

    def fake(*arguments: str) -> str:
        commands.append(arguments)
        seen.append(Path(arguments[1 + (arguments[0] == "evaluate")]).read_text())
        return json.dumps({"word_error_rate": 0.1, "symbol_error_rate": 0.02, "more": []})

    monkeypatch.setattr(transduction, "run_charrnn", fake)
    task = PairTask("low_one", PAIRS, PAIRS[:1], " ")
    options = argparse.Namespace(order=2, models=[1, 5], budget="9s", flags=["--seed", "3"])
    record = compare(task, options)
    assert [command[0] for command in commands] == ["train", "evaluate"] * 2
    train, several = " ".join(commands[0]), " ".join(commands[2])
    for part in ("--source source", "--target target", "--budget 9s", "--seed 3"):
        assert part in train
    assert "--models" not in train
    assert "--models 5" in several
    assert commands[0][6:8] == ("--target-separator", " ")
    assert "--json" in commands[1]
    assert seen[:2] == [
        "source\ttarget\nab\ta b\nba\tb a\naa\ta a\nbb\tb x\n",
        "source\ttarget\nab\ta b\n",
    ]
    assert record["charrnn"]["5"]["word_error_rate"] == 0.1
    assert (record["training"], record["test"], record["copy"]) == (4, 1, 0.0)


def test_dates_are_not_left_to_n_grams_and_a_mean_has_no_gaps() -> None:
    def record(name: str, copy: float, grams: float | None, **charrnn: float) -> dict[str, Any]:
        rates = {key: {"word_error_rate": rate} for key, rate in charrnn.items()}
        return {
            "task": name,
            "training": 800,
            "test": 100,
            "copy": copy,
            "joint_ngrams": grams,
            "published": None,
            "charrnn": rates,
        }

    records = [
        record("low_a", 1.0, 0.3, **{"1": 0.2, "5": 0.1}),
        record("low_b", 0.5, 0.1, **{"1": 0.1}),
        record("dates", 1.0, None),
    ]
    assert table(records).splitlines() == [
        "| task | pairs, test | copy | joint n-grams | published "
        "| charrnn, one model | charrnn, 5 models |",
        "|---|---|---|---|---|---|---|",
        "| low_a | 800, 100 | 100.0 | 30.0 |  | 20.0 | 10.0 |",
        "| low_b | 800, 100 | 50.0 | 10.0 |  | 10.0 |  |",
        "| dates | 800, 100 | 100.0 |  |  |  |  |",
        "| mean of low |  | 75.0 | 20.0 |  | 15.0 |  |",
    ]


def test_the_tasks_that_come_with_charrnn_keep_test_and_training_apart() -> None:
    task = transduction.towns()
    assert (len(task.training), len(task.test)) == (3600, 400)
    assert not {source for source, _ in task.training} & {source for source, _ in task.test}
    assert task.test[0] == ("Trebenov", "Trebenou")


def test_pairs_are_written_with_a_header(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p.tsv", [("é", "e x")])
    assert (tmp_path / "p.tsv").read_bytes() == "source\ttarget\né\te x\n".encode()
