import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.compression import OURS, Row, main, measure, programs, table, training_bytes, ways
from charrnn.compression.predictor import Known
from charrnn.storage.model_directory import Model
from tests.cli.conftest import TEXT

OTHERS = {"zstd --ultra -22": "zstandard", "brotli -11": "brotli", "PPMd, order 12": "pyppmd"}


@pytest.mark.parametrize("program", [OURS, "xz -9e", *OTHERS])
def test_each_program_restores_what_it_compresses(program: str, tmp_path: Path) -> None:
    if program in OTHERS:
        pytest.importorskip(OTHERS[program])
    (tmp_path / "text").write_text(TEXT)
    row = measure(tmp_path / "text", program, None)
    assert 10 < row.archive < len(TEXT) / 10
    assert row.compress_seconds > 0 and row.decompress_seconds > 0


def test_the_programs_are_those_that_are_named() -> None:
    assert [*OTHERS, "xz -9e", OURS] == sorted(programs(None), key=[*OTHERS, "xz -9e", OURS].index)
    assert len(programs("run")) == len(programs(None)) + 2
    assert ways("xz -9e", None)[1](ways("xz -9e", None)[0](b"text")) == b"text"


def test_a_row_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("A fox. A fox. \N{FOX FACE}")
    main([str(tmp_path / "text"), "--program", "xz -9e"])
    record = json.loads(capsys.readouterr().out)
    assert record["content"] == 18 and record["characters"] == 15


def test_a_table_compares_with_the_best_other() -> None:
    rows = [
        Row("f", name, 1000, 500, size, 0.25, 0.75, 0.5, 3.0)
        for name, size in ((OURS, 100), ("a", 200), ("b", 400))
    ]
    lines = list(table(rows))
    assert lines[0] == "f: 1,000 bytes, 500 characters\n"
    assert lines[3] == f"| {OURS} | 100 | 1.600 | 0.500 | 0.2 | 2 | 4 | 3 |"


def test_the_dictionary_is_the_training_text(make_model: Callable[..., Model]) -> None:
    model = make_model("\n abc")
    assert training_bytes(Known(model, training=model.tokenizer.encode("a cab\n"))) == b"a cab\n"
    with pytest.raises(AssertionError):
        training_bytes(Known())
