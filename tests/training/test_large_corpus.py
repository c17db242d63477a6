"""Corpora larger than memory: with a threshold of nothing, every corpus is one."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import charrnn
from charrnn.cli.app import app
from charrnn.data import two_pass_reading
from charrnn.data.corpus import open_corpus, tokenize
from charrnn.data.excerpt import Excerpt
from charrnn.data.parts import CHUNK_BYTES, Part
from charrnn.data.tokenizer import Ids
from charrnn.data.two_pass_reading import IdsKey
from charrnn.errors import CharRNNWarning, CorpusError, DivergedError, StorageError
from charrnn.storage import files, token_cache
from charrnn.storage.run import Run
from charrnn.storage.token_cache import IDS, IDS_FOLDER, find_ids, keep_for_now
from charrnn.tasks.generate.task import GenerationTask
from charrnn.training.checkpoint import read_newest
from charrnn.training.session import resume_training, start_training
from charrnn.training.trainer import Trainer

LARGE, SMALL = 0, 1 << 40

OPTIONS: dict[str, Any] = {
    "steps": 12,
    "hidden_size": 8,
    "embedding_size": 5,
    "layers": 1,
    "batch_size": 4,
    "sequence_length": 10,
    "precision": "fp32",
    "device": "cpu",
    "evaluate_every": 4,
    "learning_rate": 0.01,
}

Train = Callable[..., Run]


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prose: str) -> None:
    """A text in the working directory, and a memory in which it has no room."""
    monkeypatch.setattr(two_pass_reading, "LARGEST_IN_MEMORY", LARGE)
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(prose, encoding="utf-8")


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trains to the end, or stops at a step; the run."""

    def make(name: str, *, stop_at: int | None = None, memory: int = LARGE, **options: Any) -> Run:
        monkeypatch.setattr(two_pass_reading, "LARGEST_IN_MEMORY", memory)
        arguments = OPTIONS | options
        for progress in charrnn.stream_train(
            "text.txt", name=name, progress_bar=False, **arguments
        ):
            if progress.step == stop_at:
                break
        return Run(Path("checkpoints") / name)

    return make


def resume(run: Run, *corpus: str) -> Trainer:
    trainer = resume_training(str(run.directory), corpus)
    for _ in trainer:
        pass
    return trainer


def weights(run: Run) -> list[bytes]:
    return [
        (run.last / name).read_bytes() for name in ("model.safetensors", "training.safetensors")
    ]


def entries(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def is_mapped(ids: Ids) -> bool:
    return not ids.flags.owndata and not ids.flags.writeable


class Building:
    """Counts how often ids are written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0

        def count(operation: str, path: Path) -> None:
            self.times += operation == "create" and path.name == IDS

        monkeypatch.setattr(files, "before_change", count)


# As in memory


def test_a_small_corpus_makes_no_file(train: Train) -> None:
    run = train("small", memory=SMALL)
    assert IDS_FOLDER not in entries(run.directory)


def test_a_corpus_is_large_from_one_byte_more_on(
    monkeypatch: pytest.MonkeyPatch, prose: str
) -> None:
    for size, expected in ((len(prose) - 1, [1]), (len(prose), [])):
        monkeypatch.setattr(two_pass_reading, "LARGEST_IN_MEMORY", size)
        kept: list[int] = []

        def keep(_: object, ids: Iterator[Ids], kept: list[int] = kept) -> Ids:
            kept.append(1)
            return np.concatenate(list(ids))

        tokenize(open_corpus(["text.txt"]), keep=keep)
        assert kept == expected


@pytest.mark.parametrize(
    "options",
    [{}, {"lines": True}, {"tokenizer": "byte"}, {"min_count": 3}],
    ids=["plain", "lines", "bytes", "folded"],
)
def test_training_is_bit_for_bit_the_one_in_memory(train: Train, options: dict[str, Any]) -> None:
    there = train("there", **options)
    here = train("here", memory=SMALL, **options)
    assert weights(there) == weights(here)
    losses = [
        [{k: v for k, v in line.items() if "nats" in k} for line in run.metrics()]
        for run in (there, here)
    ]
    assert losses[0] == losses[1]
    assert IDS_FOLDER in entries(there.directory)


def test_the_trainer_reads_the_file_and_not_a_copy() -> None:
    trainer, plan = start_training(["text.txt"], charrnn.TrainingOptions(**OPTIONS), name="new")
    assert is_mapped(plan.corpus.ids)
    assert isinstance(trainer.task, GenerationTask)
    for ids in (trainer.task.training, trainer.task.validation):
        assert isinstance(ids, np.ndarray)
        assert np.shares_memory(ids, plan.corpus.ids)
    trainer.run.discard()


def test_lines_are_drawn_from_the_file_and_not_copied() -> None:
    options = charrnn.TrainingOptions(**(OPTIONS | {"lines": True}))
    trainer, plan = start_training(["text.txt"], options, name="new")
    assert isinstance(trainer.task, GenerationTask)
    for part in (trainer.task.training, trainer.task.validation):
        assert isinstance(part, Excerpt) and np.shares_memory(part.ids, plan.corpus.ids)
    trainer.run.discard()


def test_a_model_is_tuned_on_a_large_corpus(train: Train) -> None:
    train("base")
    Path("more.txt").write_text("the ant and the añt\n" * 40, encoding="utf-8")
    options: dict[str, Any] = {"steps": 4, "batch_size": 4, "sequence_length": 10}
    charrnn.train("more.txt", start_from="base", name="tuned", progress_bar=False, **options)
    assert IDS_FOLDER in entries(Path("checkpoints/tuned"))


# Resume


def test_resume_uses_what_is_there(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = train("straight")
    stopped = train("stopped", stop_at=6)
    building = Building(monkeypatch)
    trainer = resume(stopped)
    assert building.times == 0
    assert is_mapped(trainer.corpus.ids)
    assert weights(stopped) == weights(straight)


def shorten(folder: Path) -> None:
    os.truncate(folder / IDS, 100)


def flip(folder: Path) -> None:
    content = bytearray((folder / IDS).read_bytes())
    content[99] ^= 1
    (folder / IDS).write_bytes(content)


def lose(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize("damage", [shorten, flip, lose])
def test_resume_builds_anew_what_is_damaged_or_gone(
    train: Train, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    straight = train("straight")
    stopped = train("stopped", stop_at=6)
    damage(stopped.ids_folder)
    building = Building(monkeypatch)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", CharRNNWarning)
        resume(stopped)
    assert [str(each.message).endswith("the text is read again instead") for each in told] == (
        [] if damage is lose else [True]
    )
    assert building.times == 1
    assert weights(stopped) == weights(straight)
    assert not any(name.startswith(".") for name in entries(stopped.directory))


@pytest.mark.parametrize("change", ["other", "more", "unknown"])
def test_a_text_that_has_changed_is_refused_and_the_ids_stay(
    train: Train, prose: str, change: str
) -> None:
    """Its ids are still there; but what was promised is to go on with the text that is named."""
    run = train("stopped", stop_at=6)
    before = (run.ids_folder / IDS).stat()
    text = {"other": prose[::-1], "more": prose + "e", "unknown": prose + "\N{SNOWMAN}"}[change]
    Path("text.txt").write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match="not the text that the model was trained on.*--from"):
        resume_training("stopped")
    after = (run.ids_folder / IDS).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    Path("text.txt").write_text(prose, encoding="utf-8")
    resume(run)


def test_resume_finds_a_text_that_was_moved(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train("stopped", stop_at=6)
    Path("text.txt").rename("moved.txt")
    building = Building(monkeypatch)
    resume(run, "moved.txt")
    assert building.times == 0


def test_an_evaluation_reads_the_file_and_never_writes(train: Train) -> None:
    run = train("run")
    find = partial(find_ids, run.ids_folder)
    checkpoint = read_newest(run)
    assert is_mapped(checkpoint.read_corpus(find=find).ids)
    lose(run.ids_folder)
    assert not is_mapped(checkpoint.read_corpus(find=find).ids)
    assert IDS_FOLDER not in entries(run.directory)


@pytest.mark.parametrize("lines", [False, True])
def test_evaluate_says_the_same_as_in_memory(
    lines: bool, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train("run", lines=lines)

    def evaluate() -> str:
        result = CliRunner().invoke(app, ["evaluate", str(run.directory), "--json"])
        assert result.exit_code == 0, result.stderr
        return result.stdout

    found: list[bool] = []

    def find(folder: Path, key: IdsKey, **options: Any) -> Ids | None:
        ids = find_ids(folder, key, **options)
        found.append(ids is not None and is_mapped(ids))
        return ids

    monkeypatch.setattr("charrnn.storage.run.find_ids", find)
    there = evaluate()
    assert found == [True]
    monkeypatch.setattr(two_pass_reading, "LARGEST_IN_MEMORY", SMALL)
    assert evaluate() == there
    assert found == [True]


@pytest.mark.parametrize(
    "command",
    [
        ["plan", "text.txt", "--steps", "12", "--hidden-size", "8", "--layers", "1"],
        ["evaluate", "run"],
        ["sample", "run", "--novel", "--length", "9"],
    ],
    ids=lambda command: command[0],
)
def test_what_only_looks_at_a_large_text_maps_it_and_leaves_nothing(
    command: list[str], train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = train("run")
    lose(run.ids_folder)  # or evaluate would look there
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    Path(tempfile.gettempdir()).mkdir()
    kept: list[bool] = []

    def keep(key: IdsKey, ids: Iterator[Ids]) -> Ids:
        mapped = keep_for_now(key, ids)
        kept.append(is_mapped(mapped) and len(mapped) == key.count)
        return mapped

    monkeypatch.setattr(token_cache, "keep_for_now", keep)
    before = entries(run.directory)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    assert kept == [True]
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
    assert entries(run.directory) == before


# What comes to nothing leaves nothing


def test_a_plan_that_fails_leaves_nothing() -> None:
    options = charrnn.TrainingOptions(**(OPTIONS | {"device": "cuda:99"}))
    with pytest.raises(charrnn.ConfigError, match="cuda:99"):
        start_training(["text.txt"], options, name="new")
    assert list(Path("checkpoints").iterdir()) == []


def test_a_training_that_takes_no_step_leaves_nothing() -> None:
    trainer, _ = start_training(["text.txt"], charrnn.TrainingOptions(**OPTIONS), name="new")
    assert IDS_FOLDER in entries(Path("checkpoints/new"))
    trainer.request_stop()
    assert list(trainer) == []
    assert list(Path("checkpoints").iterdir()) == []


def test_a_training_that_diverges_at_once_leaves_nothing() -> None:
    trainer, _ = start_training(["text.txt"], charrnn.TrainingOptions(**OPTIONS), name="new")
    for parameter in trainer.learner.network.parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(DivergedError):
        list(trainer)
    assert list(Path("checkpoints").iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_build_that_breaks_off_leaves_nothing(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, prose: str
) -> None:
    def break_off(operation: str, path: Path) -> None:
        if operation == "write" and path.name == IDS:
            path.write_bytes(b"half of i")
            raise error

    monkeypatch.setattr(files, "before_change", break_off)
    expected = StorageError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        start_training(["text.txt"], charrnn.TrainingOptions(**OPTIONS), name="new")
    if expected is StorageError:
        message = str(caught.value)
        assert message.startswith("checkpoints/new/corpus: cannot be written: No space left")
        assert f"; it needs {len(prose)} bytes; " in message and " are free" in message
    assert list(Path("checkpoints").iterdir()) == []


def test_a_text_that_changes_while_it_is_built_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def grow(operation: str, path: Path) -> None:
        if operation == "create" and path.name == IDS:
            with open("text.txt", "a") as file:
                file.write("e")

    monkeypatch.setattr(files, "before_change", grow)
    with pytest.raises(CorpusError, match="changed while it was being read"):
        start_training(["text.txt"], charrnn.TrainingOptions(**OPTIONS), name="new")
    assert list(Path("checkpoints").iterdir()) == []


def test_a_text_that_grows_for_ever_does_not_fill_the_disk() -> None:
    """A log file that is written faster than it is read."""
    corpus = open_corpus(["text.txt"])
    text = Path("text.txt").read_bytes()
    readings = iter([[text], (text for _ in range(1000))])
    part = Part("log", "utf-8", lambda: iter(next(readings)))
    taken: list[int] = []

    def keep(_: object, ids: Iterator[Ids]) -> Ids:
        taken.extend(map(len, ids))
        raise AssertionError("it came to an end")

    with pytest.raises(CorpusError, match="changed"):
        tokenize(charrnn.Corpus("log", (), corpus.options, (part,)), keep=keep)
    assert sum(taken) == len(text)


def test_another_training_that_took_the_name_meanwhile_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is claimed when the ids are written: two starts at once must not write to one folder."""
    create = Run.create
    others: list[Run] = []

    def late(directory: Path) -> Run:
        if not others:
            others.append(create(directory))
        return create(directory)

    monkeypatch.setattr(Run, "create", late)
    trainer, _ = start_training(["text.txt"], charrnn.TrainingOptions(**OPTIONS))
    assert (others[0].name, trainer.run.name) == ("text", "text-2")
    assert IDS_FOLDER in entries(trainer.run.directory)
    assert IDS_FOLDER not in entries(others[0].directory)
    trainer.run.discard()


# Progress


def test_progress_is_told_of_each_reading(train: Train, prose: str) -> None:
    told: list[tuple[str, int, int | None]] = []
    run = train("run", stop_at=6)
    Path("text.txt").write_text(prose + "e" * CHUNK_BYTES * 2, encoding="utf-8")
    size = Path("text.txt").stat().st_size
    tokenize(open_corpus(["text.txt"]), progress=lambda *each: told.append(each))
    assert [each for each in told if each[1] == each[2]] == [
        ("reading", size, size),
        ("numbering", size, size),
    ]
    assert len(told) == 6
    told.clear()
    Path("text.txt").write_text(prose, encoding="utf-8")
    resume_training(str(run.directory), progress=lambda *each: told.append(each)).run.release()
    assert told == [("reading", len(prose), len(prose)), ("checking", len(prose), len(prose))]


def test_the_library_shows_a_bar_for_a_large_corpus(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from charrnn.training import progress_bar

    monkeypatch.setattr(progress_bar, "LARGEST_IN_MEMORY", LARGE)
    charrnn.train("text.txt", name="run", **OPTIONS)
    shown = capsys.readouterr()
    assert "reading: " in shown.err and "numbering: " in shown.err
    assert shown.out == ""


# The true threshold


_PEAK = """
import sys
from charrnn.cli.app import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert end.code in (0, None), end.code
status = open("/proc/self/status").read().splitlines()
print(next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM")))
"""


def peak(*arguments: str) -> int:
    """The most memory, in bytes, that a command takes in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", _PEAK, *arguments], capture_output=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout.splitlines()[-1])


def write_text(path: str, size: int) -> None:
    line = b"It was a bright cold day in April, and the clocks were striking thirteen.\n"
    block = line * 1000
    with open(path, "wb") as file:
        file.writelines(block for _ in range(size // len(block)))


QUICK = ("--steps", "5", "--hidden-size", "8", "--layers", "1", "--validation-fraction", "0.001")


@pytest.mark.slow
def test_a_corpus_takes_a_fraction_of_its_size_in_memory() -> None:
    """2 GB of text trains in 1 GB, much of which is PyTorch's. The order of lines takes 8 bytes for
    each, of 74, and to draw those that are held out takes 9 for a moment, some of which stay."""
    size = 200_000_000
    write_text("small.txt", 5_000_000)  # more than is compared with xz, which takes memory too
    write_text("large.txt", size)
    least = peak("train", "small.txt", *QUICK[:-1], "0.03")  # as much to validate on
    plain = peak("train", "large.txt", "--name", "large", *QUICK)
    lines = peak("train", "large.txt", "--name", "lines", "--lines", *QUICK)
    for name in ("large", "lines"):
        assert (Path("checkpoints") / name / IDS_FOLDER / IDS).stat().st_size > 0.99 * size
    assert plain - least < 0.3 * size
    assert lines - least < (0.3 + 14 / 74) * size


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_build_leaves_nothing(number: signal.Signals) -> None:
    """A terminal that was closed left up to 50 GB under a hidden name."""
    write_text("large.txt", 300_000_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "charrnn", "train", "large.txt", *QUICK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    unfinished = Path("checkpoints/large") / f".partial-{IDS_FOLDER}" / IDS
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not unfinished.exists():
        time.sleep(0.005)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stderr
    assert b"Traceback" not in stderr
    assert list(Path("checkpoints").iterdir()) == []


@pytest.mark.slow
def test_a_killed_build_is_replaced_by_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    write_text("large.txt", 300_000_000)
    command = [sys.executable, "-m", "charrnn", "train", "large.txt", *QUICK]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    unfinished = Path("checkpoints/large") / f".partial-{IDS_FOLDER}" / IDS
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not unfinished.exists():
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert unfinished.exists()
    Path("large.txt").write_text("a small text\n" * 200)
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    names = entries(Path("checkpoints/large"))
    assert entries(Path("checkpoints")) == {"large"}
    assert not unfinished.parent.exists() and IDS_FOLDER not in names
