"""charrnn export --onnx: what it writes, and what it refuses."""

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Charrnn

onnx = pytest.importorskip("onnx", reason="ONNX files need the package onnx")


def test_a_run_becomes_an_onnx_file(run: Charrnn, here: Path) -> None:
    result = run("export", "small", "--onnx", "small.onnx")
    assert result.exit_code == 0, result.stderr
    content = (here / "small.onnx").read_bytes()
    assert result.stdout == "" and f"small.onnx: {len(content):,} bytes" in result.stderr
    file = onnx.load_from_string(content)
    onnx.checker.check_model(file, full_check=True)
    assert [each.name for each in file.graph.input] == ["ids", "h", "c"]
    assert {each.key for each in file.metadata_props} >= {"charrnn.task", "charrnn.tokenizer"}
    assert run("export", "small", "--onnx", "-").stdout_bytes == content
    assert not [*here.glob(".partial-*")]


def test_one_thing_is_written_at_a_time(run: Charrnn, here: Path) -> None:
    for arguments, message in (
        ((), "give --html FILE.html, --onnx FILE.onnx or --zip FILE.zip"),
        (("--onnx", "a.onnx", "--html", "a.html"), "exclude each other"),
        (("--onnx", "a.onnx", "--title", "Foxes"), "--title has no effect without --html"),
        (
            ("--onnx", "a.onnx", "--temperature", "0.5"),
            "--temperature has no effect without --html",
        ),
    ):
        result = run("export", "small", *arguments)
        assert result.exit_code == 2 and message in " ".join(result.stderr.split())
    assert not [*here.glob("a.*")]


def test_settings_of_the_environment_are_for_pages(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_TEMPERATURE", "0.5")
    assert run("export", "small", "--onnx", "small.onnx").exit_code == 0


def test_a_missing_package_is_a_sentence(
    run: Charrnn, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = run("export", "small", "--onnx", "small.onnx")
    assert result.exit_code == 2
    assert 'pip install "charrnn-lm[onnx]"' in result.stderr
    assert not (here / "small.onnx").exists()
