"""charrnn compress and decompress: files, pipes, what is refused, and what stays when killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import charrnn
from charrnn.compression.archive import ArchiveReader
from charrnn.errors import CorpusError, ModelError
from charrnn.storage import files
from tests.cli.conftest import TEXT, Charrnn

OTHER = "The hen met the fox. \N{FOX FACE} ran\xff\n".encode("latin-1", "replace") + b"\xff\0"


@pytest.mark.parametrize("model", [(), ("--model", "small")])
def test_a_file_comes_back(run: Charrnn, here: Path, model: tuple[str, ...]) -> None:
    (here / "other.bin").write_bytes(OTHER)
    for name in ("text.txt", "other.bin"):
        result = run("compress", name, *model)
        archive = here / f"{name}.crnn"
        assert result.exit_code == 0 and result.stdout == ""
        size = (here / name).stat().st_size
        assert f"{name}.crnn: {size:,} bytes to {archive.stat().st_size:,} (" in result.stderr
        result = run("decompress", f"{name}.crnn", *model, "-o", "again")
        assert result.exit_code == 0 and result.stderr == f"again: {size:,} bytes\n"
        assert (here / "again").read_bytes() == (here / name).read_bytes()
        (here / "again").unlink()


def test_the_name_of_an_archive_says_where_its_content_goes(run: Charrnn, here: Path) -> None:
    assert run("compress", "text.txt").exit_code == 0
    (here / "text.txt").unlink()
    assert run("decompress", "text.txt.crnn").exit_code == 0
    assert (here / "text.txt").read_text() == TEXT


@pytest.mark.parametrize("model", [(), ("--model", "small")])
def test_pipes_both_ways(run: Charrnn, model: tuple[str, ...]) -> None:
    archive = run("compress", "-", *model, stdin=OTHER)
    assert archive.exit_code == 0
    result = run("decompress", "-", *model, stdin=archive.stdout_bytes)
    assert result.exit_code == 0
    assert result.stdout_bytes == OTHER and result.stderr == ""


def test_json_has_the_sizes(run: Charrnn, here: Path) -> None:
    record = json.loads(run("compress", "text.txt", "--model", "small", "--json").stdout)
    size = (here / "text.txt.crnn").stat().st_size
    assert record["bytes"] == record["characters"] == len(TEXT)
    assert record["compressed_bytes"] == size
    assert record["bits_per_character"] == record["bits_per_byte"] == 8 * size / len(TEXT)
    assert record["seconds"] > 0 and record["archive"] == "text.txt.crnn"
    assert record["training_text"] and len(record["model"]) == 32
    (here / "text.txt").unlink()
    (here / "text.txt").write_text(TEXT)  # the model's training text
    again = json.loads(
        run("decompress", "text.txt.crnn", "--model", "small", "-o", "again", "--json").stdout
    )
    assert again.pop("file") == "again"
    assert {key: again[key] for key in ("bytes", "compressed_bytes")} == {
        key: record[key] for key in ("bytes", "compressed_bytes")
    }


def test_an_archive_is_as_small_as_evaluate_says(run: Charrnn, here: Path) -> None:
    words = np.random.default_rng(0).choice(TEXT.split(), 1500)
    (here / "other.txt").write_text(" ".join(words))
    evaluation = json.loads(run("evaluate", "small", "other.txt", "--memory", "--json").stdout)
    assert run("compress", "other.txt", "--model", "small").exit_code == 0
    with (here / "other.txt.crnn").open("rb") as file:
        archive = ArchiveReader(file, "archive")
        size = sum(len(block.code) for block in archive.blocks())
    assert archive.header.text is not None
    bits = 8 * size / len(" ".join(words))
    assert bits == pytest.approx(evaluation["bits_per_character"], rel=0.005)


def test_what_is_there_is_not_replaced_unless_asked(run: Charrnn, here: Path) -> None:
    (here / "text.txt.crnn").write_bytes(b"precious")
    result = run("compress", "text.txt")
    assert result.exit_code == 2 and "text.txt.crnn is there already" in result.stderr
    assert (here / "text.txt.crnn").read_bytes() == b"precious"
    assert run("compress", "text.txt", "--force").exit_code == 0
    result = run("decompress", "text.txt.crnn")
    assert result.exit_code == 2 and "text.txt is there already" in result.stderr
    assert run("decompress", "text.txt.crnn", "-f").exit_code == 0
    assert (here / "text.txt").read_text() == TEXT


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("compress", "none.txt"), 4, "none.txt: cannot be read: No such file"),
        (("compress", "checkpoints"), 4, "checkpoints: cannot be read: Is a directory"),
        (("compress", "text.txt", "--model", "none"), 3, "none: no such model"),
        (("compress", "text.txt", "-o", "none/a.crnn"), 1, "none/a.crnn: cannot be written"),
        (
            ("compress", "text.txt", "-f", "-o", "pipe"),
            1,
            "pipe: cannot be written: it is a device",
        ),
        (("compress", "text.txt", "-o", "checkpoints"), 1, "it is a folder"),
        (("compress", "text.txt", "-o", ""), 1, "it is a folder"),
        (("decompress", "pipe.crnn", "-o", ""), 1, "it is a folder"),
        (("compress", "text.txt", "--no-training-text"), 2, "needs --model"),
        (("compress", "text.txt", "-o", "-", "--json"), 2, "--json prints on stdout too"),
        (("decompress", "text.txt"), 2, "does not end with .crnn"),
        (("decompress", ".crnn"), 2, "does not end with .crnn"),
        (("decompress", "text.txt", "-o", "a"), 4, "text.txt: it is not an archive"),
        (("decompress", "none.crnn"), 4, "none.crnn: cannot be read: No such file"),
    ],
)
def test_what_cannot_be_done_is_a_line(
    run: Charrnn, here: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    os.mkfifo(here / "pipe")
    before = sorted(here.iterdir())
    result = run(*arguments)
    assert result.exit_code == code
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr
    assert sorted(here.iterdir()) == before


def test_an_archive_needs_its_model(run: Charrnn) -> None:
    run("compress", "text.txt", "--model", "small")
    result = run("decompress", "text.txt.crnn", "-o", "again")
    assert result.exit_code == 3
    assert "text.txt.crnn: it was made with a model" in result.stderr
    run("compress", "text.txt", "-o", "alone.crnn")
    result = run("decompress", "alone.crnn", "-o", "again", "--model", "small")
    assert result.exit_code == 3 and "it was made without a model" in result.stderr


def test_an_archive_needs_its_training_text_unless_made_without(run: Charrnn, here: Path) -> None:
    (here / "other.txt").write_text("The fox met a hen.\n" * 9)
    run("compress", "other.txt", "--model", "small", "-o", "with.crnn")
    run("compress", "other.txt", "--model", "small", "--no-training-text", "-o", "without.crnn")
    assert (here / "with.crnn").read_bytes() != (here / "without.crnn").read_bytes()
    # A model that was imported does not say where its text is.
    run("export", "small", "--zip", "bare.zip")
    assert run("import", "bare.zip").exit_code == 0
    result = run("decompress", "with.crnn", "--model", "bare", "-o", "again")
    assert result.exit_code == 4
    assert "with.crnn: it needs the training text of the model" in result.stderr
    assert run("decompress", "without.crnn", "--model", "bare", "-o", "again").exit_code == 0
    assert (here / "again").read_bytes() == (here / "other.txt").read_bytes()
    result = run("compress", "other.txt", "--model", "bare", "-o", "third.crnn")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: the training text does not help")
    assert (here / "third.crnn").read_bytes() == (here / "without.crnn").read_bytes()


def test_a_damaged_archive_leaves_no_file(run: Charrnn, here: Path) -> None:
    run("compress", "text.txt")
    archive = bytearray((here / "text.txt.crnn").read_bytes())
    archive[-1] ^= 1
    (here / "text.txt.crnn").write_bytes(archive)
    before = sorted(here.iterdir())
    result = run("decompress", "text.txt.crnn", "-o", "again")
    assert result.exit_code == 4 and "text.txt.crnn: damaged" in result.stderr
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_a_full_disk_leaves_no_file(
    run: Charrnn, here: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("compress", "text.txt", "-o", "archive.crnn")

    def full(operation: str, path: Path) -> None:
        if operation == "fsync":
            raise OSError(28, "No space left on device")

    before = sorted(here.iterdir())
    monkeypatch.setattr(files, "before_change", full)
    result = run(command, "text.txt" if command == "compress" else "archive.crnn", "-o", "new")
    assert result.exit_code == 1 and "new: cannot be written: No space left" in result.stderr
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_command_leaves_nothing_under_the_final_name(
    here: Path, charrnn_process: Callable[..., "subprocess.Popen[bytes]"], number: int
) -> None:
    (here / "large").write_bytes(os.urandom(30_000_000))
    process = charrnn_process("compress", "large")
    partial = here / ".partial-large.crnn"
    while not partial.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, message = process.communicate()
    assert not (here / "large.crnn").exists()
    if number == signal.SIGINT:
        assert process.returncode == 130 and b"Traceback" not in message
        assert not partial.exists()


def test_no_torch_is_imported(here: Path) -> None:
    code = """
import sys
from charrnn.cli.app import app
for command in (["compress", "text.txt", "--model", "small"],
                ["decompress", "text.txt.crnn", "--model", "small", "-o", "again"]):
    try: app(command)
    except SystemExit as end: assert not end.code, end.code
print([each for each in ("torch", "datasets") if each in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# The API


def test_the_verbs_do_what_the_commands_do(run: Charrnn, here: Path) -> None:
    run("compress", "text.txt", "--model", "small")
    archive = (here / "text.txt.crnn").read_bytes()
    assert charrnn.compress("small", Path("text.txt")) == archive
    assert charrnn.compress("small", TEXT) == charrnn.compress("small", TEXT.encode()) == archive
    assert charrnn.decompress("small", archive).decode() == TEXT
    assert charrnn.decompress("small", Path("text.txt.crnn")).decode() == TEXT


def test_a_model_in_memory_has_no_training_text(here: Path) -> None:
    model = charrnn.load("small")
    archive = charrnn.compress(model, TEXT)
    assert archive == charrnn.compress("small", TEXT, training_text=False)
    assert charrnn.decompress(model, archive) == charrnn.decompress("small", archive)


def test_the_verbs_raise_what_the_commands_say(here: Path) -> None:
    archive = charrnn.compress(None, TEXT)
    with pytest.raises(ModelError, match="the archive: it was made without a model"):
        charrnn.decompress("small", archive)
    with pytest.raises(CorpusError, match="the archive: damaged"):
        charrnn.decompress(None, archive[:-1])
    with pytest.raises(CorpusError, match="none: cannot be read"):
        charrnn.compress(None, Path("none"))
