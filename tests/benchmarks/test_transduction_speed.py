import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import transduction_speed
from benchmarks.transduction_speed import measure_training, measure_translating, ratio

CONFIG = {"batch_size": 4, "threads": 1, "kernel": "native", "precision": "fp32"}
MODEL = {"cell": "lstm", "layers": 1, "hidden_size": 8, "embedding_size": 4, "dropout": 0.1}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    words = map("".join, itertools.product("abc", repeat=3))
    path.write_text("".join(f"{word}\t{' '.join(word)}\n" for word in words))
    return path


def test_the_loop_takes_turns_with_charrnn_at_its_sizes(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def fake(*arguments: str) -> str:
        commands.append(arguments)
        last = Path(arguments[arguments.index("--out") + 1], "last")
        last.mkdir(parents=True)
        model = MODEL | {"members": 3}
        (last / "config.json").write_text(json.dumps({"model": model}))
        position = {"characters": 9_000_000, "seconds": 0.5}
        (last / "training.json").write_text(json.dumps({"config": CONFIG, "position": position}))
        return ""

    monkeypatch.setattr(transduction_speed, "run_charrnn", fake)
    shown = measure_training(
        argparse.Namespace(pairs=pairs, separator=" ", steps=20, flags=["--seed", "1"], rounds=2)
    )
    assert len(commands) == 2
    assert commands[0][-3:] == ("--quiet", "--seed", "1")
    row = [cell.strip() for cell in shown.splitlines()[-1].strip("|").split("|")]
    assert row[:3] == ["3 times lstm 1x8, batches of 4", "native fp32", "1"]
    assert row[4] == "18,000,000"
    assert float(row[5]) > 1


def test_a_ratio_is_of_one_round() -> None:
    """Medians of each side would compare rounds in which the machine had other work."""
    assert ratio([10, 40, 20], [10, 20, 5]) == 2


def translating(pairs: Path, monkeypatch: pytest.MonkeyPatch, translate: Any) -> tuple[str, Any]:
    clock = itertools.count(0, 2)
    monkeypatch.setattr(transduction_speed, "run_charrnn", translate)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock) ** 2)
    cores: list[Any] = []
    monkeypatch.setattr("os.sched_setaffinity", lambda *of: cores.append(of))
    options = argparse.Namespace(run="run", pairs=pairs, flags=[], rounds=1)
    return measure_translating(options), cores


def test_the_start_of_the_command_is_left_out(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def translate(*arguments: str) -> str:
        return Path(arguments[2]).read_text()

    shown, cores = translating(pairs, monkeypatch, translate)
    # 3 words take 4 - 0 seconds, 27 take 36 - 16.
    assert shown.splitlines()[-1] == f"| 27 | {24 / (20 - 4):,.0f} | {24 / (20 - 4):,.0f} |"
    assert [len(each) for _, each in cores] == [1]


def test_a_word_without_an_answer_is_noticed(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="3 words have 1 translations"):
        translating(pairs, monkeypatch, lambda *_: "x\n")
