"""charrnn evaluate, info, corpora, repl without a terminal, and what all commands share."""

import json
import math
import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import charrnn
from charrnn.cli.app import app
from charrnn.storage.run import Run
from tests.cli.conftest import Charrnn, lose_training_text


def test_evaluate_reports_every_number_beside_baselines(run: Charrnn) -> None:
    record = json.loads(run("evaluate", "small", "--json").stdout)
    nats = record["nats_per_character"]
    assert record["bits_per_character"] == pytest.approx(nats / math.log(2))
    assert record["bits_per_byte"] == pytest.approx(nats / math.log(2))  # the text is ASCII
    assert record["perplexity"] == pytest.approx(math.exp(nats))
    assert record["protocol"] == "stream"
    assert record["baselines"].keys() == {"unigram", "n_gram", "xz"}
    assert 0 < record["baselines"]["n_gram"] < record["baselines"]["unigram"]


def test_the_official_number_is_close_to_the_one_while_training(run: Charrnn, here: Path) -> None:
    record = json.loads(run("evaluate", "small", "--json").stdout)
    lines = (here / "checkpoints/small/metrics.jsonl").read_text().splitlines()
    best = min(json.loads(line).get("validation_nats", math.inf) for line in lines)
    assert record["nats_per_character"] == pytest.approx(best, abs=1e-4)


def test_windows_is_another_protocol(run: Charrnn) -> None:
    record = json.loads(run("evaluate", "small", "--protocol", "windows", "--json").stdout)
    assert record["protocol"] == "windows"


def test_adapted_numbers_say_so_and_change_nothing(run: Charrnn, here: Path) -> None:
    (here / "other.txt").write_text("It was it! Was it? " * 40)
    files = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    static = json.loads(run("evaluate", "small", "other.txt", "--json").stdout)
    record = json.loads(run("evaluate", "small", "other.txt", "--adapt", "--json").stdout)
    assert record["protocol"] == "adapted"
    assert record["nats_per_character"] < static["nats_per_character"] - 0.1
    for name in ("characters", "baselines", "skipped"):
        assert record[name] == static[name]
    assert "protocol adapted" in run("evaluate", "small", "other.txt", "--adapt").stdout
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == files


def test_a_memory_is_another_protocol_and_needs_the_training_text(run: Charrnn, here: Path) -> None:
    (here / "other.txt").write_text("It was it! Was it? " * 40)
    static = json.loads(run("evaluate", "small", "other.txt", "--engine", "int8", "--json").stdout)
    result = run("evaluate", "small", "other.txt", "--memory", "--json")
    record = json.loads(result.stdout)
    assert (record["protocol"], record["engine"], result.stderr) == ("memory", "int8", "")
    network = record["network_nats_per_character"]
    assert network == pytest.approx(static["nats_per_character"], rel=1e-6)
    assert record["nats_per_character"] < network
    said = " ".join(run("evaluate", "small", "other.txt", "--memory").stdout.split())
    assert "protocol memory" in said and f"network alone {network / math.log(2):.4f} bits" in said
    both = json.loads(run("evaluate", "small", "other.txt", "--memory", "--adapt", "--json").stdout)
    assert both["protocol"] == "adapted+memory"
    lose_training_text(here)
    empty = run("evaluate", "small", "other.txt", "--memory", "--json")
    assert "no baselines, and a memory that is empty at first" in empty.stderr
    assert json.loads(empty.stdout)["nats_per_character"] != record["nats_per_character"]
    assert run("evaluate", "small", "--memory").exit_code == 4


def test_a_memory_does_not_read_windows(run: Charrnn) -> None:
    result = run("evaluate", "small", "--memory", "--protocol", "windows")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: --memory and --protocol exclude each other; choose one\n"


def test_windows_cannot_be_adapted_to(run: Charrnn) -> None:
    result = run("evaluate", "small", "--adapt", "--protocol", "windows")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: --adapt and --protocol exclude each other; choose one\n"


def test_evaluate_reads_another_file_and_says_what_it_skipped(run: Charrnn, here: Path) -> None:
    (here / "other.txt").write_text("The hen met a ☃. " * 30)
    result = run("evaluate", "small", "other.txt", "--json")
    record = json.loads(result.stdout)
    assert record["skipped"] == ["☃"] and "'☃'" in result.stderr
    assert record["characters"] == 30 * 16 - 1
    assert record["baselines"]


def test_evaluate_without_the_training_text_has_no_baselines(run: Charrnn, here: Path) -> None:
    lose_training_text(here)
    result = run("evaluate", "small", "text.txt", "--json")
    assert json.loads(result.stdout)["baselines"] == {}
    assert "no baselines" in result.stderr
    assert run("evaluate", "small").exit_code == 4


FALLING_BACK = [
    ["sample", "small", "--prompt", "The", "--length", "5", "--seed", "1"],
    ["sample", "--prompt", "The", "--length", "5", "--seed", "1"],
    ["info", "small"],
    ["info", "small", "--json"],
    ["evaluate", "small"],
    ["evaluate", "small", "text.txt", "--json"],
]


@pytest.mark.parametrize("command", FALLING_BACK, ids=" ".join)
def test_a_damaged_best_is_one_warning_and_the_next_in_its_place(
    run: Charrnn, here: Path, command: list[str]
) -> None:
    best, *others = Run(Path("checkpoints/small")).models()
    tensors = best / "model.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1  # the smallest of lies
    tensors.write_bytes(content)
    result = run(*command)
    assert result.exit_code == 0
    damaged = (
        f"warning: {tensors}: damaged: not what was written (its SHA-256 differs); "
        f"falling back on {others[0]}\n"
    )
    sound = ["small" if argument == "small" else argument for argument in command]
    if "small" not in sound:
        sound.insert(1, "small")
    sound[sound.index("small")] = str(others[0])
    meant = run(*sound)
    assert meant.exit_code == 0
    assert "warning" not in meant.stderr
    assert result.stderr == damaged + meant.stderr
    assert result.stdout == meant.stdout != ""


@pytest.mark.parametrize("file", ["training.json", "training.safetensors"])
def test_what_is_not_needed_may_be_damaged(run: Charrnn, here: Path, file: str) -> None:
    """A model is its three files; what a training needs beside them is read to go on with it, and
    to find its text again."""
    path = Run(Path("checkpoints/small")).models()[0] / file
    path.write_bytes(path.read_bytes() + b" ")
    for command in ("sample", "info"):
        result = run(command, "small")
        assert (result.exit_code, result.stderr) == (0, "")
    result = run("evaluate", "small")
    assert result.exit_code == 0
    assert f"{file}: damaged: " in result.stderr and "; falling back on " in result.stderr


@pytest.mark.parametrize("command", ["sample", "info", "evaluate", "train"])
def test_where_nothing_is_sound_it_is_one_line_and_exit_3(
    run: Charrnn, here: Path, command: str
) -> None:
    for path in Run(Path("checkpoints/small")).checkpoints():
        (path / "config.json").write_bytes(b"{}")
    result = run(*(["train", "--resume", "small"] if command == "train" else [command, "small"]))
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: checkpoints/small/step-")
    assert "config.json: damaged: 2 bytes, of " in result.stderr


def test_evaluate_for_people_fits_the_terminal(run: Charrnn) -> None:
    result = run("evaluate", "small")
    assert result.exit_code == 0
    for word in ("bits per character", "bits per byte", "perplexity", "n-grams", "xz"):
        assert word in result.stdout


def test_info_says_what_it_was_trained_on(run: Charrnn, here: Path) -> None:
    record = json.loads(run("info", "small", "--json").stdout)
    assert record["model"]["cell"] == "lstm"
    assert record["training"]["corpus"] == "text"
    digest = charrnn.tokenize(charrnn.open_corpus(["text.txt"])).sha256
    assert record["training"]["sha256"] == digest
    shown = run("info", "small").stdout
    assert "text" in shown and digest in shown.replace("\n", "")


def test_info_shows_the_bits_of_the_int8_engine(run: Charrnn) -> None:
    record = json.loads(run("info", "small", "--json").stdout)
    assert record["int8_bits"]["head"] == 16  # of a small network
    said = " ".join(run("info", "small").stdout.split())
    assert "int8 engine weights and activations of 16 bits" in said


def test_evaluate_compares_int8_with_float32(run: Charrnn) -> None:
    exact = json.loads(run("evaluate", "small", "--json").stdout)
    found = json.loads(run("evaluate", "small", "--engine", "int8", "--json").stdout)
    assert (exact["engine"], found["engine"]) == ("float32", "int8")
    assert exact["float32_nats_per_character"] is None
    assert found["float32_nats_per_character"] == exact["nats_per_character"]
    difference = found["nats_per_character"] - exact["nats_per_character"]
    assert 0 < abs(difference) < 0.002
    said = " ".join(run("evaluate", "small", "--engine", "int8").stdout.split())
    assert f"int8 - float32 {difference:+.5f} nats per character" in said
    assert run("evaluate", "small", "--engine", "int8", "--adapt").exit_code == 2


def test_corpora_lists_what_can_be_named(run: Charrnn, here: Path) -> None:
    (here / "corpora").mkdir()
    (here / "corpora" / "poem.txt").write_text("rosé\n")
    (here / "corpora" / "rows.csv").write_text("text\nx\n")
    (here / "corpora" / "broken.txt").write_bytes(b"\xff\xff")
    records = {r["name"]: r for r in json.loads(run("corpora", "--json").stdout)}
    assert records["poem"] == {
        "name": "poem",
        "bytes": 6,
        "characters": 5,
        "distinct": 5,
        "encoding": "utf-8",
    }
    assert "--column" in records["rows.csv"]["encoding"]
    assert "not valid utf-8" in records["broken"]["encoding"]
    assert records["python-docs"]["characters"] > 100_000
    assert "poem" in run("corpora").stdout


def test_the_repl_completes_line_by_line_through_a_pipe(run: Charrnn) -> None:
    result = run("repl", "small", "--length", "10", "--seed", "1", stdin="The fox\nThe hen\n")
    assert result.exit_code == 0
    assert result.stdout.startswith("The fox") and "\nThe hen" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("command", [info.name for info in app.registered_commands])
def test_every_command_explains_itself(run: Charrnn, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "environment variable" in result.stdout


def test_the_version_is_printed(run: Charrnn) -> None:
    assert run("--version").stdout == f"charrnn {charrnn.__version__}\n"


def test_a_stranger_in_an_empty_folder_is_told_what_to_do(
    run: Charrnn, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    result = run("sample")
    assert result.exit_code == 3
    assert "charrnn train FILE" in result.stderr


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_endless_text_quietly(
    charrnn_process: Start, number: signal.Signals
) -> None:
    """SIGTERM is what `timeout`, systemd and docker send; its own exit code says so."""
    with charrnn_process("sample", "small", "--length", "0", "--prompt", "The") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(50).startswith(b"The")
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(timeout=60) == 128 + number
        assert process.stderr.read() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly_while_it_is_still_being_loaded(
    charrnn_process: Start, here: Path, number: signal.Signals
) -> None:
    """PyTorch takes seconds to load, and a traceback from within it helps nobody."""
    slow = here / "slow"
    slow.mkdir()
    (slow / "typer.py").write_text("import time; print('loading', flush=True); time.sleep(60)")
    path = os.pathsep.join([str(slow), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    with charrnn_process("sample", "small", env=environment) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"loading\n"
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def test_files_get_the_mode_of_the_umask(here: Path) -> None:
    mode = (here / "checkpoints/small/best/config.json").stat().st_mode
    assert stat.S_IMODE(mode) & 0o111 == 0


def test_of_a_long_text_evaluate_reads_a_part_and_says_so(
    run: Charrnn, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.cli.evaluate.AT_MOST", 640)
    (here / "long.txt").write_text("The hen met the fox.\n" * 100)
    result = run("evaluate", "small", "long.txt", "--json")
    said = json.loads(result.stdout)
    assert (said["characters"], said["of_characters"]) == (639, 2100)
    assert "read 639 of 2,100 characters, in passages" in " ".join(result.stderr.split())
    assert "--all reads everything" in result.stderr
    said = json.loads(run("evaluate", "small", "long.txt", "--json", "--all").stdout)
    assert (said["characters"], said["of_characters"]) == (2099, None)
