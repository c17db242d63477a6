"""charrnn evaluate, info, corpora, repl without a terminal, and what all commands share."""

import json
import math
import stat
from pathlib import Path

import pytest

import charrnn
from charrnn.cli.app import app
from tests.cli.conftest import Charrnn
from tests.conftest import reseal


def test_evaluate_reports_every_number_beside_baselines(run: Charrnn) -> None:
    record = json.loads(run("evaluate", "small", "--json").stdout)
    nats = record["nats_per_character"]
    assert record["bits_per_character"] == pytest.approx(nats / math.log(2))
    assert record["bits_per_byte"] == pytest.approx(nats / math.log(2))  # the text is ASCII
    assert record["perplexity"] == pytest.approx(math.exp(nats))
    assert record["protocol"] == "stream"
    assert record["baselines"].keys() == {"order_0", "n_gram", "xz"}
    assert 0 < record["baselines"]["n_gram"] < record["baselines"]["order_0"]


def test_the_official_number_is_close_to_the_one_while_training(run: Charrnn, here: Path) -> None:
    record = json.loads(run("evaluate", "small", "--json").stdout)
    lines = (here / "checkpoints/small/metrics.jsonl").read_text().splitlines()
    best = min(json.loads(line).get("validation_nats", math.inf) for line in lines)
    assert record["nats_per_character"] == pytest.approx(best, abs=1e-4)


def test_windows_is_another_protocol(run: Charrnn) -> None:
    record = json.loads(run("evaluate", "small", "--protocol", "windows", "--json").stdout)
    assert record["protocol"] == "windows"


def test_evaluate_reads_another_file_and_says_what_it_skipped(run: Charrnn, here: Path) -> None:
    (here / "other.txt").write_text("The hen met a ☃. " * 30)
    result = run("evaluate", "small", "other.txt", "--json")
    record = json.loads(result.stdout)
    assert record["skipped"] == ["☃"] and "'☃'" in result.stderr
    assert record["characters"] == 30 * 16 - 1
    assert record["baselines"]


def test_evaluate_without_the_training_text_has_no_baselines(run: Charrnn, here: Path) -> None:
    path = here / "checkpoints" / "small" / "best" / "training.json"
    training = json.loads(path.read_text())
    training["corpus"]["sources"] = [str(here / "gone.txt")]
    path.write_text(json.dumps(training))
    reseal(path.parent)
    result = run("evaluate", "small", "text.txt", "--json")
    assert json.loads(result.stdout)["baselines"] == {}
    assert "no baselines" in result.stderr
    assert run("evaluate", "small").exit_code == 4


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


def test_files_get_the_mode_of_the_umask(here: Path) -> None:
    mode = (here / "checkpoints/small/best/config.json").stat().st_mode
    assert stat.S_IMODE(mode) & 0o111 == 0
