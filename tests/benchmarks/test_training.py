from typing import Any

import pytest

from benchmarks import training


def settings(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[tuple[Any, ...]]:
    monkeypatch.setattr("sys.argv", ["training", "--cells", "lstm", *arguments])
    return [
        (each.size, each.batch_size, each.sequence_length)
        for each in training.settings(training.parsed())
    ]


def test_each_size_is_measured_with_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch, "--sizes", "1x16,3x1024", "--batches", "4,512") == [
        ("1x16", 4, 64),
        ("1x16", 512, 64),
        ("3x1024", 4, 64),
        ("3x1024", 512, 64),
    ]
    assert settings(monkeypatch, "--sweep", "--sizes", "2x128", "--batches", "3") == [
        ("2x128", 3, 48)
    ]


def test_without_batches_the_usual_shapes_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ("2x128", 50, 50) in settings(monkeypatch)
    assert {size for size, _, _ in settings(monkeypatch, "--sizes", "2x256")} == {"2x256"}


@pytest.mark.parametrize("batches", ["0", "128,", "many"])
def test_what_is_no_batch_is_refused(
    batches: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        settings(monkeypatch, "--batches", batches)
    assert f"invalid whole_numbers value: '{batches}'" in capsys.readouterr().err
