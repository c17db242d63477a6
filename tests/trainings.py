"""Trainings from a plan, for tests that change the plan before they train."""

from pathlib import Path

from charrnn.storage.new_run import new_run
from charrnn.training.checkpoint import check_sources
from charrnn.training.parallel.group import Group
from charrnn.training.plan import Plan
from charrnn.training.trainer import Trainer


def start(plan: Plan, directory: Path, group: Group | None = None) -> Trainer:
    """A new training as planned, in a new run directory, made as `start_training` makes one."""
    check_sources(plan.corpus)
    with new_run(plan.corpus.name, out=directory) as new:
        return Trainer(plan.corpus, plan.network, plan.config, new.claim(), group)
