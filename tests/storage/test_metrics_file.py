"""metrics.jsonl is read as a stream, and without trust."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import (
    CharRNNWarning,
    ModelError,
    StorageError,
)
from charrnn.storage.run import RUNS, Run


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run() -> Run:
    return Run.create(RUNS / "fables")


def test_measurements_are_read_back_as_they_were(run: Run) -> None:
    lines: list[dict[str, Any]] = [
        {"step": 1, "train_nats": 0.1 + 0.2, "epoch": 1e-9},
        {"step": 2, "validation_nats": 1.5, "\N{GRINNING FACE}\n\u2028": -1},
        {"step": 2, "sample": "<b>\x1b[2J\udc80\ud800\0\N{GRINNING FACE}\r\n" + 980 * "\u2028"},
        {"step": 3, "sample": ""},
    ]
    for line in lines:
        run.log(line)
    assert run.metrics() == lines
    assert [json.loads(line) for line in run.metrics_path.read_text("utf-8").splitlines()] == lines


@pytest.mark.parametrize("torn", ['{"step": 2', '{"step": 2}', '"', '{"s": "\N{GRINNING FACE}'])
def test_a_last_line_that_a_crash_cut_short_is_ignored(torn: str, run: Run) -> None:
    run.log({"step": 1})
    with open(run.metrics_path, "a", encoding="utf-8") as file:
        file.write(torn)
    assert run.metrics() == [{"step": 1}]


def test_a_last_line_cut_within_a_character_is_ignored(run: Run) -> None:
    run.log({"step": 1})
    with open(run.metrics_path, "ab") as file:
        file.write(b'{"s": "\xf0\x9f')
    assert run.metrics() == [{"step": 1}]


DAMAGED_LINES = {
    "no JSON": b"not json",
    "no UTF-8": b"\xff",
    "zeros": bytes(40),  # what a file system makes of a block that a power cut kept it from writing
    "empty": b"",
    "two": b'{"step": 1}{"step": 2}',
    "list": b"[1]",
    "number": b"5",
    "null": b"null",
    "string": b'"text"',
    "no step": b'{"train_nats": 1.5}',
    "text": b'{"step": 1, "train_nats": "1.5"}',
    "text of a step": b'{"step": "1", "sample": "a"}',
    "long sample": b'{"step": 1, "sample": "' + 1001 * b"a" + b'"}',
    "sample that is a number": b'{"step": 1, "sample": 1}',
    "sample that is a list": b'{"step": 1, "sample": ["a"]}',
    "no sample": b'{"step": 1, "sample": null}',
    "NaN": b'{"step": 1, "train_nats": NaN}',
    "infinite": b'{"step": 1, "train_nats": 1e400}',
    "no number": b'{"step": null}',
    "deep": b"[" * 100_000,
    "endless": b'{"step": 1' + b"0" * 400 + b"}",
    "more digits than Python reads": b'{"step": 1' + b"0" * 5000 + b"}",
}


@pytest.mark.parametrize("bad", DAMAGED_LINES)
def test_a_damaged_line_is_left_out_with_a_warning(bad: str, run: Run) -> None:
    """One bad sector in a list of measurements must not cost a week of training. Numbers are all
    that whoever draws a curve of them expects, besides a sample."""
    run.metrics_path.write_bytes(b'{"step": 1}\n' + DAMAGED_LINES[bad] + b'\n{"step": 2}\n')
    expected = r"^checkpoints/fables/metrics\.jsonl: 1 of 3 lines are damaged$"
    with pytest.warns(CharRNNWarning, match=expected) as told:
        assert run.metrics() == [{"step": 1}, {"step": 2}]
    assert len(told) == 1


def test_samples_are_kept_when_a_run_goes_back(run: Run) -> None:
    lines: list[dict[str, Any]] = [
        {"step": 0, "sample": "~\n"},
        {"step": 1, "validation_nats": 2.0, "sample": "\ud800"},
        {"step": 2, "validation_nats": 1.0, "sample": "b"},
    ]
    for line in lines:
        run.log(line)
    run.rewind(1)
    assert run.metrics() == lines[:2]


def test_an_observer_takes_each_measurement_until_the_run_is_released(run: Run) -> None:
    class Observer:
        def __init__(self) -> None:
            self.taken: list[Any] = []

        def __call__(self, measurement: Any, /) -> None:
            assert run.metrics()[-1] == measurement, "it is on the disk first"
            self.taken.append(measurement)

        def close(self) -> None:
            self.taken.append("closed")

    observer = Observer()
    run.log({"step": 0})
    run.observe(observer)
    run.log({"step": 1})
    run.release()
    run.log({"step": 2})
    assert observer.taken == [{"step": 1}, "closed"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_metrics_that_are_no_file_are_a_model_error_that_names_them(kind: str, run: Run) -> None:
    run.metrics_path.unlink()
    if kind == "folder":
        run.metrics_path.mkdir()
    elif kind == "pipe":
        os.mkfifo(run.metrics_path)
    else:
        Path("elsewhere").write_bytes(b'{"step": 1}\n')
        run.metrics_path.symlink_to(Path("elsewhere").absolute())
    with pytest.raises(ModelError, match=r"^checkpoints/fables/metrics\.jsonl: ") as caught:
        run.metrics()
    assert "\n" not in str(caught.value)


def test_a_long_measurement_is_none_and_what_follows_is_read(run: Run) -> None:
    long = b'{"step": 1, "' + b"a" * 200_000 + b'": 1}'
    run.metrics_path.write_bytes(b'{"step": 1}\n' + long + b'\n{"step": 2}\n' + long)
    with pytest.warns(CharRNNWarning, match="1 of 3 lines are damaged"):
        assert run.metrics() == [{"step": 1}, {"step": 2}]


def test_metrics_are_read_as_utf8_whatever_the_locale(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.metrics_path.write_text('{"step": 1, "déjà": 2}\n', encoding="utf-8")
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "ascii")
    monkeypatch.setattr("locale.getencoding", lambda: "ascii")
    assert run.metrics() == [{"step": 1, "déjà": 2}]


def test_a_measurement_that_cannot_be_written_is_a_storage_error(run: Run) -> None:
    run.metrics_path.unlink()
    run.metrics_path.mkdir()
    with pytest.raises(StorageError, match=r"metrics\.jsonl: cannot be written"):
        run.log({"step": 1})
