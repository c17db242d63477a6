"""charrnn train"""

import json
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import charrnn
from charrnn.data.sources import SOURCES, Source
from charrnn.errors import ConfigError
from charrnn.storage.run import Run
from charrnn.training.checkpoint import read_newest
from charrnn.training.plan import make_plan
from tests.cli.conftest import TEXT, Charrnn
from tests.conftest import reseal
from tests.trainings import start

Start = Callable[..., "subprocess.Popen[bytes]"]

SMALL = ("--hidden-size", "16", "--layers", "1", "--precision", "fp32")


def test_it_trains_and_says_what_to_type_next(run: Charrnn, here: Path) -> None:
    result = run("train", "text.txt", "--steps", "30", *SMALL)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "charrnn sample text" in result.stderr
    assert "n-grams" in result.stderr
    assert Run(here / "checkpoints" / "text").best.exists()


def test_a_training_whose_validation_has_turned_ends_well_and_says_what_helps(
    run: Charrnn, here: Path
) -> None:
    """Of random digits, all that can be learned is learned by heart; but all that was seen is the
    loss, which rises as well where what was held out is of another kind."""
    digits = random.Random(0).choices("0123456789", k=500)
    (here / "noise.txt").write_text("".join(digits))
    schedule = ("--steps", "400", "--evaluate-every", "10", "--patience", "3")
    none = ("--dropout", "0", "--weight-dropout", "0", "--learning-rate", "0.03")
    sizes = ("--hidden-size", "48", "--batch-size", "8", "--precision", "fp32")
    result = run("train", "noise.txt", *schedule, *none, *sizes)
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    lowest = r"was lowest at step \d+ and has risen by \d+ % since"
    assert re.search(r"stopped early, at step \d+ of 400: the validation loss " + lowest, said)
    assert "More text helps most" in said and "by heart" not in said
    result = run("train", "--resume", "noise")
    assert result.exit_code == 1 and "validation loss had risen" in " ".join(result.stderr.split())


def test_a_short_text_is_not_trained_on_for_all_of_a_budget_and_that_is_said(run: Charrnn) -> None:
    result = run("train", "text.txt", "--budget", "10s", "--hidden-size", "8")
    assert result.exit_code == 0, result.stderr
    assert "60 epochs are enough" in " ".join(result.stderr.split())


def test_how_much_of_the_held_out_text_was_read_is_said(
    run: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.training.recipe.MOST_EVALUATED", 100)
    result = run("train", "text.txt", "--steps", "2", *SMALL)
    assert "on 100 of the 280 characters of the held-out text" in " ".join(result.stderr.split())


def test_runs_of_one_corpus_get_names_of_their_own(run: Charrnn, here: Path) -> None:
    for _ in range(2):
        assert run("train", "text.txt", "--steps", "2", *SMALL).exit_code == 0
    assert (here / "checkpoints" / "text-2" / "last").exists()


def test_a_run_is_never_overwritten(run: Charrnn, here: Path) -> None:
    before = (here / "checkpoints" / "small" / "metrics.jsonl").read_bytes()
    result = run("train", "text.txt", "--name", "small", "--steps", "2")
    assert result.exit_code == 2
    assert "--resume small" in result.stderr
    assert (here / "checkpoints" / "small" / "metrics.jsonl").read_bytes() == before


def test_out_puts_the_run_anywhere(run: Charrnn, here: Path) -> None:
    result = run("train", "text.txt", "--out", "elsewhere/run", "--steps", "2", *SMALL)
    assert result.exit_code == 0
    assert (here / "elsewhere" / "run" / "best" / "config.json").is_file()
    assert "charrnn sample elsewhere/run" in result.stderr


def test_stdin_is_a_corpus(run: Charrnn, here: Path) -> None:
    assert run("train", "-", "--steps", "2", *SMALL, stdin=TEXT).exit_code == 0
    assert (here / "checkpoints" / "stdin" / "last").exists()


def test_without_a_corpus_it_takes_pythons_manual_and_says_so(run: Charrnn) -> None:
    result = run("train", "--steps", "2", *SMALL)
    assert result.exit_code == 0
    assert "python-docs (no corpus was named)" in result.stderr


def test_fine_tuning_says_which_characters_are_new(run: Charrnn, here: Path) -> None:
    (here / "new.txt").write_text(TEXT.replace("fox", "ƒox"))
    result = run("train", "new.txt", "--from", "small", "--steps", "3", "--precision", "fp32")
    assert result.exit_code == 0, result.stderr
    assert "1 characters are new" in result.stderr and "'ƒ'" in result.stderr
    config = json.loads((here / "checkpoints/new/best/config.json").read_text())
    assert config["model"]["hidden_size"] == 24


def test_fine_tuning_refuses_other_sizes(run: Charrnn) -> None:
    result = run("train", "text.txt", "--from", "small", "--hidden-size", "99", "--steps", "3")
    assert result.exit_code == 2
    assert "24" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere.txt"], 4, "nowhere.txt"),
        (["empty.txt"], 4, "empty"),
        (["one.txt"], 4, "too few"),
        (["binary.bin"], 4, "--tokenizer byte"),
        (["latin.txt"], 4, "byte 3"),
        (["folder"], 4, "--glob"),
        (["text.txt", "--budget", "soon"], 2, "10m"),
        (["text.txt", "--budget", "1m", "--steps", "3"], 2, "exclude"),
        (["text.txt", "--hidden-size", "0"], 2, "hidden size"),
        (["text.txt", "--learning-rate", "0"], 2, "learning-rate"),
        (["text.txt", "--batch-size", "0"], 2, "batch-size"),
        (["text.txt", "--layers", "0"], 2, "layers"),
        (["text.txt", "--dropout", "1"], 2, "dropout"),
        (["text.txt", "--clip", "-1"], 2, "clip"),
        (["text.txt", "--steps", "0"], 2, "steps"),
        (["text.txt", "--keep", "0"], 2, "keep"),
        (["text.txt", "--validation-fraction", "0.9"], 2, "validation"),
        (["text.txt", "--device", "abacus"], 2, "abacus"),
        (["text.txt", "--encoding", "klingon"], 2, "klingon"),
        (["text.txt", "--cell", "perceptron"], 2, "perceptron"),
        (["text.txt", "--name", "../evil"], 2, "--out"),
        (["--resume", "nobody"], 3, "nobody"),
        (["--resume", "small", "--hidden-size", "9"], 2, "--hidden-size"),
        (["--resume", "small", "--from", "small"], 2, "--from"),
        (["--resume", "small"], 1, "--from small"),
        (["text.txt", "--from", "nobody"], 3, "nobody"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    run: Charrnn, here: Path, arguments: list[str], code: int, says: str
) -> None:
    (here / "empty.txt").write_bytes(b"")
    (here / "one.txt").write_bytes(b"x")
    (here / "binary.bin").write_bytes(b"MZ\0\1\2" * 100)
    (here / "latin.txt").write_bytes("caf\xe9 ".encode("latin-1") * 100)
    (here / "folder").mkdir()
    known = sorted((here / "checkpoints").iterdir())
    length = () if "--steps" in arguments or "--budget" in arguments else ("--steps", "2")
    if "--resume" in arguments:
        length = ()
    result = run("train", *arguments, *length)
    assert result.exit_code == code, result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted((here / "checkpoints").iterdir()) == known, "it left something behind"


def test_debug_shows_the_traceback(run: Charrnn) -> None:
    result = run("--debug", "train", "nowhere.txt")
    assert result.exit_code != 0
    assert result.exception is not None and "nowhere.txt" in str(result.exception)


def test_a_batch_too_large_for_the_text_shrinks_and_says_so(run: Charrnn, here: Path) -> None:
    (here / "short.txt").write_text("abc\n" * 50)
    result = run("train", "short.txt", "--batch-size", "64", "--steps", "2", *SMALL)
    assert result.exit_code == 0
    assert "batch size 3 instead of 64" in result.stderr


def test_a_diverging_run_stops_and_suggests_a_lower_rate(run: Charrnn) -> None:
    result = run("train", "text.txt", "--learning-rate", "1e30", "--steps", "50", *SMALL)
    assert result.exit_code == 1
    assert "--learning-rate" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error:")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_saved_and_goes_on_exactly(
    charrnn_process: Start, run: Charrnn, here: Path, number: signal.Signals
) -> None:
    arguments = ("train", "text.txt", "--steps", "800", "--evaluate-every", "200", *SMALL)
    assert run(*arguments, "--name", "straight").exit_code == 0

    process = charrnn_process(*arguments, "--name", "stopped")
    metrics = here / "checkpoints" / "stopped" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"charrnn train --resume stopped" in stderr
    assert run("train", "--resume", "stopped").exit_code == 0

    straight, stopped = (Run(here / "checkpoints" / name) for name in ("straight", "stopped"))
    for name in ("best", "last"):
        weights = [
            (r.directory / name / "model.safetensors").read_bytes() for r in (straight, stopped)
        ]
        assert weights[0] == weights[1]
    losses = [
        [{k: v for k, v in line.items() if "nats" in k} for line in r.metrics()]
        for r in (straight, stopped)
    ]
    assert losses[0] == losses[1]


def wait_for_measurements(run: Path) -> None:
    metrics, deadline = run / "metrics.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.02)


LONG = ("train", "text.txt", "--name", "long", "--evaluate-every", "10", *SMALL)


def test_a_terminal_that_is_closed_saves_the_run(charrnn_process: Start, here: Path) -> None:
    """SIGHUP, as when an SSH connection breaks: it ended the training then and there."""
    process = charrnn_process(*LONG, "--steps", "100000")
    wait_for_measurements(here / "checkpoints" / "long")
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGHUP, stderr
    assert b"charrnn train --resume long" in stderr and b"Traceback" not in stderr
    saved = Run(here / "checkpoints" / "long")
    assert read_newest(saved).position.step == int(saved.last.resolve().name[-8:])


def test_under_nohup_a_training_goes_on(charrnn_process: Start, here: Path) -> None:
    def nohup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = charrnn_process(*LONG, "--steps", "300", preexec_fn=nohup)
    wait_for_measurements(here / "checkpoints" / "long")
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert Run(here / "checkpoints" / "long").last.resolve().name == "step-00000300"


@pytest.mark.parametrize("command", [["--resume", "unfinished"], ["text.txt", "--name", "new"]])
def test_a_run_that_is_being_trained_is_left_alone(
    run: Charrnn, unfinished: Path, here: Path, command: list[str]
) -> None:
    """Two trainings that write to one run leave a mix of both."""
    if "--resume" in command:
        other = Run(unfinished.parents[1])
        other.claim()
    else:
        other = Run.create(here / "checkpoints" / "new")
    before = sorted((path, path.lstat().st_mtime_ns) for path in other.directory.rglob("*"))
    options = () if "--resume" in command else ("--steps", "2", *SMALL)
    result = run("train", *command, *options)
    assert result.exit_code == 1, result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"error: checkpoints/{other.name}: another charrnn is training this run")
    assert sorted((path, path.lstat().st_mtime_ns) for path in other.directory.rglob("*")) == before
    other.release()
    if "--resume" in command:
        assert run("train", *command).exit_code == 0


def test_resuming_from_a_damaged_checkpoint_falls_back_and_says_so(
    run: Charrnn, unfinished: Path
) -> None:
    tensors = unfinished.parent / "training.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    newest, before = Run(unfinished.parents[1]).checkpoints()[:-3:-1]
    result = run("train", "--resume", "unfinished")
    assert result.exit_code == 0, result.stderr
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    newest, before = (path.relative_to(Path.cwd()) for path in (newest, before))
    assert warnings[0].startswith(f"warning: {newest}/training.safetensors: damaged: ")
    assert warnings[0].endswith(f"; falling back on {before}")
    assert f"resuming after step {int(before.name[-8:])} of 40" in result.stderr


def test_resume_refuses_another_text(run: Charrnn, here: Path) -> None:
    (here / "text.txt").write_text(TEXT[:-1] + "?")
    result = run("train", "--resume", "small")
    assert result.exit_code in (1, 4)


def test_a_training_goes_on_when_nobody_reads_what_it_says(
    charrnn_process: Start, here: Path
) -> None:
    # Rich ends the process when its stream is closed; `charrnn train FILE 2>&1 | head -1` did.
    arguments = (
        "train",
        "text.txt",
        "--name",
        "unread",
        "--steps",
        "200",
        "--evaluate-every",
        "10",
    )
    with charrnn_process(*arguments, *SMALL) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.close()
        assert process.wait(timeout=60) == 0
    assert Run(here / "checkpoints" / "unread").last.resolve().name == "step-00000200"


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../zz"])
def test_a_run_never_leaves_its_folder_by_its_name(run: Charrnn, here: Path, name: str) -> None:
    before = sorted(here.rglob("*"))
    assert run("train", "text.txt", "--name", name, "--steps", "2").exit_code == 2
    with pytest.raises(ConfigError):
        charrnn.train("text.txt", name=name, steps=2, progress_bar=False)
    assert sorted(here.rglob("*")) == before


@pytest.fixture
def unfinished(run: Charrnn, here: Path) -> Path:
    """training.json of a run that was stopped half-way."""
    options = charrnn.TrainingOptions(steps=40, hidden_size=8, layers=1, precision="fp32")
    plan = make_plan(charrnn.open_corpus(["text.txt"]), options)
    trainer = start(plan, here / "checkpoints" / "unfinished")
    for progress in trainer:
        if progress.step == 20:
            trainer.request_stop()
    return here / "checkpoints" / "unfinished" / "last" / "training.json"


def test_exported_settings_do_not_stop_a_resume(
    run: Charrnn, unfinished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_SEED", "7")
    assert run("train", "--resume", "unfinished").exit_code == 0


def spoil(training: Path, part: str, key: str, value: object) -> None:
    """What somebody who means harm would write: the manifest says that it is as it was written."""
    data = json.loads(training.read_text())
    data[part][key] = value
    training.write_text(json.dumps(data))
    reseal(training.parent)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("config", "batch_size", 7),
        ("config", "threads", 10**7),
        ("config", "learning_rate", 10**400),
        ("config", "evaluate_every", 10**400),
        ("config", "device", "meta"),
        ("config", "seed", 10**40),
        ("position", "lanes", 3),
        ("position", "step", -1),
    ],
)
def test_a_run_of_one_spoiled_checkpoint_is_unusable_in_one_line(
    run: Charrnn, unfinished: Path, part: str, key: str, value: object
) -> None:
    spoil(unfinished, part, key, value)
    for other in Run(unfinished.parents[1]).checkpoints()[:-1]:
        shutil.rmtree(other)
    result = run("train", "--resume", "unfinished")
    assert result.exit_code == 3, result.stderr
    assert result.stderr.count("\n") == 1


def test_a_model_cannot_make_anyone_fetch_what_it_names(
    run: Charrnn, unfinished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(*_: object) -> None:
        raise AssertionError("it was fetched")

    source = Source(lambda name: name[:3] == "hf:", fetched, frozenset())  # type: ignore[arg-type]
    monkeypatch.setitem(SOURCES, "hugging-face", source)
    for checkpoint in Run(unfinished.parents[1]).checkpoints():
        spoil(checkpoint / "training.json", "corpus", "sources", ["hf:evil/data"])
    for arguments in (("train", "--resume", "unfinished"), ("evaluate", "unfinished")):
        result = run(*arguments)
        assert result.exit_code == 4
        assert "hf:evil/data" in result.stderr
