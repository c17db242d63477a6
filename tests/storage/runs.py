"""Runs whose checkpoints are a few bytes, for tests of what is on the disk."""

import os
from pathlib import Path

from charrnn.errors import (
    ModelError,
)
from charrnn.storage.manifest import with_manifest
from charrnn.storage.model_directory import CONFIG
from charrnn.storage.run import RUNS, Run


def files(text: str = "weights") -> dict[str, bytes]:
    """A checkpoint's files, as far as a run looks at them."""
    return {CONFIG: b"{}", "model.safetensors": text.encode()}


def save(run: Run, *steps: int, best: int | None = None, keep: int = 99) -> None:
    for step in steps:
        run.save(step, files(f"step {step}"), best=step == best, keep=keep)


def steps(run: Run) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in run.checkpoints()]


def step_of(link: Path) -> int:
    """The step of the checkpoint that a link points to, which is whole."""
    content = {path.name: path.read_bytes() for path in link.iterdir()}
    step = int(link.resolve().name.removeprefix("step-"))
    assert content == with_manifest(files(f"step {step}"))
    return step


def make_run(name: str, seconds: int, *, best: int | None = 2) -> Run:
    """A run of three checkpoints whose last was saved then."""
    run = Run.create(RUNS / name)
    save(run, 1, 2, 3, best=best)
    os.utime(run.last, (seconds, seconds), follow_symlinks=False)
    return run


def read_step(path: Path) -> int:
    """What stands for reading a model: refuses those that `damage` has hurt."""
    try:
        content = (path / "model.safetensors").read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    if content == b"damaged":
        raise ModelError(f"{path}: damaged")
    return int(content.removeprefix(b"step "))


def damage(run: Run, *steps: int) -> None:
    for step in steps:
        (run.checkpoint(step) / "model.safetensors").write_bytes(b"damaged")
