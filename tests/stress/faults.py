"""Disks that are full, broken or read-only: a training ends with one line and loses nothing.

`faults` makes each of a training's first changes to the disk fail, through the hook that
`charrnn.storage.files` calls before every one. `small_disk` uses a real file system in memory, of
one megabyte.
"""

import contextlib
import copy
import errno
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from charrnn.data.corpus import open_corpus
from charrnn.errors import CharRNNError, CharRNNWarning, StorageError
from charrnn.storage import files
from charrnn.storage.run import Run
from charrnn.training.checkpoint import read_newest
from charrnn.training.options import TrainingOptions
from charrnn.training.plan import Plan, make_plan
from charrnn.training.trainer import Trainer
from tests.stress.report import Deadline, Report

ERRORS = {"full": errno.ENOSPC, "broken": errno.EIO, "read-only": errno.EROFS}

_STEPS, _CHECKPOINT_EVERY = 30, 4

_TAKES_SPACE = ("mkdir", "create", "write", "fsync", "link")
"""What a full disk refuses; to rename and to delete needs no room."""

_TEXT = "The ferry came at four, and the ferryman at five, which was the custom there.\n" * 12


class Disk:
    """Fails at the nth change to it, and at all after that, or at that one alone."""

    def __init__(self, error: int, nth: int, *, for_ever: bool) -> None:
        self.changes = 0
        self.failed: str | None = None
        self.error, self._nth, self._for_ever = error, nth, for_ever

    def __call__(self, operation: str, path: Path) -> None:
        """What `files.before_change` calls."""
        self.changes += 1
        due = self.changes > self._nth if self.failed is None else self._for_ever
        if self.error == errno.ENOSPC:
            due = due and operation in _TAKES_SPACE
        if not due:
            return
        if operation == "write" and self.failed is None and path.suffix != ".jsonl":
            path.write_bytes(b"half of i")  # the room that was left
        self.failed = self.failed or operation
        raise OSError(self.error, os.strerror(self.error), str(path))

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Puts it in the place of the true disk."""
        before = files.before_change
        files.before_change = self
        try:
            yield
        finally:
            files.before_change = before


def faults(
    count: int, work: Path, *, seed: int = 0, deadline: Deadline | None = None, every: int = 1
) -> Report:
    """Makes each of the first `count` changes fail in each way, for once and for ever after.

    `every` leaves out all but every so manieth of them.

    Each time, the training must end with a StorageError of one line that names the path and, where
    something was to be written, how much; what it had saved must load, go on, and end with the very
    weights of a training that nothing happened to.
    """
    report = Report("full, broken and read-only disks (injected)")
    torch.set_num_threads(1)
    plan = _plan(work, seed)
    undisturbed = _final(_finish(_trainer(plan, work / "undisturbed")))
    operations: dict[str, int] = {}
    for nth in range(0, count, every):
        for name, error in ERRORS.items():
            for for_ever in (True, False):
                if deadline is not None and deadline.passed:
                    break
                directory = work / f"{name}-{nth}-{for_ever}"
                disk = Disk(error, nth, for_ever=for_ever)
                problem = _train_on_failing_disk(plan, directory, disk, undisturbed)
                report.tried += 1
                operations[disk.failed or "none"] = operations.get(disk.failed or "none", 0) + 1
                if problem:
                    report.failures.append(f"{name} at {disk.failed}, change {nth}: {problem}")
                shutil.rmtree(directory, ignore_errors=True)
    shown = ", ".join(f"{operation} {times}" for operation, times in sorted(operations.items()))
    report.facts = f"failed at: {shown}"
    return report


def _train_on_failing_disk(
    plan: Plan, directory: Path, disk: Disk, undisturbed: dict[str, bytes]
) -> str | None:
    """What went wrong, None for nothing."""
    acknowledged, trainer = 0, None
    try:
        with disk.in_use(), warnings.catch_warnings():
            warnings.simplefilter("ignore", CharRNNWarning)  # of what could not be deleted
            trainer = _trainer(plan, directory)
            for progress in trainer:
                if progress.checkpoint is not None:
                    acknowledged = progress.step
    except StorageError as error:
        message = str(error)
        if (
            str(directory) not in message
            or "\n" in message
            or os.strerror(disk.error) not in message
        ):
            return f"it said: {message}"
        if disk.failed in ("create", "write") and "it needs" not in message:
            return f"it did not say how much room it needs: {message}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if disk.failed is None:
        return "nothing failed"
    del trainer  # and with it its claim
    run = Run(directory)
    try:
        if not directory.exists() or not run.checkpoints():
            if acknowledged:
                return f"step {acknowledged} was acknowledged, and is gone"
            finished = _finish(_trainer(plan, directory))
        else:
            found = read_newest(run).position.step
            if found < acknowledged:
                return f"step {acknowledged} was acknowledged; the newest is {found}"
            if found == _STEPS:
                return None  # it failed after all was done
            finished = _finish(Trainer.resume(run))
    except CharRNNError as error:
        return f"it does not go on: {error}"
    if _final(finished) != undisturbed:
        return "it ended with other weights"
    litter = [
        path.name
        for path in directory.iterdir()
        if path.name not in ("best", "last", "metrics.jsonl") and not path.name.startswith("step-")
    ]
    return f"litter: {litter}" if litter else None


def _plan(work: Path, seed: int) -> Plan:
    path = work / "ferry.txt"
    path.write_text(_TEXT)
    options = TrainingOptions(
        steps=_STEPS,
        hidden_size=4,
        embedding_size=3,
        batch_size=2,
        sequence_length=8,
        precision="fp32",
        device="cpu",
        evaluate_every=6,
        checkpoint_every=_CHECKPOINT_EVERY,
        seed=seed,
    )
    return make_plan(open_corpus([str(path)]), options)


def _trainer(plan: Plan, directory: Path) -> Trainer:
    return Trainer(plan.corpus, copy.deepcopy(plan.network), plan.config, Run.create(directory))


def _finish(trainer: Trainer) -> Trainer:
    for _ in trainer:
        pass
    return trainer


def _final(trainer: Trainer) -> dict[str, bytes]:
    return {
        name: (trainer.run.last / name).read_bytes()
        for name in ("model.safetensors", "training.safetensors")
    }


def small_disk(work: Path) -> Report:
    """Trains on a file system of a megabyte until it is full, and on one that turns read-only.

    The report says so where this user may not mount one.
    """
    report = Report("a real disk, full and read-only (tmpfs)")
    disk, text = work / "disk", work / "ferry.txt"
    disk.mkdir()
    text.write_text(_TEXT)
    arguments = ["train", str(text), "--out", str(disk / "run"), "--steps", "100000"]
    arguments += ["--hidden-size", "48", "--layers", "1", "--checkpoint-every", "5", "--keep", "99"]
    if not _run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)):
        report.facts = "left out: not allowed to mount"
        return report
    try:
        for what, hurt, message in (
            ("full", None, "No space left on device; it needs"),  # the training itself fills it
            ("read-only", "remount,ro", "Read-only file system"),
        ):
            report.tried += 1
            shutil.rmtree(disk / "run", ignore_errors=True)
            if problem := _train_until(arguments, hurt, message, disk):
                report.failures.append(f"{what}: {problem}")
    finally:
        _run("umount", str(disk))
    return report


def _train_until(arguments: list[str], hurt: str | None, message: str, disk: Path) -> str | None:
    """What went wrong when the disk was mounted anew, so, while a process trained; None:
    nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "charrnn", *arguments], stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (disk / "run" / "last").exists():
        time.sleep(0.01)
    # Busy while a file is being written: again, until it is between two.
    while hurt and process.poll() is None and not _run("mount", "-o", hurt, str(disk)):
        time.sleep(0.001)
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        return "it went on for a minute"
    last = said.splitlines()[-1] if said else ""
    if process.returncode != 1 or not last.startswith("error: ") or "Traceback" in said:
        return f"exit code {process.returncode}: {said}"
    if message not in last or str(disk) not in last:
        return f"it said: {last}"
    _run("mount", "-o", "remount,rw,size=8m", str(disk))
    try:
        run = Run(disk / "run")
        step = read_newest(run).position.step
        trainer = Trainer.resume(run)
        for progress in trainer:
            if progress.step > step + 2:
                trainer.request_stop()
    except CharRNNError as error:
        return f"it does not go on: {error}"
    _run("mount", "-o", "remount,size=1m", str(disk))
    return None


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
