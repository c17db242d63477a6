from pathlib import Path

import pytest

from benchmarks.memory import main
from benchmarks.quality_run import charrnn


def test_a_column_for_each_run_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the same words, and the same words again and again\n" * 60)
    flags = ["--hidden-size", "8", "--layers", "1", "--steps", "5", "--quiet", "--out"]
    charrnn(["train", str(text), *flags, str(tmp_path / "run")], {})
    capsys.readouterr()
    main([str(tmp_path / "run"), str(text), "--parts", "matches", "order-1"])
    heading, _, network, alone, both, matches, order, _, speed = (
        capsys.readouterr().out.splitlines()
    )
    assert heading == "| | run | text.txt |"
    nats = {}
    for name, row in {"network": network, "memory alone": alone, "all": both}.items():
        assert row.startswith(f"| {name} | ")
        nats[name] = [float(cell) for cell in row.split("|")[2:-1]]
    assert nats["all"][0] < nats["network"][0]
    assert nats["all"][1] == nats["memory alone"][1] < 0.5
    assert matches.startswith("| without matches | ")
    assert order.startswith("| without order-1 | ")
    assert float(speed.split()[0]) > 0
