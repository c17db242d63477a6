"""What tests of trainings share: to start one from a plan, to stop it, and what it has learned."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from charrnn.model.networks import build_network
from charrnn.storage.model_directory import TENSORS
from charrnn.storage.new_run import new_run
from charrnn.storage.run import Run
from charrnn.training.checkpoint import TRAINING_TENSORS, check_sources
from charrnn.training.learner import StepResult
from charrnn.training.parallel.group import Group
from charrnn.training.plan import Plan
from charrnn.training.schedule import TimeBudget
from charrnn.training.trainer import Trainer


def start(plan: Plan, directory: Path, group: Group | None = None) -> Trainer:
    """A new training as planned, in a new run directory, made as `start_training` makes one."""
    check_sources(plan.corpus)
    with new_run(plan.corpus.name, out=directory) as new:
        return Trainer(plan.corpus, plan.network, plan.config, new.claim(), group)


def make_budget(seconds: float, step_seconds: float, **changes: Any) -> TimeBudget:
    """A time budget: evaluations and saves take no time, and nothing was fixed by options."""
    free: dict[str, Any] = {"evaluation_seconds": 0.0, "save_seconds": 0.0}
    free |= {"most_steps": 10**6, "most_threads": 1}
    free |= {"fixed_evaluations": False, "fixed_saves": False}
    return TimeBudget(seconds=seconds, step_seconds=step_seconds, **free | changes)


def learned(run: Run) -> dict[str, bytes]:
    """All that a training came to, bit by bit: weights, moments and the hidden state."""
    return {name: (run.last / name).read_bytes() for name in (TENSORS, TRAINING_TENSORS)}


def stop_during(trainer: Trainer, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains until a Ctrl-C in the middle of a step."""
    take = trainer.learner.step

    def interrupted(batch: Any, number: int) -> StepResult:
        if number + 1 == step:
            trainer.request_stop()
        return take(batch, number)

    monkeypatch.setattr(trainer.learner, "step", interrupted)
    last = list(trainer)[-1]
    assert (last.step, last.checkpoint) == (step, trainer.run.directory / f"step-{step:08d}")


def check_resumes_exactly(
    make: Callable[..., Trainer], kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training by a kernel that was stopped in a step and resumed has learned the same, bit by
    bit, as one that was not."""

    def trainer(name: str) -> Trainer:
        planned = make(name, dropout=0.3)
        config = dataclasses.replace(planned.config, kernel=kernel)
        sizes, generator = planned.learner.network.config, torch.Generator().manual_seed(0)
        network = build_network(sizes, kernel=kernel, generator=generator)
        return Trainer(planned.corpus, network, config, planned.run)

    straight, stopped = trainer("straight"), trainer("stopped")
    list(straight)
    stop_during(stopped, 5, monkeypatch)
    list(Trainer.resume(stopped.run))
    assert learned(stopped.run) == learned(straight.run)
