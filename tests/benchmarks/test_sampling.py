import json
from pathlib import Path

import pytest

from benchmarks import sampling
from charrnn.engines import ENGINES


@pytest.mark.skipif("native" not in ENGINES, reason="the native engine was not built")
def test_a_second_thread_is_compared_with_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "STEPS_A_TURN", {8: 3})
    result = sampling.second_thread(8, tmp_path, rounds=1)
    assert set(result["characters_per_second"]) == {"native, 1 thread", "native, 2 threads"}
    assert result["ratio"] > 0


def test_an_unknown_part_ends_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["sampling", "thread"])
    with pytest.raises(SystemExit):
        sampling.main()
    assert "'thread': choose from single, lines, threads, start, batches" in capsys.readouterr().err


def test_texts_side_by_side_are_compared_in_every_batch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--batches", "1,5", "--size", "1x8", "--length", "4", "--rounds", "1", "--json"]
    monkeypatch.setattr("sys.argv", ["sampling", "batches", *options])
    sampling.main()
    *results, _ = json.loads(capsys.readouterr().out)
    assert [each["batch_size"] for each in results] == [1, 5]
    for each in results:
        assert min(each["characters_per_second"].values()) > 0
        assert each["ratios"].keys() == {"torch"}
